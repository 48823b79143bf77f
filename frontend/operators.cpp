#include "frontend/apply.h"
#include "frontend/evaluate.h"
#include "frontend/static_math.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

Value static_value(Context& context, StaticResult result, const ast::Span& at) {
  if (const auto* error = std::get_if<std::string>(&result)) return fail(context, at, *error);
  return {std::get<Value::Data>(std::move(result)), at};
}

Value apply_symbol(Context& context, std::string_view symbol, const std::vector<Value>& operands, const ast::Span& at) {
  const ir::OpDef* def = ir::find_symbol(symbol, operands.size());
  if (!def) return fail(context, at, fmt::format("`{}` does not take {}", symbol, describe(operands.front())));
  return apply(context, *def, operands, {}, at);
}

}  // namespace

Value evaluate_unary(Context& context, const ast::Unary& unary, const ast::Span& at) {
  const Value operand = evaluate(context, *unary.operand);
  if (operand.poisoned()) return poison(context);
  if (!operand.tensor()) return static_value(context, static_unary(unary.op, operand), at);
  return apply_symbol(context, spelling(unary.op), {operand}, at);
}

Value evaluate_binary(Context& context, const ast::Binary& binary, const ast::Span& at) {
  const Value left = evaluate(context, *binary.left);
  // What `and` and `or` do not need is not evaluated, so that `rank > 1 and shape(x)[1] == 2` is possible.
  if (const auto* known = left.as<bool>()) {
    if (binary.op == ast::BinaryOp::conjunction && !*known) return {false, at};
    if (binary.op == ast::BinaryOp::disjunction && *known) return {true, at};
  }
  const Value right = evaluate(context, *binary.right);
  if (left.poisoned() || right.poisoned()) return poison(context);
  const bool compares = binary.op == ast::BinaryOp::is_equal || binary.op == ast::BinaryOp::is_unequal;
  // Whether an argument is `none` is known while compiling, whatever else it may be.
  const bool with_none = compares && (left.as<None>() || right.as<None>());
  if (with_none || (!left.tensor() && !right.tensor()))
    return static_value(context, static_binary(binary.op, left, right), at);
  return apply_symbol(context, spelling(binary.op), {left, right}, at);
}

}  // namespace nnc::frontend
