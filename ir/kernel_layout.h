// What a fused op's kernel does within a position, and what it keeps: its loop nests in order, row buffers, partial
// results. Memory planning asks for the bytes, the kernel generator for the rest, so that both see one layout.
//
//   softmax over j of x(i, j), i parallel:
//
//     nest 0: loop j   x                        -> max
//     nest 1: loop j   e = exp(x - max)         -> sum; keeps e in a row buffer
//     nest 2: loop j   e from its row, e / sum  -> written
//
// A reduction over inner dimensions is complete after its nest; what needs it belongs to a later stage. Reductions of a
// stage that run over the same dimensions share a nest, and so do writes and split reductions with them; late ones
// (schedule.h) are in the last nest that needs no operand or function more for them. A later nest computes again what it
// needs, unless that takes a function, a division or a square root: such a value is kept.
#pragma once

#include "ir/fused.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace nnc::ir {

/// Dimensions of a domain, bit d for dimension d.
using DimensionSet = std::uint32_t;
inline DimensionSet bit(int dimension) { return DimensionSet{1} << static_cast<unsigned>(dimension); }
inline bool has(DimensionSet set, int dimension) {
  return dimension >= 0 && (set >> static_cast<unsigned>(dimension) & 1U) != 0;
}

/// An array over some of the domain's dimensions.
struct KernelArray {
  std::vector<int> dimensions;        // the slowest first
  std::vector<std::int64_t> strides;  // of each, in elements
  std::int64_t elements = 1;          // the fastest dimension rounded up to whole vectors
};

/// Values of one inner nest, kept for later ones.
struct RowBuffer {
  KernelArray array;
  std::int64_t offset = 0;  // in the row area, bytes
  /// Of how many positions there are rows, one behind the other: a pipelined nest writes that of a later position while
  /// another one still has an earlier one to read.
  std::int64_t slots = 1;
  std::int64_t slot_bytes = 0;
};

/// A reduction over parallel dimensions: each chunk leaves accumulators, `finish` merges them in chunk order.
struct SplitReduction {
  int op = 0;         // of the body
  KernelArray array;  // over the dimensions kept: its accumulators of one kind
  /// Whether each accumulator is one for every lane until the chunk ends.
  bool lanes_apart = false;
  std::vector<std::int64_t> offsets;  // of each kind of accumulator in a chunk's partial results, bytes
};

/// Loops over inner dimensions. Everything in `reductions`, `splits`, `writes` varies along exactly these dimensions.
struct KernelNest {
  int stage = 0;
  int lag = 0;                    // positions that it is behind the first nest, if pipelined
  std::vector<int> loops;         // outermost first: the dimensions that `reductions` keep, then those they remove
  int kept = 0;                   // how many they keep
  std::vector<int> reductions;    // ops of the body, complete at its end
  std::vector<int> splits;        // of KernelLayout::splits
  std::vector<int> writes;        // of the fused op, done in it
  std::vector<ValueId> needed;    // what it computes, reads or takes from a position or a row, in the body's order
  std::vector<ValueId> buffered;  // those of them that it leaves in row buffers

  bool operator==(const KernelNest&) const = default;
};

/// What a nest fetches into the cache if the schedule has `prefetch`: of operands of which a turn reads whole lines, what
/// a later tile, or without tiles a later position, reads. That is so far behind that its lines arrive in time. Rows that
/// an index names are those that it names so much further on in its memory, or its last one's.
///
/// In a pipeline it is the first nest over the row, which reads it before the others, the lines of a turn at once. Without
/// a pipeline and tiles it is the first of the nests over the whole row that stores vectors, but for the first of several,
/// which waits for its own row; if none stores it is the last one. Lines are fetched beside the vectors that are stored,
/// as memory does not take many at once.
struct KernelFetch {
  /// The last of the nest's row buffers, the last of its writes, or none: then all lines of a turn are fetched at once.
  enum class Beside : std::uint8_t { row, write, nothing };

  int nest = -1;  // -1: there is nothing to fetch
  Beside beside = Beside::nothing;
  int along = -1;         // the dimension along which that position, or tile, lies
  std::int64_t step = 1;  // how far, in elements of that dimension
  std::vector<int> operands = {};
  std::int64_t row_bytes = 0;  // what a position reads of the operand of which it reads most
  int row_nests = 0;           // how many nests are over the whole row
};

/// The scratch of an instruction: the partial results of all chunks, then a row area for each thread, private to it while
/// it works on a position. Bytes, all aligned.
struct KernelScratch {
  std::int64_t partial_bytes = 0;  // of a chunk
  std::int64_t row_bytes = 0;      // of a thread

  std::int64_t partial_at(std::int64_t chunk) const { return chunk * partial_bytes; }
  std::int64_t rows_at(std::int64_t chunks, int thread) const { return partial_at(chunks) + thread * row_bytes; }
  std::int64_t bytes(std::int64_t chunks, int threads) const { return rows_at(chunks, threads); }
};

struct KernelLayout {
  int vector = -1;  // the dimension in the lanes; -1: none has more than one element
  int lanes = 1;
  bool vector_is_parallel = false;
  int tile = -1;           // the dimension of which a turn takes as many positions as there are lanes; -1: none
  DimensionSet inner = 0;  // those of loops within a position

  /// For each value of the body, the stage in which it is first known; a reduction is at the end of it.
  std::vector<int> stage;
  /// For each value, the dimensions along which its elements really differ.
  std::vector<DimensionSet> moves;
  std::vector<KernelNest> nests;
  std::vector<std::optional<RowBuffer>> rows;  // for each value
  std::vector<SplitReduction> splits;
  KernelFetch fetch;
  KernelScratch scratch;
  /// What the nests go over at a position: rows of operands and results, row buffers, partial results; nothing that passes
  /// the caches by. In a pipeline all rows of an operand between the first nest that reads it and the last.
  std::int64_t position_bytes = 0;
};

/// Whether what an access reaches lies in vectors along the tile, not along the dimension in the lanes: it is transposed.
bool lies_along_tile(const KernelLayout& layout, const Access& access);

/// Of a fused op with a schedule.
KernelLayout kernel_layout(const FusedView& fused);

/// Whether the kernel is right for any extent of the outermost parallel dimension: no code depends on it.
bool fits_any_extent(const FusedView& fused);

}  // namespace nnc::ir
