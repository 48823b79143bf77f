// Every op record compiled by itself, from its samples, gives the reference's values.
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "runtime/executor.h"
#include "tests/unit/random_values.h"
#include "tools/machine.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>

using namespace nnc;
using namespace nnc::ir;

namespace {

/// One graph with the ops of all samples side by side.
struct AllOps {
  Module module;
  std::vector<Tensor> params;
  std::vector<const OpDef*> makers;  // of each result

  AllOps() {
    tests::Random random(17);
    Graph graph{.name = "report", .batch = 0, .param_names = {}, .body = {}, .results = {}};
    Builder builder(graph.body);
    for (const OpDef* def : all_ops()) {
      // Slots are read everywhere; of regions, those of fused ops are what kernels are made of.
      if (def->as<SlotRead>() != nullptr || def->region_count > 0) continue;
      Samples samples;
      (*def->samples)(samples);
      for (const Sample& sample : samples.all()) add(builder, graph, *def, sample, random);
    }
    module.graphs.push_back(std::move(graph));
  }

 private:
  void add(Builder& builder, Graph& graph, const OpDef& def, const Sample& sample, tests::Random& random) {
    const auto in_f64 = [](const NamedAttr& attr) { return attr.value == Attr(DType::f64); };
    if (def.as<Contraction>() != nullptr && std::ranges::any_of(sample.attrs, in_f64)) return;
    std::vector<Expr> operands;
    for (Tensor& tensor : tests::random_operands(sample, random)) {
      graph.param_names.push_back(fmt::format("x{}", params.size()));
      operands.push_back(builder.expr(graph.body.add_param(tensor.type())));
      params.push_back(std::move(tensor));
    }
    const auto made = builder.try_op(def, operands, sample.attrs, sample.regions);
    for (const Expr& result : std::get<std::vector<Expr>>(made)) {
      graph.add_result(GraphResult::Kind::value, fmt::format("r{}", makers.size()), result.value);
      makers.push_back(&def);
    }
  }
};

std::vector<Tensor> run(Module module, const tools::Machine& machine, const std::vector<Tensor>& params) {
  Diagnostics diagnostics;
  std::vector<const passes::Pass*> passes = passes::pipeline_to(passes::Stage::program);
  passes.erase(passes.begin(), passes.begin() + std::ssize(passes::pipeline_to(passes::Stage::step)));
  const Status status = passes::run_passes(
      module, passes, {.disabled = {"fold-constants", "simplify", "cse", "dce", "fuse"}, .target = &machine.target()},
      diagnostics);
  INFO(diagnostics.render());
  REQUIRE(status == Status::ok);
  std::vector<Tensor> values;
  const auto executor = machine.load(module);
  for (const runtime::NamedTensor& result : executor->run("report", 0, params)) values.push_back(result.value);
  return values;
}

}  // namespace

TEST_CASE("each op compiled by itself gives the reference's values, for any number of threads the same") {
  const AllOps ops;
  const std::vector<Tensor> expected = evaluate(ops.module.graphs[0].body, ops.params, nullptr);
  const std::vector<Tensor> one = run(ops.module, tools::Machine::native(1), ops.params);
  const std::vector<Tensor> two = run(ops.module, tools::Machine::native(2), ops.params);
  REQUIRE(one.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("result " << i << ", of " << *ops.makers[i]->name);
    const bool exact = !is_float(expected[i].type().dtype);
    CHECK(tests::agree(one[i], expected[i], exact ? 0 : 2e-6));
    if (ops.makers[i]->as<Contraction>() == nullptr) CHECK(one[i] == two[i]);
  }
}
