// Operands -> what the record asks for. Tensors decide the element type; literals, hypers, dimensions and runtime
// scalars follow them.
//
//   u8[128,28,28] / 255        ->  both f32 (`/` is real)
//   f32[3] * step              ->  step cast to f32
//   step / total_steps         ->  f64: no tensor decides
#include "frontend/apply.h"

#include <fmt/format.h>

#include <limits>

namespace nnc::frontend {

namespace {

using ir::DType;
using ir::Promotion;

/// Position in the chain of types in which each holds the values of those before it.
int width_rank(DType dtype) {
  switch (dtype) {
    case DType::boolean: return 0;
    case DType::u8: return 1;
    case DType::u16: return 2;
    case DType::i32: return 3;
    case DType::i64: return 4;
    case DType::bf16: return 5;
    case DType::f32: return 6;
    case DType::f64: return 7;
  }
  return 0;
}

DType wider(DType a, DType b) { return width_rank(a) >= width_rank(b) ? a : b; }

bool is_weak(const Value& value) { return !value.tensor() || value.tensor()->weak; }

bool is_weak_real(const Value& value) {
  if (const auto* tensor = value.tensor()) return tensor->weak && ir::is_float(tensor->expr.dtype());
  return value.as<double>() != nullptr;
}

/// The common type of operands from `first` on.
DType common_type(const std::vector<Value>& operands, std::size_t first, Promotion promotion) {
  std::optional<DType> strong;
  bool runtime = false, real = false, integer = false;
  for (std::size_t i = first; i < operands.size(); ++i) {
    const Value& value = operands[i];
    if (!is_weak(value)) {
      const DType dtype = value.tensor()->expr.dtype();
      strong = strong ? wider(*strong, dtype) : dtype;
    } else {
      runtime = runtime || value.tensor() != nullptr;
      real = real || is_weak_real(value);
      integer = integer || value.as<std::int64_t>();
    }
  }
  if (!strong && runtime) return DType::f64;
  DType common = strong.value_or(real ? DType::f32 : integer ? DType::i32 : DType::boolean);
  if (!ir::is_float(common) && real) common = DType::f32;
  if (common == DType::boolean && integer) common = DType::i32;
  const bool small = width_rank(common) < width_rank(DType::i32);
  if (promotion != Promotion::branches && small) common = DType::i32;
  if (promotion == Promotion::real && ir::is_integer(common)) common = DType::f32;
  return common;
}

std::optional<ir::Expr> as_bool(Context& context, const ir::OpDef& def, const Value& value, const ast::Span& at) {
  const bool fits = value.as<bool>() || (value.tensor() && value.tensor()->expr.dtype() == DType::boolean);
  if (fits) return as_tensor(context, value, DType::boolean, at);
  auto& diagnostic = report(context, at, fmt::format("{} asks for bool, found {}", quoted(def), describe(value)));
  note_origin(diagnostic, value, at);
  return std::nullopt;
}

std::optional<ir::Expr> as_index(Context& context, const ir::OpDef& def, const Value& value, const ast::Span& at) {
  const bool fits = value.as<std::int64_t>() || (value.tensor() && ir::is_integer(value.tensor()->expr.dtype()));
  if (fits) return as_tensor(context, value, DType::i32, at);
  auto& diagnostic = report(context, at, fmt::format("{} asks for integers, found {}", quoted(def), describe(value)));
  note_origin(diagnostic, value, at);
  return std::nullopt;
}

std::optional<ir::Expr> as_it_is(Context& context, const Value& value, const ast::Span& at) {
  if (const auto* tensor = value.tensor(); tensor && !tensor->weak)
    return as_tensor(context, value, tensor->expr.dtype(), at);
  return as_tensor(context, value, value.tensor() ? DType::f32 : natural_dtype(value), at);
}

}  // namespace

bool belongs_here(Context& context, const Value& value, const ast::Span& at) {
  if (!context.target) {
    report(context, at, fmt::format("expected something known at compile time, found {}", describe(value)));
    return false;
  }
  if (!value.tensor() || value.tensor()->expr.builder == &context.target->builder) return true;
  auto& diagnostic =
      report(context, at,
             fmt::format("{} is a value of the training step, which initialization and update rules do not see",
                         describe(value)));
  note_origin(diagnostic, value, at);
  return false;
}

std::optional<ir::Expr> as_tensor(Context& context, const Value& value, DType dtype, const ast::Span& at) {
  if (!context.target) {
    report(context, at, "expected something known at compile time, found a tensor");
    return std::nullopt;
  }
  ir::Builder& builder = context.target->builder;
  builder.location = location(context, at);
  if (value.tensor()) {
    if (!belongs_here(context, value, at)) return std::nullopt;
    const auto before = builder.block().ops().size();
    const ir::Expr result = builder.cast(value.tensor()->expr, dtype);
    context.ops += static_cast<std::int64_t>(builder.block().ops().size() - before);
    return result;
  }
  ++context.ops;
  const ir::Type scalar{dtype, {}, {}};
  if (const auto* flag = value.as<bool>()) return builder.constant(ir::Tensor::splat_integer(scalar, *flag ? 1 : 0));
  if (const auto* integer = value.as<std::int64_t>()) {
    if (ir::is_float(dtype)) return builder.constant(ir::Tensor::splat(scalar, static_cast<double>(*integer)));
    if (*integer < ir::lowest(dtype) || *integer > ir::highest(dtype)) {
      report(context, at, fmt::format("{} does not fit {}", *integer, ir::name(dtype)));
      return std::nullopt;
    }
    return builder.constant(ir::Tensor::splat_integer(scalar, *integer));
  }
  return builder.constant(ir::Tensor::splat(scalar, value.number().value_or(0)));
}

std::optional<std::vector<ir::Expr>> promote(Context& context, const ir::OpDef& def, const std::vector<Value>& operands,
                                             const ast::Span& at) {
  std::vector<ir::Expr> converted;
  const Promotion promotion = def.promotion;
  const bool common =
      promotion == Promotion::arithmetic || promotion == Promotion::real || promotion == Promotion::branches;
  const std::size_t first = promotion == Promotion::branches ? 1 : 0;
  const DType dtype = common ? common_type(operands, first, promotion) : DType::f32;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Value& value = operands[i];
    std::optional<ir::Expr> expr;
    if (promotion == Promotion::logical || (promotion == Promotion::branches && i == 0))
      expr = as_bool(context, def, value, at);
    else if (promotion == Promotion::index)
      expr = as_index(context, def, value, at);
    else
      expr = common ? as_tensor(context, value, dtype, at) : as_it_is(context, value, at);
    if (!expr) return std::nullopt;
    converted.push_back(*expr);
  }
  return converted;
}

}  // namespace nnc::frontend
