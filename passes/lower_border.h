// What a graph may consist of when it is lowered.
#pragma once

#include "ir/diagnostics.h"
#include "ir/graph.h"

namespace nnc::passes {

/// Reports every op that is not compiled yet, at its line.
ir::Status check_compiled(const ir::Block& block, ir::Diagnostics& diagnostics);

}  // namespace nnc::passes
