// What rules and passes ask of gather, scatter_add and add_rows.
#pragma once

#include "ir/op.h"

namespace nnc::ir {

/// The dimension of x, and of the index, whose positions the index names.
inline std::size_t axis_of(const OpView& op) { return static_cast<std::size_t>(op.integer("axis")); }

/// Whether the index varies along the axis alone, and x has nothing before it, so that it names whole rows of x.
bool names_rows(const OpView& op);

}  // namespace nnc::ir
