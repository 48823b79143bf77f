// Which values are known before anything runs.
#pragma once

#include "ir/graph.h"
#include "ir/tensor.h"

#include <optional>

namespace nnc::ir {

/// The elements of a value that a `constant` op makes, or null. Valid until the block grows.
const Tensor* constant_value(const Block& block, ValueId value);
/// The one value that all elements have: of a constant, or of one that was broadcast or reshaped.
std::optional<double> splat_value(const Block& block, ValueId value);

}  // namespace nnc::ir
