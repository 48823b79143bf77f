// Metrics and initializers of std, by their values.
#include "ir/module.h"
#include "passes/pass.h"
#include "runtime/executor.h"
#include "tests/unit/elaborate_program.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace {

using namespace nnc;

std::unique_ptr<runtime::Executor> executor_of(const std::string& text, const frontend::BatchSizes& sizes) {
  auto elaborated = test::elaborate(text, {}, sizes);
  INFO(text);
  INFO(elaborated.errors);
  REQUIRE(elaborated.module);
  ir::Diagnostics diagnostics;
  const auto passes = passes::pipeline_to(passes::Stage::step);
  REQUIRE(passes::run_passes(*elaborated.module, passes, {}, diagnostics) == ir::Status::ok);
  auto executor = runtime::make_reference_executor(*elaborated.module);
  if (elaborated.module->find_slot(ir::key_slot))
    executor->set_slot(ir::key_slot, ir::Tensor::splat_integer(ir::Type{ir::DType::i64, {}, {}}, 1));
  executor->run("init", 0, {});
  return executor;
}

/// An epoch of a batch of four examples and one of two: what `report` says of the metrics.
std::map<std::string, double> epoch(const std::string& data, const std::string& metrics, std::int64_t width,
                                    const std::vector<double>& rows, const std::vector<double>& targets) {
  const auto executor = executor_of("train {\n  data " + data + "\n  loss mean(linear(x, 1) as fc)\n" + metrics +
                                        "\n  optimizer sgd(lr = 0)\n  batch = 4\n  epochs = 1\n}\n",
                                    {{4, 2}, {}});
  std::size_t at = 0;
  for (const std::int64_t size : {4, 2}) {
    ir::Tensor x(ir::Type{ir::DType::f32, {size, width}, {}});
    ir::Tensor y(ir::Type{data.find("y: u8") != std::string::npos ? ir::DType::u8 : ir::DType::f32, {size}, {}});
    for (std::int64_t i = 0; i < size; ++i, ++at) {
      for (std::int64_t j = 0; j < width; ++j)
        x.set_real(i * width + j, rows[at * static_cast<std::size_t>(width) + static_cast<std::size_t>(j)]);
      if (ir::is_float(y.type().dtype))
        y.set_real(i, targets[at]);
      else
        y.set_integer(i, static_cast<std::int64_t>(targets[at]));
    }
    executor->run("train", size, {x, y});
  }
  std::map<std::string, double> values;
  for (const auto& result : executor->run("report", 0, {})) values[result.name] = result.value.real(0);
  return values;
}

/// A parameter with that initializer.
std::vector<double> drawn(const std::string& initializer, const std::string& type = "f32[200, 50, 3, 2]") {
  const auto executor = executor_of("layer draw(x: f32[N]) -> f32[N] {\n  param w: " + type + " = " + initializer +
                                        "\n  return x * sum(w)\n}\ntrain {\n  data x: f32\n  loss sum(draw(x) as d)\n" +
                                        "  optimizer sgd()\n  batch = 1\n  epochs = 1\n}\n",
                                    {{1}, {}});
  const ir::Tensor w = executor->slot("d.w");
  std::vector<double> values;
  for (std::int64_t i = 0; i < w.elements(); ++i) values.push_back(w.real(i));
  return values;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  const double middle = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

double extreme(const std::vector<double>& values) {
  double extreme = 0;
  for (const double value : values) extreme = std::max(extreme, std::abs(value));
  return extreme;
}

}  // namespace

TEST_CASE("metrics of classes over an epoch with a smaller last batch") {
  // Predicted 0 1 2 1 1 0 of the classes below, by scores whose second best is known.
  const std::vector<double> scores = {5, 1, 0, 0, /**/ 1, 5, 2, 0, /**/ 0, 3, 4, 1,
                                      2, 9, 1, 0, /**/ 0, 2, 1, 0, /**/ 4, 0, 3, 1};
  const std::vector<double> targets = {0, 1, 1, 1, 2, 3};
  auto values = epoch("x: f32[4], y: u8",
                      R"(
  metric accuracy = accuracy(x, y)
  metric best2 = top_k_accuracy(x, y, k = 2)
  metric best3 = top_k_accuracy(x, y, k = 3)
  metric precision1 = precision(x, y, class = 1)
  metric recall1 = recall(x, y, class = 1)
  metric f1_of_1 = f1(x, y, class = 1)
  metric recall3 = recall(x, y, class = 3)
  metric precision3 = precision(x, y, class = 3)
  metric macro_precision = precision(x, y)
  metric macro_recall = recall(x, y)
  metric macro_f1 = f1(x, y)
  metric seen = confusion(x, y, actual = 1, predicted = 2)
  metric right = confusion(x, y, actual = 1, predicted = 1)
  metric perplexity = perplexity(x, y))",
                      4, scores, targets);
  CHECK(values["train.accuracy"] == Approx(3 / 6.0));
  CHECK(values["train.best2"] == Approx(5 / 6.0));
  CHECK(values["train.best3"] == Approx(1.0));
  CHECK(values["train.precision1"] == Approx(2 / 3.0));
  CHECK(values["train.recall1"] == Approx(2 / 3.0));
  CHECK(values["train.f1_of_1"] == Approx(2 / 3.0));
  CHECK(values["train.recall3"] == 0);
  CHECK(values["train.precision3"] == 0);
  CHECK(values["train.macro_precision"] == Approx((1 / 2.0 + 2 / 3.0) / 4));
  CHECK(values["train.macro_recall"] == Approx((1 + 2 / 3.0) / 4));
  CHECK(values["train.macro_f1"] == Approx((2 / 3.0 + 2 / 3.0) / 4));
  CHECK(values["train.seen"] == 1);
  CHECK(values["train.right"] == 2);
  double entropy = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 4; ++j) sum += std::exp(scores[i * 4 + j]);
    entropy += (std::log(sum) - scores[i * 4 + static_cast<std::size_t>(targets[i])]) / 6;
  }
  CHECK(values["train.perplexity"] == Approx(std::exp(entropy)).epsilon(1e-6));
}

TEST_CASE("metrics of numbers over an epoch with a smaller last batch") {
  const std::vector<double> x = {1, 2, 0.25, -1, 0.75, 3}, y = {1, 0, 1, 0, 1, 1};
  auto values = epoch("x: f32[1], y: f32",
                      R"(
  metric mae = mae(x[:, 0], y)
  metric rmse = rmse(x[:, 0], y)
  metric r2 = r2(x[:, 0], y)
  metric sides = binary_accuracy(x[:, 0], y))",
                      1, x, y);
  double absolute = 0, squared = 0, spread = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    absolute += std::abs(x[i] - y[i]);
    squared += (x[i] - y[i]) * (x[i] - y[i]);
    spread += (y[i] - 4 / 6.0) * (y[i] - 4 / 6.0);
  }
  CHECK(values["train.mae"] == Approx(absolute / 6));
  CHECK(values["train.rmse"] == Approx(std::sqrt(squared / 6)));
  CHECK(values["train.r2"] == Approx(1 - squared / spread));
  CHECK(values["train.sides"] == Approx(4 / 6.0));
}

TEST_CASE("initializers: the deviation and the bounds of what they draw") {
  // Fans of f32[200, 50, 3, 2]: 300 in, 1200 out; a uniform number below b has deviation b / sqrt(3).
  struct Expected {
    std::string initializer;
    double mean, deviation, bound;
  };
  const double any = 1e9, normal_2 = 0.87962566;  // the deviation of a normal number within 2 deviations
  const std::vector<Expected> all = {
      {"uniform(0.5)", 0, 0.5 / std::sqrt(3), 0.5},
      {"uniform(1, 3)", 2, 1 / std::sqrt(3), 3},
      {"normal(std = 0.5, mean = 2)", 2, 0.5, any},
      {"truncated_normal()", 0, normal_2, 2},
      {"truncated_normal(std = 0.02, mean = 0.1, a = 0.06, b = 0.14)", 0.1, 0.02 * normal_2, 0.14},
      {"truncated_normal(a = -0.2, b = 0.2)", 0, 0.2 / std::sqrt(3), 0.2},
      {"kaiming_uniform()", 0, std::sqrt(2 / 300.0), std::sqrt(6 / 300.0)},
      {"kaiming_uniform(a = 2)", 0, std::sqrt(2 / 5.0 / 300), std::sqrt(6 / 5.0 / 300)},
      {"kaiming_uniform(mode = \"fan_out\", nonlinearity = \"sigmoid\")", 0, std::sqrt(1 / 1200.0),
       std::sqrt(3 / 1200.0)},
      {"kaiming_normal(a = 1)", 0, std::sqrt(1 / 300.0), any},
      {"kaiming_normal(mode = \"fan_out\", nonlinearity = \"tanh\")", 0, 5 / 3.0 / std::sqrt(1200), any},
      {"kaiming_normal(nonlinearity = \"selu\")", 0, 0.75 / std::sqrt(300), any},
      {"kaiming_normal(nonlinearity = \"relu\")", 0, std::sqrt(2 / 300.0), any},
      {"kaiming_normal(nonlinearity = \"linear\")", 0, 1 / std::sqrt(300), any},
      {"xavier_uniform(gain = 2)", 0, 2 * std::sqrt(2 / 1500.0), 2 * std::sqrt(6 / 1500.0)},
      {"xavier_normal()", 0, std::sqrt(2 / 1500.0), any},
      {"xavier_normal(gain = 3)", 0, 3 * std::sqrt(2 / 1500.0), any}};
  for (const auto& [initializer, middle, spread, bound] : all) {
    INFO(initializer);
    const std::vector<double> values = drawn(initializer);
    CHECK(mean(values) == Approx(middle).margin(0.02 * spread));
    CHECK(deviation(values) == Approx(spread).epsilon(0.01));
    CHECK(extreme(values) <= bound * (1 + 1e-6));
    if (bound < any) CHECK(extreme(values) > 0.99 * bound);
  }
  CHECK(extreme(drawn("kaiming_uniform()", "f32[400, 300]")) == Approx(std::sqrt(6 / 300.0)).epsilon(0.01));
}

TEST_CASE("orthogonal weights have orthogonal rows, or columns where these are fewer") {
  for (const auto& [shape, rows, columns] :
       {std::tuple("f32[6, 5, 2]", 6, 10), std::tuple("f32[20, 8]", 20, 8), std::tuple("f32[7, 7]", 7, 7)}) {
    const std::vector<double> w = drawn("orthogonal(gain = 3)", shape);
    const bool wide = rows < columns;
    const int few = std::min(rows, columns), many = std::max(rows, columns);
    const auto at = [&](int line, int place) {
      return w[static_cast<std::size_t>(wide ? line * columns + place : place * columns + line)];
    };
    for (int a = 0; a < few; ++a)
      for (int b = 0; b < few; ++b) {
        double product = 0;
        for (int i = 0; i < many; ++i) product += at(a, i) * at(b, i);
        INFO(shape << ", " << a << " and " << b);
        CHECK(product == Approx(a == b ? 9 : 0).margin(1e-5));
      }
  }
}

TEST_CASE("erfinv is the inverse of erf") {
  const auto executor = executor_of(
      "train {\n  data x: f32\n  loss mean(linear(x[:, none], 1) as fc)\n  optimizer sgd()\n  batch = 1\n  epochs = "
      "1\n}\n"
      "predict {\n  data x: f32\n  return y = erf(erfinv(x))\n}\n",
      {{1}, {}});
  for (const double x : {0.0, 1e-6, 0.3, -0.7, 0.99, -0.9999, 0.999999}) {
    const auto y = executor->run("predict", 1, {ir::Tensor::splat({ir::DType::f32, {1}, {}}, x)});
    CHECK(y[0].value.real(0) == Approx(x).epsilon(1e-6));
  }
}

TEST_CASE("tensor makes a constant of nested lists; an argument may be compared with none") {
  const auto executor = executor_of(
      "fn given(x, bias = none) {\n  return if bias == none then x else x + bias\n}\n"
      "train {\n  data x: f32[2]\n  loss mean(linear(x, 1) as fc)\n  optimizer sgd()\n  batch = 1\n  epochs = 1\n}\n"
      "predict {\n  data x: f32[2]\n  return y = given(x) @ tensor([[1, 2.5, 3], [4, 5, 6]]), z = given(x, bias = "
      "x)\n}\n",
      {{1}, {}});
  const auto results = executor->run("predict", 1, {ir::Tensor::splat({ir::DType::f32, {1, 2}, {}}, 2)});
  CHECK(results[0].value.type() == ir::Type{ir::DType::f32, {1, 3}, {}});
  CHECK(results[0].value.real(1) == 15);
  CHECK(results[1].value.real(0) == 4);
}
