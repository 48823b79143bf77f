// Convolutions that passes want by tiles (ir/winograd.h), compiled; all others are left to another library.
#pragma once

#include "runtime/contraction.h"
#include "runtime/jit/compile.h"

#include <memory>

namespace nnc::runtime::jit {

/// Equal convolutions are compiled once, when the first of them is prepared. `cache` as for kernels.
std::unique_ptr<Contractions> with_winograd(std::shared_ptr<Contractions> others, const Cpu& cpu,
                                            std::shared_ptr<ObjectCache> cache = nullptr);

}  // namespace nnc::runtime::jit
