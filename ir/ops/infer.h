// Type inference that several records share.
#pragma once

#include "ir/op.h"

#include <fmt/format.h>

namespace nnc::ir {

/// The type of operand I, whatever it is.
template <std::size_t I>
Inferred same_type_as(const OpView& op) {
  return {{op.operands[I]}, {}};
}

/// Result: the common element type and NumPy's broadcast of the shapes, from operand `first` on.
inline Inferred infer_broadcast(const OpView& op, std::size_t first = 0) {
  Type result = op.operands[first];
  for (std::size_t i = 0; i < op.operands.size(); ++i) {
    const Type& operand = op.operands[i];
    if (i >= first && operand.dtype != result.dtype)
      return Inferred::fail(fmt::format("the element types differ: {} and {}", to_string(result), to_string(operand)));
    const auto shape = broadcast(result.shape, operand.shape);
    if (!shape)
      return Inferred::fail(
          fmt::format("the shapes {} and {} do not broadcast", to_string(result.shape), to_string(operand.shape)));
    result.shape = *shape;
  }
  result.layout = {};
  return {{result}, {}};
}

/// Broadcasting arithmetic on numbers.
inline Inferred infer_arithmetic(const OpView& op) {
  if (op.operands[0].dtype == DType::boolean) return Inferred::fail("expected numbers, found bool");
  return infer_broadcast(op);
}

/// Arithmetic whose result may have another sign.
inline Inferred infer_signed(const OpView& op) {
  for (const Type& operand : op.operands)
    if (is_integer(operand.dtype) && lowest(operand.dtype) == 0)
      return Inferred::fail(fmt::format("expected signed numbers, found {}", to_string(operand)));
  return infer_arithmetic(op);
}

/// Broadcasting arithmetic on floats.
inline Inferred infer_real(const OpView& op) {
  for (const Type& operand : op.operands)
    if (!is_float(operand.dtype)) return Inferred::fail(fmt::format("expected floats, found {}", to_string(operand)));
  return infer_broadcast(op);
}

/// A broadcasting comparison: bool.
inline Inferred infer_comparison(const OpView& op) {
  Inferred result = infer_broadcast(op);
  if (result.error.empty()) result.types[0].dtype = DType::boolean;
  return result;
}

/// Broadcasting logic on bool.
inline Inferred infer_logical(const OpView& op) {
  for (const Type& operand : op.operands)
    if (operand.dtype != DType::boolean)
      return Inferred::fail(fmt::format("expected bool, found {}", to_string(operand)));
  return infer_broadcast(op);
}

}  // namespace nnc::ir
