// Schedules: how the loops of each fused op run (ir/schedule.h), chosen from shapes and the target.
//
//   dims(i: 128, j: 512), max over j used again   ->   plan(parallel i by 16, vector j of 16, unroll 4)
//
// schedule.cpp has the rules. A schedule that is there already stays.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status schedule(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
