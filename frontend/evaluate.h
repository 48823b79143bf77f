// Expressions -> values, in the frame and target that the context holds. Errors are reported and give poison.
#pragma once

#include "frontend/context.h"
#include "frontend/values.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::frontend {

Value evaluate(Context& context, const ast::Expr& expr);

/// What stands where an initializer is asked for: `normal(0.02)`, the name of a parameter of type `init`, a choice.
std::shared_ptr<const Initializer> evaluate_initializer(Context& context, const ast::Expr& expr);

/// An integer known at compile time; `what` names it in the error ("a dimension").
std::optional<std::int64_t> evaluate_integer(Context& context, const ast::Expr& expr, std::string_view what);
/// The same of a value that is there already.
std::optional<std::int64_t> as_integer(Context& context, const Value& value, const ast::Span& at,
                                       std::string_view what);
/// A condition known at compile time.
std::optional<bool> evaluate_condition(Context& context, const ast::Expr& expr);

/// `f32[4 * units, I]` -> f32[2048,512]; `...` stands for what the signature bound. Only element types.
std::optional<ir::Type> evaluate_type(Context& context, const ast::TypeExpr& type);

// --- the parts, by file ---

/// operators.cpp
Value evaluate_unary(Context& context, const ast::Unary& unary, const ast::Span& at);
Value evaluate_binary(Context& context, const ast::Binary& binary, const ast::Span& at);

/// subscripts.cpp
Value evaluate_index(Context& context, const ast::Index& index, const ast::Span& at);

/// calls.cpp
Value evaluate_call(Context& context, const ast::Call& call, const ast::Span& at);

/// instances.cpp: `fc1.weight`, `h[0].attn.bias`; empty if `member` names no instance's parameter.
std::optional<Value> evaluate_parameter_of_instance(Context& context, const ast::Member& member, const ast::Span& at);

}  // namespace nnc::frontend
