// Attributes, tensors and locations as text.
#pragma once

#include "ir/graph.h"
#include "ir/text.h"

#include <string>
#include <vector>

namespace nnc::ir::text {

/// `0.5` where all elements have the same bits, else a list nested like the shape: `[[1, 2], [3, 4]]`.
std::string print_tensor(const Tensor& tensor, const PrintOptions& options);
std::string print_attr(const Attr& attr, const PrintOptions& options);

/// Whether attributes of that kind are written in braces, and not among the arguments or in the result types.
bool in_braces(AttrKind kind);
/// What stands after the op's name: operands as named, then slots as `@path`, then tensors.
std::string print_arguments(const Op& op, const std::vector<std::string>& operands, const PrintOptions& options);
/// ` {transpose_b = true}` or nothing. `rank` is that of operand 0, -1 where unknown.
std::string print_attrs(const Op& op, int rank, const PrintOptions& options);

/// `loc("mlp.nn":7:12 > "std/layers.nn":9:10)` or nothing.
std::string print_location(const Location& location);
/// `grad @model.fc1.weight` or nothing.
std::string print_role(const Role& role);

}  // namespace nnc::ir::text
