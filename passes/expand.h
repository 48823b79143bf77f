// Expansion: library ops that kernels can do as well become ops that kernels hold, and ops that are cheaper in parts.
//
//   %1, %2 = max_pool %0 {kernel = [2]}         %a = reshape %0 : f32[8,3,2,3,2,4]
//       : f32[8,3,3,4], u8[8,3,3,4]       ->    %1 = max %a {axis = [2, 4]} : f32[8,3,3,4]
//                                               %3 = argmax %a {axis = [2, 4]} : i32[8,3,3,4]
//                                               %2 = cast %3 : u8[8,3,3,4]
//
// Such ops then share kernels with what is before and behind them. The rules stand in the records.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status expand(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
