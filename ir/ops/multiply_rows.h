// What reference evaluations of sums of products spend their time with.
#pragma once

#include <cstdint>

namespace nnc::ir {

/// sums[r, n] = sum over k of a[r, k] b[k, n], for a few rows: a row of b serves them all while it is in the cache.
void multiply_rows(const double* a, const double* b, std::int64_t rows, std::int64_t k, std::int64_t n, double* sums);

}  // namespace nnc::ir
