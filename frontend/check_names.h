// Names in declarations that nothing has called: elaboration inlines calls, so that it never reads the others.
//
//   layer unused(x) { return rleu(x) }   ->   error: unknown function or layer `rleu`; did you mean `relu`?
//
// Reports calls of what is not declared, arguments that the callee does not have or lacks, names that nothing in the
// body makes, and layers called in a `fn`. Shapes and types are known to calls only.
#pragma once

#include "frontend/declarations.h"

namespace nnc::frontend {

void check_names(const ast::Definition& definition, const Declarations& declarations, ir::Diagnostics& diagnostics);

}  // namespace nnc::frontend
