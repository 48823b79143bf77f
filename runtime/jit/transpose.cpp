#include "runtime/jit/transpose.h"

#include <utility>
#include <vector>

namespace nnc::runtime::jit {

// Squares of `half` lanes beside the diagonal change places, of half the tile first, of single elements last:
//
//   a0 a1 | a2 a3      a0 a1 | c0 c1      a0 b0   c0 d0
//   b0 b1 | b2 b3      b0 b1 | d0 d1      a1 b1   c1 d1
//   -----   -----  ->  -----   -----  ->
//   c0 c1 | c2 c3      a2 a3 | c2 c3      a2 b2   c2 d2
//   d0 d1 | d2 d3      b2 b3 | d2 d3      a3 b3   c3 d3
Pack transposed(llvm::IRBuilder<>& b, Pack rows) {
  const std::size_t n = rows.size();
  std::vector<int> upper(n), lower(n);
  for (std::size_t half = n / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < n; ++lane) {
      const bool right = (lane & half) != 0;
      upper[lane] = static_cast<int>(right ? n + lane - half : lane);
      lower[lane] = static_cast<int>(right ? n + lane : lane + half);
    }
    for (std::size_t i = 0; i < n; ++i) {
      if ((i & half) != 0) continue;
      llvm::Value* const first = rows[i];
      llvm::Value* const second = rows[i + half];
      rows[i] = b.CreateShuffleVector(first, second, upper);
      rows[i + half] = b.CreateShuffleVector(first, second, lower);
    }
  }
  return rows;
}

}  // namespace nnc::runtime::jit
