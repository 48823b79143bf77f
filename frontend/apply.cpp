#include "frontend/apply.h"

#include "ir/evaluate.h"
#include "ir/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nnc::frontend {

namespace {

using ir::DType;

/// A static number, or a list of them, as a host tensor of i64, f64 or bool.
std::optional<ir::Tensor> host_tensor(const Value& value) {
  if (const auto* flag = value.as<bool>()) return ir::Tensor::splat_integer({DType::boolean, {}, {}}, *flag ? 1 : 0);
  if (const auto* integer = value.as<std::int64_t>()) return ir::Tensor::splat_integer({DType::i64, {}, {}}, *integer);
  if (const auto* real = value.as<double>()) return ir::Tensor::splat({DType::f64, {}, {}}, *real);
  const auto* list = value.as<std::vector<Value>>();
  if (!list) return std::nullopt;
  const bool integers =
      std::all_of(list->begin(), list->end(), [](const Value& element) { return element.as<std::int64_t>(); });
  ir::Tensor tensor(ir::Type{integers ? DType::i64 : DType::f64, {static_cast<std::int64_t>(list->size())}, {}});
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto number = (*list)[i].number();
    if (!number) return std::nullopt;
    if (integers)
      tensor.set_integer(static_cast<std::int64_t>(i), *(*list)[i].as<std::int64_t>());
    else
      tensor.set_real(static_cast<std::int64_t>(i), *number);
  }
  return tensor;
}

void promote_on_host(const ir::OpDef& def, std::vector<ir::Tensor>& operands) {
  using ir::Promotion;
  const std::size_t first = def.promotion == Promotion::branches ? 1 : 0;
  if (def.promotion == Promotion::logical || def.promotion == Promotion::index) return;
  bool real = def.promotion == Promotion::real, same = true;
  for (std::size_t i = first; i < operands.size(); ++i) {
    real = real || operands[i].type().dtype == DType::f64;
    same = same && operands[i].type().dtype == operands[first].type().dtype;
  }
  if (same && !real && def.promotion == Promotion::branches) return;
  for (std::size_t i = first; i < operands.size(); ++i)
    operands[i] = operands[i].converted(real ? DType::f64 : DType::i64);
}

std::optional<std::vector<ir::Tensor>> evaluate_on_host(const ir::OpDef& def, const std::vector<ir::Tensor>& operands,
                                                        const std::vector<ir::NamedAttr>& attrs, std::string& error) {
  ir::OpView view;
  view.def = &def;
  std::vector<const ir::Tensor*> pointers;
  for (const ir::Tensor& operand : operands) {
    view.operands.push_back(operand.type());
    pointers.push_back(&operand);
  }
  const ir::CompletedAttrs completed = ir::complete_attrs(def, attrs, view.operands);
  if (!completed.error.empty()) {
    error = completed.error;
    return std::nullopt;
  }
  view.attrs = completed.attrs;
  ir::Inferred inferred = (*def.infer)(view);
  if (!inferred.error.empty()) {
    error = inferred.error;
    return std::nullopt;
  }
  view.results = inferred.types;
  return ir::evaluate(view, pointers);
}

/// One number, as the language has it.
Value static_number(const ir::Tensor& result, const ast::Span& at) {
  if (result.type().dtype == DType::boolean) return Value{result.integer(0) != 0, at};
  if (ir::is_float(result.type().dtype)) return Value{result.real(0), at};
  return Value{result.integer(0), at};
}

}  // namespace

std::string quoted(const ir::OpDef& def) { return fmt::format("`{}`", def.symbol.empty() ? *def.name : def.symbol); }

std::optional<Value> apply_statically(Context& context, const ir::OpDef& def, const std::vector<Value>& operands,
                                      const std::vector<ir::NamedAttr>& attrs, const ast::Span& at) {
  const bool by_element = def.as<ir::Elementwise>() != nullptr;
  if (operands.empty() || (!by_element && !def.as<ir::Reduction>())) return std::nullopt;
  std::vector<ir::Tensor> tensors;
  bool integers = true;
  for (const Value& operand : operands) {
    const bool list = operand.as<std::vector<Value>>() != nullptr;
    if (operand.tensor() || list == by_element) return std::nullopt;
    auto tensor = host_tensor(operand);
    if (!tensor) return fail(context, at, fmt::format("{} does not take {}", quoted(def), describe(operand)));
    integers = integers && ir::is_integer(tensor->type().dtype);
    tensors.push_back(std::move(*tensor));
  }
  promote_on_host(def, tensors);
  std::string error;
  const auto results = evaluate_on_host(def, tensors, attrs, error);
  const auto is_number = [](const ir::Tensor& result) { return result.elements() == 1; };
  if (!results || !std::ranges::all_of(*results, is_number))
    return fail(context, at, fmt::format("{}: {}", quoted(def), error));
  const DType dtype = results->front().type().dtype;
  if (integers && ir::is_integer(dtype) && dtype != DType::boolean) {
    // Integers wrap around on the host; the same in f64 shows whether they did.
    for (ir::Tensor& tensor : tensors)
      if (ir::is_integer(tensor.type().dtype)) tensor = tensor.converted(DType::f64);
    const auto exact = evaluate_on_host(def, tensors, attrs, error);
    if (exact && std::abs(exact->front().real(0)) >= 9.2e18)
      return fail(context, at, fmt::format("{} overflows: integers at compile time have 64 bits", quoted(def)));
  }
  std::vector<Value> values;
  for (const ir::Tensor& result : *results) values.push_back(static_number(result, at));
  if (values.size() == 1) return values.front();
  return Value{Several{std::move(values)}, at};
}

Value apply(Context& context, const ir::OpDef& def, const std::vector<Value>& operands,
            std::vector<ir::NamedAttr> attrs, const ast::Span& at) {
  bool runtime = false, strong = false;
  for (const Value& operand : operands) {
    if (operand.poisoned()) return poison(context);
    runtime = runtime || operand.tensor();
    strong = strong || (operand.tensor() && !operand.tensor()->weak);
  }
  if (auto value = apply_statically(context, def, operands, attrs, at)) return *value;
  for (const Value& operand : operands)
    if (!operand.tensor() && !operand.is_static_number()) {
      auto& diagnostic = report(
          context, at, fmt::format("{} does not take {}{}", quoted(def), describe(operand), tensor_advice(operand)));
      note_origin(diagnostic, operand, at);
      return poison(context);
    }

  const auto exprs = promote(context, def, operands, at);
  if (!exprs) return poison(context);
  ir::Builder& builder = context.target->builder;
  builder.location = location(context, at);
  auto result = builder.try_op(def, *exprs, std::move(attrs));
  if (const auto* error = std::get_if<std::string>(&result)) {
    auto& diagnostic = report(context, at, fmt::format("{}: {}", quoted(def), *error));
    for (const Value& operand : operands)
      if (operand.tensor()) note_origin(diagnostic, operand, at);
    return poison(context);
  }
  if (++context.ops > max_ops)
    return exhaust(
        context, at,
        fmt::format("the program has more than {} ops; a loop over fewer, larger tensors would help", max_ops));

  std::vector<Value> values;
  const bool weak = runtime && !strong && def.as<ir::Elementwise>();
  for (const ir::Expr& expr : std::get<std::vector<ir::Expr>>(result)) {
    if (!checked_elements(expr.shape()))
      return fail(context, at,
                  fmt::format("a tensor of shape {} is {}", describe(expr.shape()),
                              std::ranges::count(expr.shape(), 0) > 0 ? "empty" : "too large"));
    values.push_back({TensorValue{expr, weak}, at});
  }
  if (values.size() == 1) return values.front();
  return {Several{std::move(values)}, at};
}

}  // namespace nnc::frontend
