// What gradients and passes ask of permute.
#pragma once

#include <cstdint>
#include <vector>

namespace nnc::ir {

/// The order that takes a permutation back.
std::vector<std::int64_t> inverse_order(const std::vector<std::int64_t>& order);

}  // namespace nnc::ir
