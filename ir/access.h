// Affine accesses: which element of a tensor belongs to a position of a domain.
//
//   at(10*i + j)                               element 10 i + j
//   at(j + -2 if j from 2 to 5 else 0.0)       element j - 2 where 2 <= j < 5, elsewhere 0
//   at(64*[1 below 50] + j)                    a gathered row: [1] is the value of operand 1 at that position, 0 to 49
//
// Broadcasting is a stride of 0; transposing, slicing, splitting and flipping are strides and an offset.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace nnc::ir {

struct Access {
  std::int64_t offset = 0;            // into the tensor's row-major elements
  std::vector<std::int64_t> strides;  // in elements, one for each dimension of the domain
  /// Half-open range of each coordinate for which the access holds; empty: everywhere. Outside the value is `fill`.
  static constexpr std::pair<std::int64_t, std::int64_t> everywhere{0, std::numeric_limits<std::int64_t>::max()};
  std::vector<std::pair<std::int64_t, std::int64_t>> bounds = {};
  double fill = 0;
  /// The operand whose value, times `index_stride`, is added to the position; -1: none.
  int index = -1;
  std::int64_t index_stride = 0;
  std::int64_t index_extent = 0;  // of the positions that the index may name

  bool is_bounded(std::size_t dimension) const { return dimension < bounds.size() && bounds[dimension] != everywhere; }
  bool is_bounded() const {
    return std::ranges::any_of(bounds, [](const auto& range) { return range != everywhere; });
  }

  bool operator==(const Access&) const = default;
};

}  // namespace nnc::ir
