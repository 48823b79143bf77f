// The code of a convolution by tiles (ir/winograd.h) as LLVM IR: functions of the type KernelFunction (runtime/kernels.h),
// but that `begin` may be anything and that `weight` wants no areas. They serve any batch.
//
//   an image    weight:  for each channel of [begin, end)       args: weight, U
//                          U = G w G^T
//               tiles:   for a block of tiles [begin, end)      args: x, U, y; rows: V, then M
//                          V = B^T d B of each tile
//                          M = V U, a product of matrices for each position of a tile
//                          y = A^T M A of each tile
//   a weight    tiles:   for a chunk of tiles [begin, end)      args: x, y; partial: M; rows: V, then D
//                          V = B^T d B and D = A dy A^T of each tile of a block
//                          M += V^T D
//               weight:  for each channel of [begin, end)       args: the chunks' M, result, their number (i64)
//                          w = G^T M G, M summed over the chunks in their order
//
// Vectors are of channels, of fewer lanes than the CPU has where those of both images are no whole ones. Outside of an
// image are zeros, read where they lie.
#pragma once

#include "ir/winograd.h"

#include <llvm/IR/Module.h>

#include <cstdint>
#include <string>

namespace nnc::runtime::jit {

/// How much is worked on at a time; it follows from the shape, not from the number of threads.
struct WinogradPlan {
  std::int64_t block = 0;          // tiles that lie in the thread's rows at a time
  std::int64_t chunk = 0;          // tiles of a call: a block, or the blocks of one partial sum
  std::int64_t chunks = 0;         // calls
  std::int64_t row_bytes = 0;      // of a thread
  std::int64_t partial_bytes = 0;  // of a chunk; none for an image

  /// Elements from one of the positions of V, M or D to the next. The rows of a block alone would be a power of two,
  /// and all positions of a tile in the same lines of the first cache.
  std::int64_t position_stride(std::int64_t channels) const { return block * channels + cache_line_elements; }
  static constexpr std::int64_t cache_line_elements = 16;
};
WinogradPlan winograd_plan(const ir::WinogradTiles& tiles);

void emit_winograd_weight(llvm::Module& module, const std::string& name, const ir::WinogradTiles& tiles, int lanes);
void emit_winograd_tiles(llvm::Module& module, const std::string& name, const ir::WinogradTiles& tiles, int lanes);

}  // namespace nnc::runtime::jit
