// What rules and passes ask of gather, scatter_add and add_rows.
#pragma once

#include "ir/op.h"

namespace nnc::ir {

/// Whether the index varies along the axis alone, and x has nothing before it, so that it names whole rows of x.
bool names_rows(const OpView& op);

}  // namespace nnc::ir
