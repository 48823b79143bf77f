// Values and gradients where random numbers never go: ties, zeros, NaN, the ends of a type. The expected numbers are
// PyTorch 2's, unless a comment at the case says otherwise.
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "passes/autodiff.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace nnc;
using namespace nnc::ir;

namespace {

using Row = std::vector<double>;

constexpr double qnan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double i32_low = -2147483648.0, i32_high = 2147483647.0;
constexpr double log_of_2 = 0.6931471805599453;
constexpr double third = 1.0 / 3.0;

/// One op over vectors of one type; the gradients, where given, are those of the sum of the result.
struct Case {
  std::string_view op;
  DType dtype;
  std::vector<Row> operands;
  Row expected;
  std::vector<Row> gradients = {};
  std::vector<NamedAttr> attrs = {};
};

Tensor vector_of(DType dtype, const Row& row) {
  Tensor tensor(Type{dtype, {static_cast<std::int64_t>(row.size())}, {}});
  for (std::size_t i = 0; i < row.size(); ++i) tensor.set_real(static_cast<std::int64_t>(i), row[i]);
  return tensor;
}

std::string text(const Row& row) {
  std::string result = "[";
  for (const double number : row) result += " " + std::to_string(number);
  return result + " ]";
}

Row numbers(const Tensor& tensor) {
  Row row;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) row.push_back(tensor.real(i));
  return row;
}

/// The same numbers; NaN is NaN. `relative` is for gradients alone.
bool same(const Row& a, const Row& b, double relative) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [relative](double x, double y) {
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
    return x == y || std::abs(x - y) <= relative * std::abs(y);
  });
}

void check_row(const Tensor& found, const Row& expected, double relative) {
  INFO("found " << text(numbers(found)) << ", expected " << text(expected));
  CHECK(same(numbers(found), expected, relative));
}

void check(const Case& c) {
  INFO(c.op << " of " << name(c.dtype));
  Block block;
  Builder builder(block);
  std::vector<Expr> operands;
  std::vector<Tensor> params;
  for (const Row& row : c.operands) {
    INFO("operand " << text(row));
    // A choice's first operand is its condition.
    const DType dtype = c.op == "where" && operands.empty() ? DType::boolean : c.dtype;
    params.push_back(vector_of(dtype, row));
    operands.push_back(builder.expr(block.add_param(params.back().type())));
  }
  // Of several results the first.
  const Expr y = std::get<std::vector<Expr>>(builder.try_op(*find_op(c.op), operands, c.attrs)).front();
  block.results = {y.value};
  std::vector<ValueId> wrt;
  for (const Expr& operand : operands)
    if (is_float(operand.dtype())) wrt.push_back(operand.value);
  if (!c.gradients.empty()) {
    const Expr loss = y.type().rank() == 0 ? y : builder.sum(y, {0});
    for (const ValueId gradient : passes::differentiate(builder, loss.value, wrt)) {
      REQUIRE(gradient.valid());
      block.results.push_back(gradient);
    }
    REQUIRE(c.gradients.size() == wrt.size());
  }
  const std::vector<Tensor> found = evaluate(block, params, nullptr);
  check_row(found[0], c.expected, 0);
  for (std::size_t i = 0; i < c.gradients.size(); ++i) {
    INFO("gradient " << i);
    check_row(found[1 + i], c.gradients[i], 1e-15);
  }
}

void check_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) check(c);
}

NamedAttr to(DType dtype) { return {"dtype", dtype}; }

}  // namespace

TEST_CASE("equal sides and equal elements share the gradient") {
  check_all({
      {"maximum", DType::f64, {{1, 2, 3}, {1, 3, 2}}, {1, 3, 3}, {{0.5, 0, 1}, {0.5, 1, 0}}},
      {"minimum", DType::f64, {{1, 2, 3}, {1, 3, 2}}, {1, 2, 2}, {{0.5, 1, 0}, {0.5, 0, 1}}},
      {"max", DType::f64, {{2, 5, 5, 5, 1}}, {5}, {{0, third, third, third, 0}}},
      {"max", DType::f64, {{1, 4, 2}}, {4}, {{0, 1, 0}}},
      {"min", DType::f64, {{1, 3, 1}}, {1}, {{0.5, 0, 0.5}}},
      {"abs", DType::f64, {{0, -2, 3}}, {0, 2, 3}, {{0, -1, 1}}},
  });
}

TEST_CASE("the position of an extremum is the first of equal ones") {
  check_all({
      {"argmax", DType::f64, {{1, 3, 3, 2}}, {1}},
      {"argmax", DType::f64, {{5, 5}}, {0}},
      {"argmax", DType::f64, {{-inf, -inf}}, {0}},
      {"argmin", DType::f64, {{2, 1, 1}}, {1}},
      {"argmin", DType::f64, {{inf, inf}}, {0}},
      {"argmax", DType::i32, {{7, 9, 9}}, {1}},
      {"argmax", DType::i32, {{i32_low, i32_low}}, {0}},
      {"argmin", DType::u8, {{255, 255, 3, 3}}, {2}},
      {"argmin", DType::u8, {{255, 255}}, {0}},
  });
}

TEST_CASE("a product with zeros has the gradient of the other elements") {
  check_all({
      {"prod", DType::f64, {{2, 3, 4}}, {24}, {{12, 8, 6}}},
      {"prod", DType::f64, {{2, 0, 3}}, {0}, {{0, 6, 0}}},
      {"prod", DType::f64, {{0, 4, 0}}, {0}, {{0, 0, 0}}},
      {"prod", DType::f64, {{0}}, {0}, {{1}}},
  });
}

TEST_CASE("powers at 0") {
  check_all({
      {"pow", DType::f64, {{0, 0, 0, 0}, {2, 1, 0, 0.5}}, {0, 0, 1, 0}, {{0, 1, 0, inf}, {0, 0, 0, 0}}},
      {"pow", DType::f64, {{0}, {-1}}, {inf}, {{-inf}, {-inf}}},
      {"pow", DType::f64, {{2, -2, 2}, {0, 3, 3}}, {1, -8, 8}, {{0, 12, 12}, {log_of_2, qnan, 8 * log_of_2}}},
      {"pow", DType::f64, {{-2, qnan, 1}, {0, 0, qnan}}, {1, 1, 1}, {{0, 0, qnan}, {qnan, qnan, 0}}},
  });
}

TEST_CASE("log1p keeps small numbers, and is exact at the ends") {
  check_all({
      {"log1p",
       DType::f64,
       {{0, 1e-20, -1, inf, qnan, -2}},
       {0, 1e-20, -inf, inf, qnan, qnan},
       {{1, 1, inf, 0, qnan, -1}}},
      {"log1p", DType::f32, {{0, 1e-10, -1, inf, qnan}}, {0, double{1e-10F}, -inf, inf, qnan}},
  });
}

TEST_CASE("expm1 keeps small numbers, and is exact at the ends") {
  check_all({
      {"expm1",
       DType::f64,
       {{0, 1e-20, -inf, inf, qnan, 800}},
       {0, 1e-20, -1, inf, qnan, inf},
       {{1, 1, 0, inf, qnan, inf}}},
      {"expm1", DType::f32, {{0, 1e-10, -inf, inf, qnan, -200}}, {0, double{1e-10F}, -1, inf, qnan, -1}},
  });
}

TEST_CASE("NaN is sorted behind all numbers, and is the largest") {
  check_all({
      {"sort", DType::f32, {{2, qnan, -inf, inf, 1}}, {-inf, 1, 2, inf, qnan}},
      {"top_k", DType::f32, {{2, qnan, -inf, inf, 1}}, {qnan, inf, 2}, {}, {{"k", std::int64_t{3}}}},
  });
}

TEST_CASE("NaN goes through extrema") {
  check_all({
      {"maximum", DType::f64, {{qnan, 1, qnan}, {1, qnan, qnan}}, {qnan, qnan, qnan}},
      {"minimum", DType::f64, {{qnan, 1, qnan}, {1, qnan, qnan}}, {qnan, qnan, qnan}},
      {"max", DType::f64, {{1, qnan, 3}}, {qnan}},
      {"max", DType::f64, {{qnan, 1}}, {qnan}},
      {"max", DType::f64, {{1, qnan}}, {qnan}},
      {"min", DType::f64, {{1, qnan, 3}}, {qnan}},
      {"min", DType::f64, {{qnan, 1}}, {qnan}},
      {"argmax", DType::f64, {{1, qnan, 3, qnan}}, {1}},
      {"argmin", DType::f64, {{1, qnan, 0, qnan}}, {1}},
      {"argmax", DType::f64, {{qnan, inf}}, {0}},
      // The record's word; PyTorch's sign of NaN is 0.
      {"sign", DType::f64, {{qnan, 0, -3, 3, -inf}}, {qnan, 0, -1, 1, -1}},
      {"abs", DType::f64, {{qnan, -inf}}, {qnan, inf}},
  });
}

TEST_CASE("the branch that is not taken shows neither in the value nor in the gradient") {
  check_all({
      {"where", DType::f64, {{1, 0}, {1, qnan}, {qnan, 2}}, {1, 2}, {{1, 0}, {0, 1}}},
      {"where", DType::f64, {{1, 0}, {qnan, 1}, {2, inf}}, {qnan, inf}, {{1, 0}, {0, 1}}},
  });
}

TEST_CASE("casts saturate, truncate, and take NaN for 0") {
  check_all({
      {"cast",
       DType::f64,
       {{3e9, -3e9, inf, -inf, qnan}},
       {i32_high, i32_low, i32_high, i32_low, 0},
       {},
       {to(DType::i32)}},
      {"cast",
       DType::f32,
       {{3e9, -3e9, inf, -inf, qnan}},
       {i32_high, i32_low, i32_high, i32_low, 0},
       {},
       {to(DType::i32)}},
      {"cast", DType::f64, {{2.9, -2.9, 2147483646.5, -0.5}}, {2, -2, 2147483646, 0}, {}, {to(DType::i32)}},
      {"cast", DType::f32, {{300, -5, 255.9, 0.9, qnan}}, {255, 0, 255, 0, 0}, {}, {to(DType::u8)}},
      {"cast", DType::f32, {{70000, -1, 65535}}, {65535, 0, 65535}, {}, {to(DType::u16)}},
      {"cast", DType::f64, {{1e30, -1e30}}, {0x1p63, -0x1p63}, {}, {to(DType::i64)}},
      {"cast", DType::f64, {{1e300, 0.1}}, {inf, 0.1F}, {}, {to(DType::f32)}},
      {"cast", DType::i32, {{300, -1, 5}}, {44, 255, 5}, {}, {to(DType::u8)}},
  });
}

TEST_CASE("anything but zero is true") {
  check_all({
      {"cast", DType::f64, {{0, -0.0, 0.5, qnan, -3, 1e-300}}, {0, 0, 1, 1, 1, 1}, {}, {to(DType::boolean)}},
      {"cast", DType::i32, {{0, 256, -1}}, {0, 1, 1}, {}, {to(DType::boolean)}},
      {"cast", DType::u8, {{0, 2, 255}}, {0, 1, 1}, {}, {to(DType::boolean)}},
      {"cast", DType::boolean, {{0, 1}}, {0, 1}, {}, {to(DType::f32)}},
  });
}

TEST_CASE("halves round to even numbers") {
  check_all({
      {"round", DType::f64, {{0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.49}}, {0, 2, 2, 0, -2, -2, 3}},
      {"round", DType::f32, {{0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.49}}, {0, 2, 2, 0, -2, -2, 3}},
  });
}

TEST_CASE("denormals are zeros") {
  check_all({
      {"mul", DType::f32, {{1e-20, 1e-40, 0x1p-126}, {1e-20, 1e38, 0.5}}, {0, 0, 0}},
      {"add", DType::f32, {{1e-40, 1e-40}, {0, 1e-40}}, {0, 0}},
      {"exp", DType::f32, {{0, -90}}, {1, 0}},
      {"log", DType::f32, {{1e-40, 1}}, {-inf, 0}},
      {"log", DType::f64, {{1e-310, 1}}, {-inf, 0}},
      {"pow", DType::f32, {{1e-40, 1e-40, 1e-20}, {0.3, -1, 2}}, {0, inf, 0}},
      {"pow", DType::f64, {{1e-310, 1e-160}, {0.3, 2}}, {0, 0}},
      {"tanh", DType::f32, {{1e-40, 0}}, {0, 0}},
      {"sin", DType::f64, {{1e-310, 0}}, {0, 0}},
      {"sqrt", DType::f32, {{1e-40, 4}}, {0, 2}},
      {"div", DType::f32, {{1, 1e-40, 1e-30}, {1e-40, 1e-40, 1e20}}, {inf, qnan, 0}},
      {"sum", DType::f32, {{1e-40, 1e-40, 0x1p-126}}, {0x1p-126}},
  });
}

TEST_CASE("integers wrap around") {
  check_all({
      {"add", DType::i32, {{i32_high, i32_low}, {1, -1}}, {i32_low, i32_high}},
      {"sub", DType::i32, {{i32_low, i32_high}, {1, -1}}, {i32_high, i32_low}},
      {"mul", DType::i32, {{65536, 46341}, {65536, 46341}}, {0, -2147479015.0}},
      {"neg", DType::i32, {{i32_low, i32_high, 5}}, {i32_low, -i32_high, -5}},
      {"abs", DType::i32, {{i32_low, -7, 7}}, {i32_low, 7, 7}},
      {"sign", DType::i32, {{i32_low, 0, 9}}, {-1, 0, 1}},
      {"add", DType::u8, {{200, 255}, {100, 1}}, {44, 0}},
      {"mul", DType::u8, {{16, 255}, {16, 255}}, {0, 1}},
      {"sum", DType::i32, {{i32_high, 1}}, {i32_low}},
      {"prod", DType::i32, {{65536, 65536, 3}}, {0}},
  });
}

TEST_CASE("integer extrema reach the ends of their type") {
  check_all({
      {"max", DType::i32, {{i32_low, i32_low}}, {i32_low}},
      {"min", DType::i32, {{i32_high, i32_high}}, {i32_high}},
      {"max", DType::i32, {{i32_low, i32_high, 0}}, {i32_high}},
      {"min", DType::i32, {{i32_high, i32_low, 0}}, {i32_low}},
      {"max", DType::i32, {{-5, -3}}, {-3}},
      {"max", DType::u8, {{0, 0}}, {0}},
      {"min", DType::u8, {{255, 255}}, {255}},
      {"max", DType::u8, {{1, 255, 128}}, {255}},
      {"min", DType::u8, {{255, 200}}, {200}},
      {"maximum", DType::i32, {{i32_low, -1}, {i32_high, -2}}, {i32_high, -1}},
      {"minimum", DType::u8, {{255, 3}, {128, 200}}, {128, 3}},
  });
}
