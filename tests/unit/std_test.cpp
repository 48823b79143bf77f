// What parity with PyTorch does not show of std: dropout, whose numbers are our own; a loss where logits are extreme or
// 0; a schedule by its numbers; an op with two results.
#include "frontend/std_sources.h"
#include "ir/module.h"
#include "passes/pass.h"
#include "runtime/executor.h"
#include "tests/unit/elaborate_program.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <regex>
#include <tuple>

namespace {

using namespace nnc;

/// A parameter for each element of x, 1 at first.
constexpr std::string_view scale = R"(
layer scale(x: f32[N, D]) -> f32[N, D] {
  param weight: f32[D] = ones()
  return x * weight
}
)";
constexpr std::int64_t width = 100000;
constexpr std::int64_t total_steps = 10;

/// A program ready to run at batch size 1, and its executor.
class Run {
 public:
  explicit Run(const std::string& text, std::int64_t seed = 1) {
    auto elaborated = test::elaborate(text, {}, {{1}, {1}});
    INFO(text);
    INFO(elaborated.errors);
    REQUIRE(elaborated.module);
    module_ = std::move(*elaborated.module);
    ir::Diagnostics diagnostics;
    const auto passes = passes::pipeline_to(passes::Stage::step);
    REQUIRE(passes::run_passes(module_, passes, {}, diagnostics) == ir::Status::ok);
    executor_ = runtime::make_reference_executor(module_);
    if (module_.find_slot(ir::key_slot)) executor_->set_slot(ir::key_slot, ir::Tensor::splat_integer(i64, seed));
    if (module_.find_slot(ir::total_steps_slot))
      executor_->set_slot(ir::total_steps_slot, ir::Tensor::splat_integer(i64, total_steps));
    executor_->run("init", 0, {});
  }

  const ir::Module& module() const { return module_; }
  double step(const std::vector<ir::Tensor>& batch) { return executor_->run("train", 1, batch)[0].value.real(0); }
  std::vector<runtime::NamedTensor> predict(const std::vector<ir::Tensor>& batch) {
    return executor_->run("predict", 1, batch);
  }
  ir::Tensor slot(std::string_view path) const { return executor_->slot(path); }

  /// What a step of sgd with lr = 1 takes from a parameter: its gradient.
  std::vector<double> gradient(std::string_view path, const std::vector<ir::Tensor>& batch) {
    const ir::Tensor before = slot(path);
    loss_ = step(batch);
    const ir::Tensor after = slot(path);
    std::vector<double> gradient;
    for (std::int64_t i = 0; i < before.elements(); ++i) gradient.push_back(before.real(i) - after.real(i));
    return gradient;
  }
  double loss() const { return loss_; }

 private:
  static inline const ir::Type i64{ir::DType::i64, {}, {}};
  ir::Module module_;
  std::unique_ptr<runtime::Executor> executor_;
  double loss_ = 0;
};

std::string train(std::string_view statements, std::string_view lr = "1") {
  return "train {\n" + std::string(statements) + "\n  optimizer sgd(lr = " + std::string(lr) +
         ")\n  batch = 1\n  epochs = 1\n}\n";
}

std::string dropping(const std::string& statements) {
  return std::string(scale) + train("  data x: f32[" + std::to_string(width) + "]\n" + statements);
}

ir::Tensor row_of_ones() { return ir::Tensor::splat({ir::DType::f32, {1, width}, {}}, 1); }
ir::Tensor one(double value) { return ir::Tensor::splat({ir::DType::f32, {1}, {}}, value); }

/// The part of the elements that hold.
template <class Holds>
double part(Holds holds) {
  double count = 0;
  for (std::size_t i = 0; i < width; ++i) count += holds(i);
  return count / width;
}

bool is_zero(double gradient) { return std::abs(gradient) < 0.5; }

/// How many tensors of random numbers a graph draws.
std::int64_t draws(const ir::Graph& graph) {
  return std::ranges::count_if(graph.body.ops(), [](const ir::Op& op) { return *op.def->name == "random"; });
}

}  // namespace

TEST_CASE("dropout: p of the elements are 0 and the others scaled, in the loss and in the gradient") {
  Run run(dropping("  loss sum(dropout(scale(x) as a, 0.3))"));
  const std::vector<double> gradient = run.gradient("a.weight", {row_of_ones()});
  CHECK(part([&](std::size_t i) { return is_zero(gradient[i]); }) == Approx(0.3).margin(0.005));
  double sum = 0;
  for (const double g : gradient) {
    REQUIRE((g == 0 || std::abs(g - 1 / 0.7) < 1e-6));
    sum += g;
  }
  CHECK(run.loss() == Approx(sum).epsilon(1e-6));
}

TEST_CASE("dropout: each call, iteration and step draws a mask of its own") {
  Run run(
      dropping("  for i in 0..2 { loss sum(dropout(scale(x) as h[i], 0.3)) }\n"
               "  loss sum(dropout(dropout(scale(x) as b, 0.3), 0.3))"));
  const auto is_independent = [](const std::vector<double>& a, const std::vector<double>& b, double kept) {
    const double both = part([&](std::size_t i) { return !is_zero(a[i]) && !is_zero(b[i]); });
    CHECK(both == Approx(kept).margin(0.005));
  };
  std::vector<std::vector<double>> first;
  const std::vector<std::string> paths{"h.0.weight", "h.1.weight", "b.weight"};
  const ir::Tensor x = row_of_ones();
  std::vector<ir::Tensor> before;
  for (const std::string& path : paths) before.push_back(run.slot(path));
  run.step({x});
  for (std::size_t p = 0; p < paths.size(); ++p) {
    const ir::Tensor after = run.slot(paths[p]);
    std::vector<double>& gradient = first.emplace_back();
    for (std::int64_t i = 0; i < width; ++i) gradient.push_back(before[p].real(i) - after.real(i));
  }
  is_independent(first[0], first[1], 0.7 * 0.7);
  is_independent(first[0], first[2], 0.7 * 0.7 * 0.7);
  is_independent(first[2], first[2], 0.7 * 0.7);
  is_independent(first[0], run.gradient("h.0.weight", {x}), 0.7 * 0.7);
}

TEST_CASE("dropout: two uses of a shared instance draw two masks") {
  Run run("layer dropped(x: f32[N, D]) {\n  return dropout(scale(x) as s, 0.3)\n}\n" +
          dropping("  loss sum(dropped(x) as share e) + sum(dropped(x) as share e)"));
  const std::vector<double> gradient = run.gradient("e.s.weight", {row_of_ones()});
  CHECK(part([&](std::size_t i) { return std::abs(gradient[i] - 1 / 0.7) < 0.1; }) ==
        Approx(2 * 0.7 * 0.3).margin(0.005));
}

TEST_CASE("dropout: one seed gives the same bits again, another seed others") {
  const std::string text = dropping("  loss sum(dropout(scale(x) as a))");
  const auto weights = [&](std::int64_t seed) {
    Run run(text, seed);
    run.step({row_of_ones()});
    return run.slot("a.weight");
  };
  CHECK(weights(1) == weights(1));
  CHECK_FALSE(weights(1) == weights(2));
}

TEST_CASE("dropout: nothing is drawn outside of training, nor for p = 0") {
  Run run(dropping("  loss sum(dropout(scale(x) as a, 0.3))") + "predict {\n  data x: f32[" + std::to_string(width) +
          "]\n  return y = dropout(scale(x) as a, 0.3)\n}\n");
  CHECK(draws(*run.module().find_graph("train", 1)) == 1);
  CHECK(draws(*run.module().find_graph("eval", 1)) == 0);
  CHECK(draws(*run.module().find_graph("predict", 1)) == 0);
  CHECK(run.predict({row_of_ones()})[0].value == row_of_ones());

  const Run free(dropping("  loss sum(dropout(scale(x) as a, 0))")), without(dropping("  loss sum(scale(x) as a)"));
  CHECK(free.module().find_graph("train", 1)->body.ops().size() ==
        without.module().find_graph("train", 1)->body.ops().size());
}

TEST_CASE("dropout: recurrent layers and attention draw where PyTorch's do") {
  // Results, the call, and how many masks it draws.
  const std::tuple<const char*, const char*, std::int64_t> all[] = {
      {"y, h", "rnn(x, 3, layers = 3, dropout = 0.5)", 2},
      {"y, h, c", "lstm(x, 3, layers = 2, bidirectional = true, dropout = 0.5)", 1},
      {"y, h", "gru(x, 3, dropout = 0.5)", 0},
      {"y, h", "gru(x, 3, layers = 2, dropout = 0.5)", 1},
      {"y", "multi_head_attention(x, 2, dropout = 0.1)", 1},
      {"y", "transformer_encoder_layer(x, 2, feedforward = 3)", 4},
      {"y", "transformer_decoder_layer(x, x, 2, feedforward = 3, dropout = 0.2)", 6}};
  for (const auto& [results, call, masks] : all) {
    INFO(call);
    const Run run("layer net(x: f32[N, T, D]) {\n  " + std::string(results) + " = " + call +
                  " as inner\n  return y\n}\n" + train("  data x: f32[3, 4]\n  loss mean(net(x) as net)"));
    CHECK(draws(*run.module().find_graph("train", 1)) == masks);
    CHECK(draws(*run.module().find_graph("eval", 1)) == 0);
  }
}

TEST_CASE("random_bernoulli holds with the probability asked for") {
  for (const auto& [call, p] :
       {std::pair("random_bernoulli([1, 100000])", 0.5), {"random_bernoulli([1, 100000], p = 0.2)", 0.2}}) {
    Run run(dropping(std::string("  loss sum(where(") + call + ", scale(x) as a, 0))"));
    const std::vector<double> gradient = run.gradient("a.weight", {row_of_ones()});
    CHECK(part([&](std::size_t i) { return !is_zero(gradient[i]); }) == Approx(p).margin(0.005));
  }
}

TEST_CASE("bce_with_logits: value and gradient at any logit") {
  struct Expected {
    double logit, target, loss, gradient;
  };
  constexpr double tiny = 9.357622968839e-14;  // log(1 + exp(-30)), and sigmoid(-30)
  const std::vector<Expected> all{{0, 0, std::log(2), 0.5},    {0, 1, std::log(2), -0.5}, {30, 0, 30, 1},
                                  {30, 1, tiny, -tiny},        {-30, 0, tiny, tiny},      {-30, 1, 30, -1},
                                  {1e30, 0, 1e30, 1},          {1e30, 1, 0, 0},           {-1e30, 1, 1e30, -1},
                                  {0, 0.25, std::log(2), 0.25}};
  for (const auto& [logit, target, loss, gradient] : all) {
    Run run("layer shift(x: f32[N]) -> f32[N] {\n  param bias: f32[1] = zeros()\n  return x + bias\n}\n" +
            train("  data x: f32, y: f32\n  loss bce_with_logits(shift(x) as a, y)"));
    INFO("logit " << logit << ", target " << target);
    CHECK(run.gradient("a.bias", {one(logit), one(target)})[0] == Approx(gradient).epsilon(1e-6).margin(1e-20));
    CHECK(run.loss() == Approx(loss).epsilon(1e-6).margin(1e-20));
  }
}

TEST_CASE("bce_with_logits: a weight for each class") {
  Run run(
      train("  data x: f32[2], y: f32[2]\n  loss mean(linear(x, 1) as fc)") +
      "predict {\n  data x: f32[2], y: f32[2]\n"
      "  return each = bce_with_logits(x, y, pos_weight = 1 + 2 * one_hot(1, 2)), one = bce_with_logits(x, y)\n}\n");
  ir::Tensor x(ir::Type{ir::DType::f32, {1, 2}, {}}), y = ir::Tensor::splat({ir::DType::f32, {1, 2}, {}}, 1);
  x.set_real(1, -2);  // logits 0 and -2; the second counts three times
  const double first = std::log(2), second = std::log(1 + std::exp(2));
  const auto results = run.predict({x, y});
  CHECK(results[0].value.real(0) == Approx((first + 3 * second) / 2).epsilon(1e-6));
  CHECK(results[1].value.real(0) == Approx((first + second) / 2).epsilon(1e-6));
}

TEST_CASE("step_decay: the size of a step falls every so many steps") {
  Run run("layer shift(x: f32[N]) -> f32[N] {\n  param bias: f32[1] = zeros()\n  return x + bias\n}\n" +
          train("  data x: f32\n  loss sum(shift(x) as a)", "step_decay(8, every = 2, factor = 0.5)"));
  for (const double size : {8, 8, 4, 4, 2}) CHECK(run.gradient("a.bias", {one(0)})[0] == size);
}

TEST_CASE("one_cycle: a rise that takes no step is over at once") {
  Run run("layer shift(x: f32[N]) -> f32[N] {\n  param bias: f32[1] = zeros()\n  return x + bias\n}\n" +
          train("  data x: f32\n  loss sum(shift(x) as a)", "one_cycle(8, pct_start = 0.1, anneal = \"linear\")"));
  const double last = 8 / 25.0 / 1e4;
  CHECK(run.gradient("a.bias", {one(0)})[0] == Approx(8 / 25.0));
  for (int step = 1; step < total_steps; ++step)
    CHECK(run.gradient("a.bias", {one(0)})[0] == Approx(8 + (last - 8) * step / 9).margin(1e-5));
}

TEST_CASE("an op with two results is taken apart where it is called, in the graph and at compile time") {
  Run run("fn spread(x) {\n  m, v = moments(x, axis = -1, keepdim = true)\n  return m, v\n}\n" +
          train("  data x: f32[4]\n  loss mean(linear(x, 1) as fc)") +
          "predict {\n  data x: f32[4]\n  m, v = spread(x)\n  a, b = moments([1, 2, 3, 6])\n"
          "  return m = m, v = v, a = a + zeros([1]), b = b + zeros([1])\n}\n");
  ir::Tensor x(ir::Type{ir::DType::f32, {1, 4}, {}});
  for (std::int64_t i = 0; i < 4; ++i) x.set_real(i, i == 3 ? 6.0 : static_cast<double>(i + 1));
  const auto results = run.predict({x});
  REQUIRE(results.size() == 4);
  CHECK(results[0].value.type() == ir::Type{ir::DType::f32, {1, 1}, {}});
  CHECK(results[0].value.real(0) == 3);
  CHECK(results[1].value.real(0) == 3.5);
  CHECK(results[2].value.real(0) == 3);
  CHECK(results[3].value.real(0) == 3.5);
}

TEST_CASE("every optimizer refuses numbers that are out of bounds for certain, at the argument") {
  const auto errors_of = [](const std::string& optimizer) {
    return test::elaborate("train {\n  data x: f32[2]\n  loss mean(linear(x, 1) as fc)\n  optimizer " + optimizer +
                           "\n  batch = 4\n  epochs = 2\n}\n")
        .errors;
  };
  const auto sources = frontend::std_sources();
  const auto file = std::ranges::find(sources, "std/optimizers.nn", &frontend::StdSource::file);
  REQUIRE(file != sources.end());
  const std::string text(file->text);
  const std::regex declaration("optimizer (\\w+)\\((.*)\\) \\{"), number("(\\w+): f32");
  int optimizers = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), declaration), end; at != end; ++at, ++optimizers) {
    const std::string name = at->str(1), parameters = at->str(2);
    CHECK(errors_of(name + "(lr = 0)").empty());
    CHECK(errors_of(name + "(lr = cosine(-1))").empty());  // known in training only
    for (std::sregex_iterator each(parameters.begin(), parameters.end(), number); each != end; ++each) {
      INFO(name << ", " << each->str(1));
      // What a state begins with is known before the first step.
      const bool follows = each->str(1) != "initial_accumulator_value";
      CHECK(errors_of(name + "(" + each->str(1) + " = cosine(0.5))").empty() == follows);
    }
    for (const std::string value : {"-0.5", "inf - inf", ""}) {
      std::string call = name + "(";
      std::vector<std::size_t> places;
      for (std::sregex_iterator each(parameters.begin(), parameters.end(), number); each != end; ++each) {
        const std::string parameter = each->str(1);
        if (parameter == "dampening") continue;
        call += parameter + " = ";
        places.push_back(call.size());
        // Above what PyTorch accepts, where that has an end.
        call += (!value.empty()                  ? value
                 : parameter.starts_with("beta") ? "1"
                 : parameter == "rho"            ? "1.5"
                                                 : "-1") +
                ", ";
      }
      const std::string errors = errors_of(call + ")");
      INFO(call << "\n" << errors);
      for (const std::size_t place : places)
        CHECK(errors.find("test.nn:4:" + std::to_string(13 + place) + ": error: expected a ") != errors.npos);
    }
  }
  CHECK(optimizers == 12);
  CHECK(errors_of("sgd(nesterov = true)").find("`nesterov` needs `momentum`") != std::string::npos);
  CHECK(errors_of("sgd(momentum = 0.9, nesterov = true)").empty());
}
