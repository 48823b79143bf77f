// Philox4x32-10 as vector code, the same bits as ir/philox.h.
//
//   llvm::Value* u = emit_random(builder, key, step, stream, positions);   // any positions: a block for each lane
//
// A block has four words, of which a position uses one. Where a loop takes the 64 positions of a group, all four are used
// and it costs a quarter:
//
//   const RandomBlock r = emit_random_block(builder, key, step, stream, position / 64, 0, 16);
//   // lane i of r.words[j]: position + 16 j + i
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <array>
#include <cstdint>

namespace nnc::runtime::jit {

/// Elements of a stream, uniform in [0, 1): float or <N x float>, as `position` is i64 or <N x i64>. Key,
/// step and stream (its hash) are i64.
llvm::Value* emit_random(llvm::IRBuilder<>& builder, llvm::Value* key, llvm::Value* step, llvm::Value* stream,
                         llvm::Value* position);

struct RandomBlock {
  std::array<llvm::Value*, 4> words;  // uniform in [0, 1), <lanes x float>
};
/// Lane i of words[j] is element `first + i` of the j-th quarter of the group; `group` and `first` are i64. All lanes are
/// within a quarter: first + lanes <= ir::random_group_blocks.
RandomBlock emit_random_block(llvm::IRBuilder<>& builder, llvm::Value* key, llvm::Value* step, llvm::Value* stream,
                              llvm::Value* group, llvm::Value* first, int lanes);

}  // namespace nnc::runtime::jit
