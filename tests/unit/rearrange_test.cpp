// What std and subscripts do with the elements of a tensor, by their numbers.
#include "ir/module.h"
#include "passes/pass.h"
#include "runtime/executor.h"
#include "tests/unit/elaborate_program.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <limits>

namespace {

using namespace nnc;

/// An expression of x = [[0, 1, 2, 3], [10, 11, 12, 13]] and i = [2, 0], as a program's prediction.
ir::Tensor value_of(const std::string& expression) {
  const std::string text = fmt::format(R"(
layer scale(x: f32[N, D]) {{
  param weight: f32[D] = ones()
  return x * weight
}}
train {{
  data x: f32[4], i: i32
  loss mean(scale(x) as scale)
  optimizer sgd(lr = 1)
  batch = 2
  epochs = 1
}}
predict {{
  data x: f32[4], i: i32
  return y = {}
}}
)",
                                       expression);
  auto elaborated = test::elaborate(text, {}, {{2}, {2}});
  INFO(text << elaborated.errors);
  REQUIRE(elaborated.module);
  ir::Diagnostics diagnostics;
  REQUIRE(passes::run_passes(*elaborated.module, passes::pipeline_to(passes::Stage::step), {}, diagnostics) ==
          ir::Status::ok);
  const auto executor = runtime::make_reference_executor(*elaborated.module);
  ir::Tensor x(ir::Type{ir::DType::f32, {2, 4}, {}}), i(ir::Type{ir::DType::i32, {2}, {}});
  for (std::int64_t k = 0; k < 8; ++k) x.set_real(k, static_cast<double>(k / 4 * 10 + k % 4));
  i.set_integer(0, 2);
  return executor->run("predict", 2, {x, i})[0].value;
}

using Row = std::vector<double>;

void check(const std::string& expression, const ir::Shape& shape, const Row& expected) {
  const ir::Tensor value = value_of(expression);
  INFO(expression);
  CHECK(value.type().shape == shape);
  REQUIRE(static_cast<std::size_t>(value.elements()) == expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k)
    CHECK(value.real(static_cast<std::int64_t>(k)) == Approx(expected[k]).margin(1e-6));
}

}  // namespace

TEST_CASE("subscripts: steps, both ways, and dimensions left out") {
  check("x[:, ::2]", {2, 2}, {0, 2, 10, 12});
  check("x[::-1]", {2, 4}, {10, 11, 12, 13, 0, 1, 2, 3});
  check("x[:, ::-2]", {2, 2}, {3, 1, 13, 11});
  check("x[0, 2:0:-1]", {2}, {2, 1});
  check("x[0, -1:-3:-1]", {2}, {3, 2});
  check("x[..., 1]", {2}, {1, 11});
  check("x[1, ...]", {4}, {10, 11, 12, 13});
  check("x[..., none][1, 3, ...]", {1}, {13});
  check("x[0, ..., none, 1:3]", {1, 2}, {1, 2});
  check("zeros([2, 3, 4])[0, ..., 0]", {3}, {0, 0, 0});
  check("zeros([size(shape(zeros([2, 3, 4]))[::-2]), shape(zeros([2, 3, 4]))[::-1][0]])", {2, 4}, Row(8, 0));
}

TEST_CASE("std: rows by index") {
  check("take(x, i, axis = 1)", {2, 2}, {2, 0, 12, 10});
  check("take(x, i32(x[:, 0] > 5), axis = 0)", {2, 4}, {0, 1, 2, 3, 10, 11, 12, 13});
  check("take(x, i[none], axis = -1)", {2, 1, 2}, {2, 0, 12, 10});
  check("gather(x, i[:, none], axis = 1)", {2, 1}, {2, 10});
  check("scatter_add(x, i32(x[:1] > 0), 3, axis = 1)", {2, 3}, {0, 6, 0, 10, 36, 0});
}

TEST_CASE("std: tensors side by side") {
  check("concat([x, x[:, :1]], axis = 1)", {2, 5}, {0, 1, 2, 3, 0, 10, 11, 12, 13, 10});
  check("stack([x[0], x[1], x[0]], axis = 1)", {4, 3}, {0, 10, 0, 1, 11, 1, 2, 12, 2, 3, 13, 3});
  check("repeat(x[:, 2:], [1, 2])", {2, 4}, {2, 3, 2, 3, 12, 13, 12, 13});
  check("flip(x, 1)", {2, 4}, {3, 2, 1, 0, 13, 12, 11, 10});
  check("flip(x, -2)", {2, 4}, {10, 11, 12, 13, 0, 1, 2, 3});
}

TEST_CASE("std: orders and what reduces") {
  check("argsort(x[:, 1:3], descending = true)", {2, 2}, {1, 0, 1, 0});
  check("cumsum(x, axis = 1)", {2, 4}, {0, 1, 3, 6, 10, 21, 33, 46});
  check("any(x > 12, axis = 1)", {2}, {0, 1});
  check("all(x > 0, axis = 1, keepdim = true)", {2, 1}, {0, 1});
  check("logsumexp(x, axis = 1)", {2}, {3.4401897, 13.4401897});
  check("logsumexp(log(x[0] * 0), axis = 0)", {}, {-std::numeric_limits<double>::infinity()});
  check("clamp(x, 1, 11)", {2, 4}, {1, 1, 2, 3, 10, 11, 11, 11});
  check("clamp(x, high = 2)", {2, 4}, {0, 1, 2, 2, 2, 2, 2, 2});
}

TEST_CASE("std: parts of a tensor") {
  const std::string parts =
      "fn parts(x) {\n  a, b = split(x, [1, 3], axis = 1)\n  c, d = split(x, 3, axis = 1)\n"
      "  return concat([b, a, c, d], axis = 1)\n}\n";
  auto elaborated =
      test::elaborate(parts +
                          "train {\n  data x: f32[4]\n  loss mean(linear(parts(x), 1) as fc)\n  optimizer sgd(lr = 1)\n"
                          "  batch = 2\n  epochs = 1\n}\n",
                      {}, {{2}, {}});
  INFO(elaborated.errors);
  REQUIRE(elaborated.module);
  CHECK(elaborated.module->find_slot("fc.weight")->type.shape == ir::Shape{1, 8});
}
