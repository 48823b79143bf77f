// Compiled kernels, as whoever runs them sees them: plain functions, without a word of the compiler that made them.
//
//   const KernelCode code = kernels.code(k);
//   for each chunk c, on any thread t:
//     code.run(args, c * chunk, min((c + 1) * chunk, positions), partials + c * partial_bytes, rows + t * row_bytes);
//   once all are done, if (code.finish):
//     code.finish(args, partials, chunks);
//
// Positions, chunks and the sizes of both areas are those of ir/fused.h and ir/kernel_layout.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nnc::runtime {

/// Works on positions [begin, end) of the flattened parallel dimensions: one chunk, `begin` a multiple of its size.
/// `args` are the pointers of the operands, then of the results, then KernelCode::parameters. `partial` is the chunk's area for split reductions, which
/// the kernel initializes; `rows` is the thread's row area. A result may lie over an operand that has the same access.
using KernelFunction = void (*)(void* const* args, std::int64_t begin, std::int64_t end, void* partial, void* rows);
/// Merges the partial results of all chunks, in their order, and writes the results of split reductions.
using FinishFunction = void (*)(void* const* args, const void* partials, std::int64_t chunks);

struct KernelCode {
  KernelFunction run = nullptr;
  FinishFunction finish = nullptr;  // null: no split reductions
  /// Numbers that this kernel's formulas have and others with the same code have not; null where the code has all of
  /// them.
  const void* parameters = nullptr;
};

class KernelSet {
 public:
  virtual ~KernelSet() = default;
  /// The code of the kernel with that number in the list that was compiled.
  virtual KernelCode code(std::size_t kernel) const = 0;
};

}  // namespace nnc::runtime
