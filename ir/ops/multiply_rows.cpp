#include "ir/ops/multiply_rows.h"

#include <algorithm>

namespace nnc::ir {

/// Compiled for several instruction sets; the order of every sum is the same in each.
__attribute__((target_clones("avx512f", "avx2", "default"))) void multiply_rows(const double* a, const double* b,
                                                                                std::int64_t rows, std::int64_t k,
                                                                                std::int64_t n, double* sums) {
  std::fill_n(sums, rows * n, 0.0);
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t r = 0; r < rows; ++r) {
      const double left = a[r * k + i];
      for (std::int64_t j = 0; j < n; ++j) sums[r * n + j] += left * b[i * n + j];
    }
}

}  // namespace nnc::ir
