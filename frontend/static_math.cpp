#include "frontend/static_math.h"

#include "ir/text.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace nnc::frontend {

namespace {

using ast::BinaryOp;

StaticResult overflow(std::int64_t a, std::string_view symbol, std::int64_t b) {
  return fmt::format("{} {} {} overflows: integers at compile time have 64 bits", a, symbol, b);
}

StaticResult integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0)
    return fmt::format("{} ^ {} is not a whole number: write {}.0 ^ {} for a real number", base, exponent, base,
                       exponent);
  std::int64_t result = 1;
  std::int64_t square = base;
  for (std::int64_t rest = exponent; rest > 0; rest >>= 1) {
    if ((rest & 1) && __builtin_mul_overflow(result, square, &result)) return overflow(base, "^", exponent);
    if (rest > 1 && __builtin_mul_overflow(square, square, &square)) return overflow(base, "^", exponent);
  }
  return Value::Data{result};
}

StaticResult integer_binary(BinaryOp op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case BinaryOp::plus:
      if (__builtin_add_overflow(a, b, &result)) return overflow(a, "+", b);
      return Value::Data{result};
    case BinaryOp::dash:
      if (__builtin_sub_overflow(a, b, &result)) return overflow(a, "-", b);
      return Value::Data{result};
    case BinaryOp::star:
      if (__builtin_mul_overflow(a, b, &result)) return overflow(a, "*", b);
      return Value::Data{result};
    case BinaryOp::slash:
      if (b == 0) return std::string("division by zero");
      if (a == std::numeric_limits<std::int64_t>::min() && b == -1) return overflow(a, "/", b);
      if (a % b != 0)
        return fmt::format("{} / {} is not a whole number: write {} for a real number", a, b,
                           ir::float_text(static_cast<double>(a) / static_cast<double>(b)));
      return Value::Data{a / b};
    case BinaryOp::caret: return integer_power(a, b);
    case BinaryOp::is_below: return Value::Data{a < b};
    case BinaryOp::is_at_most: return Value::Data{a <= b};
    case BinaryOp::is_above: return Value::Data{a > b};
    case BinaryOp::is_at_least: return Value::Data{a >= b};
    default: return fmt::format("`{}` does not take numbers", spelling(op));
  }
}

StaticResult real_binary(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::plus: return Value::Data{a + b};
    case BinaryOp::dash: return Value::Data{a - b};
    case BinaryOp::star: return Value::Data{a * b};
    case BinaryOp::slash:
      if (b == 0) return std::string("division by zero");
      return Value::Data{a / b};
    case BinaryOp::caret: return Value::Data{std::pow(a, b)};
    case BinaryOp::is_below: return Value::Data{a < b};
    case BinaryOp::is_at_most: return Value::Data{a <= b};
    case BinaryOp::is_above: return Value::Data{a > b};
    case BinaryOp::is_at_least: return Value::Data{a >= b};
    default: return fmt::format("`{}` does not take numbers", spelling(op));
  }
}

StaticResult list_binary(BinaryOp op, const Value& left, const Value& right) {
  const auto* a = left.as<std::vector<Value>>();
  const auto* b = right.as<std::vector<Value>>();
  if (op == BinaryOp::plus && a && b) {
    if (deep_size(left) + deep_size(right) > max_list) return fmt::format("a list has at most {} elements", max_list);
    std::vector<Value> joined = *a;
    joined.insert(joined.end(), b->begin(), b->end());
    return Value::Data{std::move(joined)};
  }
  const auto* list = a ? a : b;
  const auto* times = a ? right.as<std::int64_t>() : left.as<std::int64_t>();
  if (op == BinaryOp::star && times) {
    if (*times < 0 || *times > static_cast<std::int64_t>(max_list) ||
        deep_size(a ? left : right) * static_cast<std::size_t>(*times) > max_list)
      return fmt::format("a list has at most {} elements", max_list);
    std::vector<Value> repeated;
    for (std::int64_t i = 0; i < *times; ++i) repeated.insert(repeated.end(), list->begin(), list->end());
    return Value::Data{std::move(repeated)};
  }
  return fmt::format("`{}` does not take {} and {}", spelling(op), describe(left), describe(right));
}

}  // namespace

std::size_t deep_size(const Value& value) {
  const auto* list = value.as<std::vector<Value>>();
  if (!list) return 1;
  std::size_t size = 1;
  for (const Value& element : *list) size += deep_size(element);
  return size;
}

bool static_equal(const Value& a, const Value& b) {
  if (const auto* x = a.as<std::vector<Value>>()) {
    const auto* y = b.as<std::vector<Value>>();
    if (!y || x->size() != y->size()) return false;
    for (std::size_t i = 0; i < x->size(); ++i)
      if (!static_equal((*x)[i], (*y)[i])) return false;
    return true;
  }
  if (a.as<std::int64_t>() && b.as<std::int64_t>()) return *a.as<std::int64_t>() == *b.as<std::int64_t>();
  if (a.number() && b.number()) return *a.number() == *b.number();
  if (a.data.index() != b.data.index()) return false;
  if (const auto* flag = a.as<bool>()) return *flag == *b.as<bool>();
  if (const auto* text = a.as<std::string>()) return *text == *b.as<std::string>();
  return a.as<None>() != nullptr;
}

StaticResult static_binary(BinaryOp op, const Value& left, const Value& right) {
  if (op == BinaryOp::is_equal) return Value::Data{static_equal(left, right)};
  if (op == BinaryOp::is_unequal) return Value::Data{!static_equal(left, right)};
  if (left.as<std::vector<Value>>() || right.as<std::vector<Value>>()) return list_binary(op, left, right);
  if (op == BinaryOp::conjunction || op == BinaryOp::disjunction) {
    if (left.as<bool>() && right.as<bool>())
      return Value::Data{op == BinaryOp::conjunction ? *left.as<bool>() && *right.as<bool>()
                                                     : *left.as<bool>() || *right.as<bool>()};
  } else if (left.as<std::int64_t>() && right.as<std::int64_t>()) {
    return integer_binary(op, *left.as<std::int64_t>(), *right.as<std::int64_t>());
  } else if (left.number() && right.number()) {
    return real_binary(op, *left.number(), *right.number());
  }
  return fmt::format("`{}` does not take {} and {}", spelling(op), describe(left), describe(right));
}

StaticResult static_unary(ast::UnaryOp op, const Value& operand) {
  if (op == ast::UnaryOp::inversion && operand.as<bool>()) return Value::Data{!*operand.as<bool>()};
  if (op == ast::UnaryOp::minus && operand.as<double>()) return Value::Data{-*operand.as<double>()};
  if (op == ast::UnaryOp::minus && operand.as<std::int64_t>()) {
    std::int64_t result = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, *operand.as<std::int64_t>(), &result))
      return fmt::format("-({}) overflows: integers at compile time have 64 bits", *operand.as<std::int64_t>());
    return Value::Data{result};
  }
  return fmt::format("`{}` does not take {}", spelling(op), describe(operand));
}

}  // namespace nnc::frontend
