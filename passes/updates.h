// Parameter updates: each gradient goes into the rule that updates its parameter.
//
//   update @w by @sgd.0 ()
//   rule @sgd.0(%param: f32[4], %grad: f32[4]) {          graph @train@4(%x: f32[4]) {
//     %0 = constant {value = 0.1} : f32[]                   ...
//     %1 = mul %grad, %0 : f32[4]                           %6 = constant {value = 0.1} : f32[]    update @w
//     %2 = sub %param, %1 : f32[4]                   ->     %7 = mul %5, %6 : f32[4]               update @w
//     return %2                                             %8 = sub %w, %7 : f32[4]               update @w
//   }                                                       return loss = %1, @w = %8
//   graph @train@4(%x: f32[4]) {                          }
//     ...
//     return loss = %1, grad @w = %5
//   }
//
// If there is a rule named `clip`, all gradients go through it first. Afterwards the module has neither rules nor
// updates: what they say stands in the graphs, and cannot be put there twice.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status updates(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
