// What a fused op's kernel keeps besides its operands and results: the stages of its body, row buffers, partial results.
// Memory planning asks for the bytes, the kernel generator for the rest, so that both see one layout.
#pragma once

#include "ir/fused.h"

#include <cstdint>
#include <vector>

namespace nnc::ir {

/// A reduction over parallel dimensions: each chunk leaves accumulators, `finish` merges them in chunk order.
struct SplitReduction {
  int op = 0;                         // of the body
  std::int64_t offset = 0;            // of its accumulators in a chunk's partial results, bytes
  std::int64_t elements = 0;          // accumulators of each kind in a chunk (the lanes apart where they are reduced)
  std::vector<std::int64_t> offsets;  // of each kind of accumulator, from `offset`
};

struct KernelLayout {
  /// For each value of the body: the loop over inner dimensions at whose end (reductions) or in which (anything else) it
  /// is first known; values that do not vary over inner dimensions and depend on no reduction are in stage 0.
  std::vector<int> stage;
  int stages = 1;
  /// For each value of the body that a later stage reads again instead of computing it again: the offset of its row
  /// buffer, bytes; -1: none.
  std::vector<std::int64_t> row_offset;
  std::int64_t row_bytes = 0;  // private to a thread while it works on a position
  std::vector<SplitReduction> splits;
  std::int64_t partial_bytes = 0;  // of one chunk

  /// Scratch that an instruction on so many threads needs: the partial results of all chunks, then a row area a thread;
  /// each part a multiple of 64 bytes.
  std::int64_t scratch_bytes(std::int64_t chunks, int threads) const;
};

/// Of a fused op with a schedule.
KernelLayout kernel_layout(const FusedView& fused);

}  // namespace nnc::ir
