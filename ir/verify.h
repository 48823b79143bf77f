// Whether a module is well formed: operands precede uses, types are what inference gives, attributes are those of the
// record, graphs, slots, updates and the recipe fit together. Everything after relies on it; it runs after every pass.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"

namespace nnc::ir {

/// Reports every violation, at the op's location where it has one.
Status verify(const Module& module, Diagnostics& diagnostics);

}  // namespace nnc::ir
