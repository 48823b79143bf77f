// Lowering: graphs of fused ops and contractions become programs (ir/program.h).
//
//   graph @train@128(%image: u8[128,784]) {               program @train@128(%image: u8[128,784]) {
//     %w = slot @w : f32[512,784]                           buffer %w: f32[512,784] slot @w
//     %0 = fused %image {...} (...) {...} : f32[128,784]    buffer %0: f32[128,784] transient 0
//     %1 = matmul %0, %w {transpose_b = true} ...      ->   run @k0 (%image) -> (%0) threads 2
//     ...                                                   run matmul {transpose_b = true} (%0, %w) -> (%1) threads 2
//     %9 = fused %w, %8 ... update @w                       ...
//     return loss = %7, @w = %9                             run @k7 (%w, %8) -> (%w) threads 2   update @w
//   }                                                       return loss = %7
//                                                         }
//
// Slots are written in place. What is no fused op, contraction, reshape, slot or constant by then is not compiled yet,
// which is the user's business: an error with the op's line. Buffers lie apart from each other; `plan-memory` moves them
// together.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status lower(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
