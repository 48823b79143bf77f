// Contractions by oneDNN. A primitive is made once for its shapes and its number of threads; running it sets pointers.
#pragma once

#include "runtime/contraction.h"

#include <memory>

namespace nnc::runtime {

std::unique_ptr<Contractions> make_onednn_contractions();

}  // namespace nnc::runtime
