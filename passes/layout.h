// Layout: images are stored with their channels last, as oneDNN likes them.
//
//   %1 = convolution %x, %w : f32[8,4,6,6]          %x' = permute %x {order = [0, 2, 3, 1]} : f32[8,6,6,3]
//   %2 = reshape %b : f32[4,1,1]              ->    %1 = convolution %x', %w {channels_last = true} : f32[8,6,6,4]
//   %3 = add %1, %2 : f32[8,4,6,6]                  %3 = add %1, %b : f32[8,6,6,4]
//   %4 = convolution %3, %v : f32[8,4,4,4]          %4 = convolution %3, %v {channels_last = true} : f32[8,4,4,4]
//
// A value's layout is the order of its dimensions. Ops on images give channels-last results; elementwise ops and
// reductions of such values go on with their order, whatever else they read being permuted; all other ops see the order
// that the program speaks of. Permutations are movements, which kernels take up in their strides.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status layout(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
