// Random training programs, compiled, give the reference's losses, metrics and states, step by step.
//
// NNC_SEEDS=N draws seeds 1 to N instead of the usual ones, NNC_FIRST_SEED=N begins there. A failing program is shrunk.
#include "tests/unit/random_training.h"
#include "frontend/frontend.h"
#include "ir/program_memory.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"
#include "tests/unit/random_values.h"
#include "tools/machine.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <numeric>

using namespace nnc;
using ir::Tensor;
using tests::Choices;

namespace {

constexpr double tolerance = 3e-5;

/// How two tensors differ, relative to the largest element or to 1; empty if they do not.
std::string difference(const std::string& name, const Tensor& ours, const Tensor& theirs) {
  if (!(ours.type() == theirs.type())) return name + " has another type";
  double largest = 1;
  for (std::int64_t i = 0; i < theirs.elements(); ++i)
    if (std::isfinite(theirs.real(i))) largest = std::max(largest, std::abs(theirs.real(i)));
  for (std::int64_t i = 0; i < ours.elements(); ++i) {
    const double a = ours.real(i), b = theirs.real(i);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a == b || std::abs(a - b) <= tolerance * largest) continue;
    return fmt::format("{}[{}] is {}, the reference has {}", name, i, a, b);
  }
  return "";
}

std::string difference(const std::vector<runtime::NamedTensor>& ours, const std::vector<runtime::NamedTensor>& theirs) {
  if (ours.size() != theirs.size()) return "another number of results";
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (ours[i].name != theirs[i].name) return "other names of results";
    if (std::string found = difference(ours[i].name, ours[i].value, theirs[i].value); !found.empty()) return found;
  }
  return "";
}

const tools::Machine& machine(std::size_t index) {
  static const tools::Machine machines[] = {tools::Machine::native(2), tools::Machine::avx2(1)};
  return machines[index % 2];
}

std::vector<std::int64_t> range(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

/// What the transient memory of the programs lacks.
std::string waste(const ir::Module& module) {
  for (const ir::Program& program : module.programs) {
    const std::int64_t live = ir::largest_live_bytes(program);
    if (static_cast<double>(program.transient_bytes) > 1.15 * static_cast<double>(live))
      return fmt::format("{} has {} bytes for {} alive", program.full_name(), program.transient_bytes, live);
  }
  return "";
}

/// What is wrong with a program once compiled; empty if nothing is. Both start each step from the reference's state, so
/// that differences do not grow.
std::string fault_of(const tests::RandomTraining& training, std::uint64_t seed) {
  ir::Diagnostics diagnostics;
  const auto model = frontend::load("random.nn", training.source, {}, diagnostics);
  if (!model) return diagnostics.render();
  const std::int64_t sizes[] = {training.batch, training.last_batch};
  std::vector<std::int64_t> distinct{sizes[0]};
  if (sizes[1] != sizes[0]) distinct.push_back(sizes[1]);
  std::optional<ir::Module> step = model->elaborate({distinct, distinct}, diagnostics);
  if (!step) return diagnostics.render();
  const tools::Machine& on = machine(seed);
  passes::RunOptions options{.target = &on.target()};
  options.verify_roundtrip = seed % 8 == 0;
  if (passes::run_passes(*step, passes::pipeline_to(passes::Stage::step), options, diagnostics) == ir::Status::failed)
    return diagnostics.render();
  ir::Module program = *step;
  std::vector<const passes::Pass*> rest = passes::pipeline_to(passes::Stage::program);
  rest.erase(rest.begin(), rest.begin() + std::ssize(passes::pipeline_to(passes::Stage::step)));
  if (passes::run_passes(program, rest, options, diagnostics) == ir::Status::failed) return diagnostics.render();
  if (std::string found = waste(program); !found.empty()) return found;

  const auto reference = runtime::make_reference_executor(*step);
  const auto compiled = on.load(program);
  for (runtime::Executor* executor : {reference.get(), compiled.get()}) {
    executor->set_slot(ir::key_slot, Tensor::splat_integer({ir::DType::i64, {}, {}}, static_cast<std::int64_t>(seed)));
    if (const ir::Slot* total = step->find_slot(ir::total_steps_slot))
      executor->set_slot(total->path, Tensor::splat_integer(total->type, 6));
    executor->run(ir::init_graph, 0, {});
  }
  const auto slots_differ = [&](const std::string& where) {
    for (const ir::Slot& slot : step->slots)
      if (std::string found = difference(slot.path, compiled->slot(slot.path), reference->slot(slot.path));
          !found.empty())
        return where + ": " + found;
    return std::string();
  };
  if (std::string found = slots_differ("init"); !found.empty()) return found;

  const runtime::Dataset data = runtime::synthetic(step->recipe.data, {{"label", 5}}, 64, seed);
  std::vector<Tensor> batch;
  for (int s = 0; s < 5; ++s) {
    const std::int64_t size = sizes[s % 3 == 2];
    data.gather(range(s * 8, size), batch);
    for (const std::string_view graph : {ir::train_graph, ir::eval_graph}) {
      const std::string where = fmt::format("{} {}", graph, s);
      for (const ir::Slot& slot : step->slots) compiled->set_slot(slot.path, reference->slot(slot.path));
      const auto& theirs = reference->run(graph, size, batch);
      const auto& ours = compiled->run(graph, size, batch);
      if (std::string found = difference(ours, theirs); !found.empty()) return where + ": " + found;
      if (std::string found = slots_differ(where); !found.empty()) return found;
    }
  }
  if (std::string found = difference(compiled->run("report", 0, {}), reference->run("report", 0, {})); !found.empty())
    return "report: " + found;
  return "";
}

}  // namespace

TEST_CASE("random training programs, compiled and by the reference") {
  const char* const asked = std::getenv("NNC_FIRST_SEED");
  const int first = asked == nullptr ? 1 : std::atoi(asked), count = tests::seed_count(24);
  for (int seed = first; seed < first + count; ++seed) {
    const auto number = static_cast<std::uint64_t>(seed);
    Choices drawn(number);
    const tests::RandomTraining training = tests::random_training(drawn);
    INFO("seed " << seed << "\n" << training.source);
    const std::string fault = fault_of(training, number);
    CHECK(fault == "");
    if (fault.empty()) continue;
    const auto fails = [&](const std::vector<std::uint32_t>& choices) {
      Choices given(choices);
      return !fault_of(tests::random_training(given), number).empty();
    };
    Choices simplest(tests::shrink(drawn.values(), fails));
    const tests::RandomTraining small = tests::random_training(simplest);
    FAIL_CHECK("shrunk:\n" << small.source << fault_of(small, number));
  }
}

TEST_CASE("what fails is shrunk to its cause") {
  // Fails where a 7 comes before a 3.
  const auto fails = [](const std::vector<std::uint32_t>& choices) {
    const auto seven = std::ranges::find(choices, 7U);
    return std::find(seven, choices.end(), 3U) != choices.end();
  };
  CHECK(tests::shrink({1, 2, 3, 7, 9, 4, 3, 3, 8}, fails) == std::vector<std::uint32_t>{7, 3});
  Choices drawn(5);
  const std::string source = tests::random_training(drawn).source;
  Choices again(drawn.values());
  CHECK(tests::random_training(again).source == source);
}
