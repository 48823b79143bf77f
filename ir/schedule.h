// How a fused op's loops run: an attribute, chosen by a pass, printed and parsed.
//
//   plan(parallel i, j by 32, vector k of 16, unroll 4)
//   plan(parallel i, j by 32, vector j of 16, tile k outside, stream 0)
//   plan(parallel i by 32, vector j of 16, unroll 2, pipelined, stream 0, prefetch)
//   plan(parallel i by 128, vector j of 16, unroll 4, split late, stream 2)
//
// The parallel dimensions are flattened in the order given, the last one fastest, and cut into chunks of `chunk`
// positions: the last chunk has what is left. The number of chunks depends on the shape alone. Everything else follows
// (fused.h): the dimensions that are neither parallel nor in the lanes are loops within a position, a reduction is by
// lanes, serial or split as the dimensions it removes are vector, inner or parallel ones.
//
// Where some accesses are contiguous along one dimension and others along another, one of the two is in the lanes and
// the other is the tile: a turn takes as many of its positions as a vector has lanes, and what is contiguous along it is
// transposed in registers.
#pragma once

#include "ir/philox.h"

#include <cstdint>
#include <vector>

namespace nnc::ir {

/// Of chunks that are multiples of it the code is the same: they are whole cache lines of any element, whole vectors and
/// whole groups of random numbers.
inline constexpr std::int64_t chunk_granule = 64;
static_assert(chunk_granule % random_group == 0);

struct Schedule {
  std::vector<int> parallel;
  std::int64_t chunk = 0;  // positions; 0: no schedule has been chosen
  int vector = -1;         // the dimension in the lanes: an inner one, or the last of `parallel`
  int lanes = 0;           // elements of a vector
  int unroll = 1;          // vectors that one turn of the vector loop takes
  int tile = -1;           // an inner dimension, not the one in the lanes; then `unroll` is 1
  /// All vectors of a row, of those in a chunk, are taken at a tile's positions before the next ones, so that memory that is
  /// contiguous along them is written in longer pieces. Nothing is reduced then, and all writes vary along the tile, which
  /// is the only loop within a position.
  bool tile_outside = false;
  /// Loops over a row share one: a turn takes a position through the first, the one before it through the second, and so
  /// on. Then the row is the only loop within a position.
  bool pipelined = false;
  /// Split reductions take their steps in the last of the loops that read what they need, not in the first.
  bool split_late = false;
  /// Writes, in ascending order, that go past the caches: into results larger than these are, and not read again soon.
  std::vector<int> streamed = {};
  /// While a position, or a tile, is worked on, operands of a later one are fetched into the cache (kernel_layout.h).
  bool prefetch = false;

  bool operator==(const Schedule&) const = default;
  bool chosen() const { return chunk > 0; }
};

}  // namespace nnc::ir
