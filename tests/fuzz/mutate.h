// A text or file changed in a few places, as slips and damage change it: tokens left out, doubled, moved, taken from
// another input, numbers made extreme; bytes changed, inserted, cut.
#pragma once

#include "runtime/random.h"

#include <string>
#include <string_view>
#include <vector>

namespace nnc::fuzz {

std::string mutated(const std::string& input, const std::vector<std::string>& corpus, bool text,
                    runtime::Random& random);

}  // namespace nnc::fuzz
