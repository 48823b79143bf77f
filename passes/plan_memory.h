// Memory planning: where each transient buffer of a program lies.
//
// Buffers whose lifetimes meet lie apart, except that a result takes the place of an operand that dies with it where the
// kernel allows that. The region ends up as small as a few placements find; each program has its own plan from 0.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status plan_memory(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
