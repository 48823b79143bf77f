// Common subexpression elimination: of equal ops only the first stays.
//
//   %0 = exp %x : f32[4]        loc("a.nn":3:5)          %0 = exp %x : f32[4]   loc("a.nn":3:5, "a.nn":4:5)
//   %1 = exp %x : f32[4]        loc("a.nn":4:5)    ->    %1 = add %0, %0 : f32[4]
//   %2 = add %0, %1 : f32[4]
//
// Ops are equal if they have the same record, operands (in any order where the record says that it is commutative),
// attributes to the bit, result types and regions. The one that stays has the locations of all of them.
//
// A step computes the gradients, then clips them, then updates, and what is inserted between goes by the ops' roles. So
// ops of these three parts are never merged with each other. Forward and gradient ops are one part: a gradient may take
// what the forward pass has computed. The op that stays is forward if one of them was, and belongs to a parameter only
// if all of them did.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status cse(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
