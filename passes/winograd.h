// Winograd: convolutions of windows of 3 x 3 and 5 x 5 by tiles, where that is less work (ir/winograd.h).
//
//   %2 = convolution %x, %w {low = [1], high = [1], channels_last = true} : f32[64,8,8,64]
//   ->
//   %2 = convolution %x, %w {low = [1], high = [1], channels_last = true, winograd = true} : f32[64,8,8,64]
//
// Sums are of transformed numbers then, in another order: docs/semantics.md says how close they are.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status winograd(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
