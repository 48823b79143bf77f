// Transposes of matrices, which `permute` makes and `matmul` absorbs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nnc::ir {

/// Whether an order of dimensions swaps the last two and nothing else.
inline bool swaps_last(const std::vector<std::int64_t>& order) {
  const auto n = static_cast<std::int64_t>(order.size());
  if (n < 2) return false;
  for (std::int64_t d = 0; d < n; ++d) {
    const std::int64_t expected = d + 2 < n ? d : 2 * n - 3 - d;
    if (order[static_cast<std::size_t>(d)] != expected) return false;
  }
  return true;
}

}  // namespace nnc::ir
