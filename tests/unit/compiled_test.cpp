// The whole way down: what passes, kernels and contractions make of a graph gives the reference's values.
#include "frontend/frontend.h"
#include "ir/evaluate.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"
#include "tests/unit/random_graph.h"
#include "tools/machine.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>

using namespace nnc;
using ir::Tensor;

namespace {

constexpr int threads = 2;

/// Seeds that a test draws; more with NNC_SEEDS for a long run.
int seed_count(int usual) {
  const char* more = std::getenv("NNC_SEEDS");
  return more != nullptr ? std::atoi(more) : usual;
}

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

/// The passes after the step, whatever they leave out.
void lower(ir::Module& module, const tools::Machine& machine, const std::vector<std::string>& disabled = {}) {
  ir::Diagnostics diagnostics;
  std::vector<const passes::Pass*> passes = passes::pipeline_to(passes::Stage::program);
  passes.erase(passes.begin(), passes.begin() + std::ssize(passes::pipeline_to(passes::Stage::step)));
  const ir::Status status =
      passes::run_passes(module, passes, {.disabled = disabled, .target = &machine.target()}, diagnostics);
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

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("compiled random graphs give the reference's values") {
  const tools::Machine native = tools::Machine::native(threads), avx2 = tools::Machine::avx2(1);
  for (int seed = 1; seed <= seed_count(150); ++seed) {
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

TEST_CASE("ten steps of an example, compiled and by the reference") {
  const std::string path = std::string(NNC_SOURCE_DIR) + "/examples/mlp.nn";
  ir::Diagnostics diagnostics;
  const auto model =
      frontend::load(path, read(path), {.set = {{"width", "48"}}, .batch = 50, .epochs = {}}, diagnostics);
  REQUIRE(model);
  const auto elaborated = model->elaborate({{50}, {}}, diagnostics);
  REQUIRE(elaborated);
  ir::Module step = *elaborated;
  REQUIRE(passes::run_passes(step, passes::pipeline_to(passes::Stage::step), {}, diagnostics) == ir::Status::ok);
  ir::Module program = step;
  const tools::Machine machine = tools::Machine::native(threads);
  lower(program, machine);

  const auto reference = runtime::make_reference_executor(step);
  const auto compiled = machine.load(program);
  for (runtime::Executor* executor : {reference.get(), compiled.get()}) {
    executor->set_slot(ir::key_slot, Tensor::splat_integer({ir::DType::i64, {}, {}}, 5));
    executor->run(ir::init_graph, 0, {});
  }
  const runtime::Dataset data = runtime::synthetic(step.recipe.data, {{"label", 10}}, 500, 3);
  std::vector<std::int64_t> indices(50);
  std::vector<Tensor> batch;
  for (int s = 0; s < 10; ++s) {
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = s * 50 + static_cast<std::int64_t>(i);
    data.gather(indices, batch);
    const double expected = reference->run(ir::train_graph, 50, batch).at(0).value.real(0);
    CHECK(compiled->run(ir::train_graph, 50, batch).at(0).value.real(0) == Approx(expected).epsilon(2e-6));
  }
  for (const ir::Slot& slot : step.slots) {
    INFO(slot.path);
    const Tensor ours = compiled->slot(slot.path), theirs = reference->slot(slot.path);
    double difference = 0, size = 0;
    for (std::int64_t i = 0; i < ours.elements(); ++i) {
      difference += std::pow(ours.real(i) - theirs.real(i), 2);
      size += std::pow(theirs.real(i), 2);
    }
    CHECK(std::sqrt(difference) <= 1e-5 * std::sqrt(size));
  }
}
