// The whole way down: what passes, kernels and contractions make of a graph gives the reference's values.
#include "frontend/frontend.h"
#include "ir/analysis.h"
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"
#include "runtime/share.h"
#include "tests/unit/project_file.h"
#include "tests/unit/random_graph.h"
#include "tests/unit/temp_directory.h"
#include "tools/machine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace nnc;
using ir::Tensor;

namespace {

constexpr int threads = 2;

/// A module whose one graph is the block: parameter p is the data field xP, result r is named rR.
ir::Module module_of(const ir::Block& block) {
  ir::Module module;
  module.recipe.batch = 1;
  ir::Graph graph;
  graph.name = "report";
  graph.body = block;
  for (std::size_t i = 0; i < block.params().size(); ++i) graph.param_names.push_back("x" + std::to_string(i));
  for (std::size_t i = 0; i < block.results.size(); ++i)
    graph.results.push_back({ir::GraphResult::Kind::value, "r" + std::to_string(i)});
  module.graphs.push_back(std::move(graph));
  return module;
}

/// The passes after the step, whatever they leave out, or those up to one of them.
void lower(ir::Module& module, const tools::Machine& machine, const std::vector<std::string>& disabled = {},
           const std::optional<std::string>& last = {}) {
  ir::Diagnostics diagnostics;
  const std::vector<const passes::Pass*> passes = passes::passes_between(passes::Stage::step, passes::Stage::program);
  passes::RunOptions options;
  options.disabled = disabled;
  options.stop_after = last;
  options.target = &machine.target();
  const ir::Status status = passes::run_passes(module, passes, options, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(status == ir::Status::ok);
}

/// The same graph with f64 in place of f32, and its arguments: what the exact values are.
std::vector<Tensor> exact_values(const tests::RandomGraph& graph) {
  std::vector<Tensor> params;
  for (const Tensor& param : graph.params)
    params.push_back(param.type().dtype == ir::DType::f32 ? param.converted(ir::DType::f64) : param);
  return ir::evaluate(tests::in_f64(graph.block), params, nullptr);
}

/// How far `a` is from the exact values at most, relative to them or to 1; NaN where only one of both is NaN.
double worst_error(const Tensor& a, const Tensor& exact) {
  double worst = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.real(i), y = exact.real(i);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    // What is too large for f32 is infinite there.
    if (std::abs(y) > 3.4e38 && std::abs(x) > 3.3e38) continue;
    const double error = std::abs(x - y) / std::max(1.0, std::abs(y));
    if (std::isnan(error)) return error;
    worst = std::max(worst, error);
  }
  return worst;
}

/// The reference rounds each op to f32 as the compiled program does, in another order: its distance from the exact
/// values is the measure of the distance that a right program may have.
void check_agrees(const Tensor& compiled, const Tensor& reference, const Tensor& exact) {
  REQUIRE(compiled.type() == reference.type());
  if (!ir::is_float(compiled.type().dtype)) {
    CHECK(compiled == reference);
    return;
  }
  const double allowed = 64 * worst_error(reference, exact) + 2e-6;
  if (std::isnan(allowed)) return;  // f32 and f64 disagree about what is a number
  CHECK(worst_error(compiled, exact) <= allowed);
}

}  // namespace

TEST_CASE("compiled random graphs give the reference's values") {
  const tools::Machine native = tools::Machine::native(threads), avx2 = tools::Machine::avx2(1);
  for (int seed = 1; seed <= tests::seed_count(150); ++seed) {
    tests::Random random(static_cast<tests::Random::result_type>(seed));
    const tests::RandomGraph graph = tests::random_f32_graph(24, random);
    const std::vector<Tensor> reference = ir::evaluate(graph.block, graph.params, nullptr);
    const std::vector<Tensor> exact = exact_values(graph);
    for (const tools::Machine* machine : {&native, &avx2}) {
      ir::Module module = module_of(graph.block);
      INFO("seed " << seed << " for " << machine->target().name() << "\n" << ir::print(module));
      lower(module, *machine);
      INFO(ir::print(module));
      const auto executor = machine->load(module);
      const std::vector<runtime::NamedTensor>& results = executor->run("report", 0, graph.params);
      REQUIRE(results.size() == reference.size());
      for (std::size_t i = 0; i < results.size(); ++i) {
        INFO("result " << i);
        check_agrees(results[i].value, reference[i], exact[i]);
      }
    }
  }
}

TEST_CASE("denormals are zeros in every thread, and what they were in the caller's code") {
  // The pool is there before the executor is.
  runtime::share(threads, threads, [](std::int64_t, std::int64_t, int) {});
  constexpr std::int64_t count = 1 << 18;
  ir::Block block;
  ir::Builder builder(block);
  const ir::Expr x = builder.expr(block.add_param({ir::DType::f32, {count}, {}}));
  block.results = {(x * 0.5).value, (x * 0x1p100).value, ir::apply("exp", x * 0x1p126 - 100).value};
  Tensor numbers(x.type());
  for (std::int64_t i = 0; i < count; ++i) numbers.set_real(i, i % 2 == 0 ? 0x1p-126 : 0x1p-127);

  const tools::Machine machine = tools::Machine::native(threads);
  ir::Module module = module_of(block);
  lower(module, machine);
  const auto executor = machine.load(module);
  const std::vector<runtime::NamedTensor>& results = executor->run("report", 0, {numbers});
  REQUIRE(results.size() == 3);
  const std::vector<Tensor> reference = ir::evaluate(block, {numbers}, nullptr);
  for (std::int64_t i = 0; i < count; ++i) {
    const double of_least = i % 2 == 0 ? 0x1p-26 : 0;
    if (results[0].value.real(i) != 0 || results[1].value.real(i) != of_least || results[2].value.real(i) != 0)
      FAIL("element " << i);
  }
  for (std::size_t r = 0; r < 2; ++r) CHECK(results[r].value == reference[r]);

  const volatile float least = 0x1p-126F;
  CHECK(least * 0.5F > 0);
}

namespace {

/// An example brought to the step, smaller than it is by default.
struct Example {
  std::string name;
  std::vector<std::pair<std::string, std::string>> set;

  ir::Module step(std::int64_t batch) const {
    const std::string path = std::string(NNC_SOURCE_DIR) + "/examples/" + name;
    ir::Diagnostics diagnostics;
    const auto model =
        frontend::load(path, tests::project_file(path), {.set = set, .batch = batch, .epochs = {}}, diagnostics);
    INFO(diagnostics.render());
    REQUIRE(model);
    std::optional<ir::Module> module = model->elaborate({{batch}, {}}, diagnostics);
    REQUIRE(module);
    REQUIRE(passes::run_passes(*module, passes::pipeline_to(passes::Stage::step), {}, diagnostics) == ir::Status::ok);
    return std::move(*module);
  }
};

runtime::Dataset synthetic(const ir::Module& module, std::int64_t examples) {
  std::map<std::string, std::int64_t> ranges = ir::index_ranges(module, /*chosen=*/true);
  for (const ir::DataField& field : module.recipe.data)
    if (field.range > 0) ranges[field.name] = field.range;
  return runtime::synthetic(module.recipe.data, ranges, examples, 3);
}

/// An executor after some steps, with their losses.
struct Trained {
  std::unique_ptr<runtime::Executor> executor;
  std::vector<double> losses;

  Trained(std::unique_ptr<runtime::Executor> made, const runtime::Dataset& data, std::int64_t batch, int steps)
      : executor(std::move(made)) {
    executor->set_slot(ir::key_slot, Tensor::splat_integer({ir::DType::i64, {}, {}}, 5));
    executor->run(ir::init_graph, 0, {});
    std::vector<std::int64_t> indices(static_cast<std::size_t>(batch));
    std::vector<Tensor> fields;
    for (int s = 0; s < steps; ++s) {
      for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = s * batch + static_cast<std::int64_t>(i);
      data.gather(indices, fields);
      losses.push_back(executor->run(ir::train_graph, batch, fields).at(0).value.real(0));
    }
  }
};

void check_same(const Trained& compiled, const Trained& reference, const std::vector<ir::Slot>& slots,
                double tolerance) {
  for (std::size_t s = 0; s < reference.losses.size(); ++s)
    CHECK(compiled.losses[s] == Approx(reference.losses[s]).epsilon(tolerance));
  for (const ir::Slot& slot : slots) {
    INFO(slot.path);
    const Tensor ours = compiled.executor->slot(slot.path), theirs = reference.executor->slot(slot.path);
    double difference = 0, size = 0;
    for (std::int64_t i = 0; i < ours.elements(); ++i) {
      difference += std::pow(ours.real(i) - theirs.real(i), 2);
      size += std::pow(theirs.real(i), 2);
    }
    // A gradient that is zero but for rounding, as that of attention's key bias, has no relative precision.
    const double rounding = 1e-8 * std::sqrt(static_cast<double>(ours.elements()));
    CHECK(std::sqrt(difference) <= 5 * tolerance * std::sqrt(size) + rounding);
  }
}

}  // namespace

TEST_CASE("ten steps of an example, compiled and by the reference") {
  const ir::Module step = Example{"mlp.nn", {{"width", "48"}}}.step(50);
  ir::Module program = step;
  const tools::Machine machine = tools::Machine::native(threads);
  lower(program, machine);
  const runtime::Dataset data = synthetic(step, 500);
  const Trained reference(runtime::make_reference_executor(step), data, 50, 10);
  check_same(Trained(machine.load(program), data, 50, 10), reference, step.slots, 2e-6);
}

TEST_CASE("each optimization can be left out, and all of them") {
  constexpr std::int64_t batch = 4;
  constexpr int steps = 2;
  std::vector<std::vector<std::string>> choices(1);
  for (const passes::Pass& pass : passes::all_passes()) {
    if (!pass.optional) continue;
    choices[0].emplace_back(pass.name);  // the first choice: all
    choices.push_back({std::string(pass.name)});
  }
  // Of gru_classifier nothing is between the lookup and the product; cnn has dropout.
  const std::vector<Example> examples = {
      {"cnn.nn", {{"channels", "4"}, {"hidden", "16"}}},
      {"resnet20.nn", {{"width", "16"}, {"blocks", "1"}}},
      {"gru_classifier.nn", {{"vocab", "9"}, {"length", "6"}, {"width", "20"}, {"units", "16"}, {"drop", "0"}}},
      {"gpt.nn", {{"vocab", "9"}, {"context", "7"}, {"width", "16"}, {"layers", "1"}}}};
  const test::TempDirectory kernels;  // most are the same with and without a pass
  tools::Machine machine = tools::Machine::native(threads);
  machine.keep_kernels_in(kernels.path());
  // For a target that all passes find something to do for.
  const tools::Machine generic = tools::Machine::generic(threads);
  const auto text = [&](ir::Module module, const std::vector<std::string>& disabled, const std::string& last) {
    lower(module, generic, disabled, last);
    return ir::print(module);
  };
  // With the passes before it, or by itself: `simplify` leaves nothing dead.
  const auto has_effect = [&](const ir::Module& module, const std::string& pass) {
    std::vector<std::string> others = choices[0];
    std::erase(others, pass);
    return text(module, {pass}, pass) != text(module, {}, pass) ||
           text(module, choices[0], pass) != text(module, others, pass);
  };
  std::set<std::string> without_effect(choices[0].begin(), choices[0].end());
  for (const Example& example : examples) {
    const ir::Module step = example.step(batch);
    std::erase_if(without_effect, [&](const std::string& pass) { return has_effect(step, pass); });
    const runtime::Dataset data = synthetic(step, batch * steps);
    const Trained reference(runtime::make_reference_executor(step), data, batch, steps);
    for (const std::vector<std::string>& disabled : choices) {
      INFO(example.name << " without " << (disabled.size() > 1 ? "any" : disabled[0]));
      ir::Module program = step;
      lower(program, machine, disabled);
      check_same(Trained(machine.load(program), data, batch, steps), reference, step.slots, 1e-5);
    }
  }
  INFO(fmt::format("left out or not: {}", fmt::join(without_effect, ", ")));
  CHECK(without_effect.empty());
}
