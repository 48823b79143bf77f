// One op applied to values: promotion, inference, errors.
//
//   apply(*, [f32[128,10], 0.5])   ->   a constant of f32, then mul : f32[128,10]
#pragma once

#include "frontend/context.h"
#include "frontend/values.h"
#include "ir/op.h"

#include <optional>
#include <vector>

namespace nnc::frontend {

/// Appends the op, or evaluates it where all operands are known at compile time and the op works by element (or reduces
/// a list).
Value apply(Context& context, const ir::OpDef& def, const std::vector<Value>& operands,
            std::vector<ir::NamedAttr> attrs, const ast::Span& at);

/// Brings operands to what the op's record asks for (`OpDef::promotion`); empty after an error.
std::optional<std::vector<ir::Expr>> promote(Context& context, const ir::OpDef& def, const std::vector<Value>& operands,
                                             const ast::Span& at);

/// A value as a tensor of that element type: a static number becomes a scalar constant.
std::optional<ir::Expr> as_tensor(Context& context, const Value& value, ir::DType dtype, const ast::Span& at);

/// Whether the tensor is of the graph under construction; reports if not.
bool belongs_here(Context& context, const Value& value, const ast::Span& at);

/// The value of a static call, such as sqrt(2.0) or prod([3, 4]); empty if an operand is not static.
std::optional<Value> apply_statically(Context& context, const ir::OpDef& def, const std::vector<Value>& operands,
                                      const std::vector<ir::NamedAttr>& attrs, const ast::Span& at);

/// "`+`" or "`relu`": an op in messages.
std::string quoted(const ir::OpDef& def);

// --- calls.cpp ---

/// `uniform(bound)` as an initializer; null after an error.
std::shared_ptr<const Initializer> initializer_call(Context& context, const ast::Call& call, const ast::Span& at);

}  // namespace nnc::frontend
