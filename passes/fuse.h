// Fusion: elementwise ops, reductions and movements become fused ops (ir/fused.h), each one pass over memory.
//
//   %1 = max %0 {axis = [1], keepdim = true}      %1 = fused %0 {domain = dims(i: 128, j: 10), ...}
//   %2 = sub %0, %1                          ->       (%0: f32[128,10]) {
//   %3 = exp %2                                     %1 = max %0 {axis = [1], keepdim = true} : f32[128,1]
//   %4 = sum %3 {axis = [1], keepdim = true}        ...
//   %5 = div %3, %4                                 yield %5
//                                                 } : f32[128,10]
//
// Contractions, loops, bf16 and what only renames dimensions (a reshape that no kernel looks through) stay; so do
// constants and slots, as operands. Ops of single numbers have fused ops of their own, without a domain.
#pragma once

#include "passes/pass.h"

#include <vector>

namespace nnc::passes {

/// Fuses a block, and the regions in it. `not_fused`, if it is wanted, gets of fused ops that share a value why they are
/// not one.
void fuse_block(ir::Block& block, std::vector<Remark>* not_fused = nullptr);

/// Makes a fused op of each op that can be one by itself, for who needs kernels of what fusion left or never saw.
void wrap_ops(ir::Block& block);

ir::Status fuse(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
