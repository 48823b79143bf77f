// Indices that might be outside of what they index are checked while the program runs.
//
//   %2 = add %label, %1 : i32[8,1]               %2 = add %label, %1 : i32[8,1]
//   %3 = gather %w, %2 {axis = 0} : f32[8,4]     %3 = checked_index %2 {below = 5} : i32[8,1]
//                                           ->   %4 = gather %w, %3 {axis = 0} : f32[8,4]
//
// Not those of data fields, which are checked when the data is read (ir/analysis.h), nor those that cannot be outside.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status check_indices(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
