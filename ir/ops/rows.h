// A tensor as rows along one axis: [outer, n, inner], row-major, for routines that work on one row after another.
#pragma once

#include "ir/op.h"

#include <algorithm>
#include <cstdint>

namespace nnc::ir {

struct Rows {
  std::int64_t outer = 1, n = 1, inner = 1;

  Rows(const Shape& shape, std::int64_t axis) {
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const auto own = static_cast<std::int64_t>(d);
      (own < axis ? outer : own == axis ? n : inner) *= shape[d];
    }
  }

  std::int64_t count() const { return outer * inner; }
  /// The position of a row's first element in a tensor whose rows have `length` elements, `inner` apart.
  std::int64_t begin(std::int64_t row, std::int64_t length) const { return row / inner * length * inner + row % inner; }
  std::int64_t begin(std::int64_t row) const { return begin(row, n); }

  /// Parts that rows are divided into: no more than keep the threads busy, as each has scratch of its own.
  std::int64_t parts() const { return std::min<std::int64_t>(count(), 64); }
  /// The first row of a part.
  std::int64_t first_of(std::int64_t part) const { return count() * part / parts(); }
};

}  // namespace nnc::ir
