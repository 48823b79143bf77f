// Every op record against its samples: inference, oracle, gradient against finite differences, text, repeatability.
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/text.h"
#include "passes/autodiff.h"
#include "tests/unit/random_values.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::Random;

namespace {

std::vector<Sample> samples_of(const OpDef& def) {
  Samples samples;
  (*def.samples)(samples);
  return samples.all();
}

/// One op over a block's parameters.
struct OneOp {
  Block block;
  std::string error;

  const Op& op() const { return block.ops().back(); }
};

OneOp one_op(const OpDef& def, const Sample& sample) {
  OneOp one;
  Builder builder(one.block);
  std::vector<Expr> operands;
  for (const SampleOperand& operand : sample.operands) {
    operands.push_back(builder.expr(one.block.add_param(operand.type)));
  }
  const auto made = builder.try_op(def, operands, sample.attrs, sample.regions);
  if (const auto* error = std::get_if<std::string>(&made)) {
    one.error = *error;
  } else {
    for (const Expr& result : std::get<std::vector<Expr>>(made)) one.block.results.push_back(result.value);
  }
  return one;
}

/// Runs a block; a slot holds 0, 1, 2 and so on.
std::vector<Tensor> run(const Block& block, const std::vector<Tensor>& params) {
  Tensor slot;
  for (const Op& op : block.ops()) {
    if (op.def->as<SlotRead>() == nullptr) continue;
    slot = Tensor(block.type(op.results[0]));
    for (std::int64_t i = 0; i < slot.elements(); ++i) slot.set_real(i, static_cast<double>(i));
  }
  return evaluate(block, params, [&](std::string_view) -> const Tensor& { return slot; });
}

std::vector<std::int64_t> coordinates(const Shape& shape, std::int64_t position) {
  std::vector<std::int64_t> at(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    at[i] = position % shape[i];
    position /= shape[i];
  }
  return at;
}

/// How far a value may be from its oracle, relative to it.
double tolerance(Precision precision, DType dtype) {
  if (!is_float(dtype)) return 0;
  const double epsilon =
      dtype == DType::f64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  switch (precision) {
    case Precision::exact: return 0;
    case Precision::rounded: return epsilon;
    case Precision::approximate: return 4 * epsilon;
    case Precision::accumulated: return 64 * epsilon;
  }
  return 0;
}

void check_against_oracle(const OpDef& def, const Sample& sample, Random& random) {
  const OneOp one = one_op(def, sample);
  REQUIRE(one.error == "");
  const std::vector<Tensor> operands = tests::random_operands(sample, random);
  const std::vector<const Tensor*> pointers = tests::pointers(operands);
  const OpView op = view(one.block, one.op());
  const std::vector<Tensor> results = run(one.block, operands);
  REQUIRE(results.size() == op.results.size());
  for (std::size_t r = 0; r < results.size(); ++r) {
    const Tensor& result = results[r];
    REQUIRE(result.type() == op.results[r]);
    const double relative = tolerance(*def.precision, result.type().dtype);
    for (std::int64_t i = 0; i < result.elements(); ++i) {
      Tensor expected(Type{result.type().dtype, {}, {}});
      const double exact = (*def.oracle)(Oracle(op, pointers, coordinates(result.type().shape, i), r));
      expected.set_real(0, exact);
      const double value = result.real(i);
      INFO("element " << i << " of result " << r << " is " << value << ", the oracle says " << exact);
      const bool both_nan = std::isnan(value) && std::isnan(exact);
      CHECK((both_nan || value == expected.real(0) || std::abs(value - exact) <= relative * std::abs(exact)));
    }
  }
}

/// loss = the sum of all results, weighted with random numbers, so that no gradient cancels.
Expr weighted_sum(Builder& builder, const Block& block, Random& random) {
  Expr loss = builder.constant(0.0, DType::f64);
  for (const ValueId result : block.results) {
    const Expr y = builder.expr(result);
    if (y.dtype() != DType::f64) continue;
    Expr weighted = y * builder.constant(tests::random_tensor(y.type(), 0.5, 1.5, random));
    std::vector<std::int64_t> axes;
    for (int axis = 0; axis < y.type().rank(); ++axis) axes.push_back(axis);
    if (!axes.empty()) weighted = builder.sum(weighted, axes);
    loss = loss + weighted;
  }
  return loss;
}

/// d loss along a direction of params[of], by moving a little both ways.
double finite_difference(const Block& block, const std::vector<Tensor>& params, std::size_t of,
                         const std::vector<double>& direction) {
  constexpr double step = 1e-6;
  const auto loss = [&](double distance) {
    std::vector<Tensor> moved = params;
    for (std::int64_t i = 0; i < moved[of].elements(); ++i)
      moved[of].set_real(i, params[of].real(i) + distance * direction[static_cast<std::size_t>(i)]);
    return run(block, moved)[0].real(0);
  };
  return (loss(step) - loss(-step)) / (2 * step);
}

/// Along each element or, of more than a few, along some and along one direction that has parts of all.
std::vector<std::vector<double>> directions(std::int64_t elements, Random& random) {
  constexpr std::int64_t most_elements = 48;
  const auto size = static_cast<std::size_t>(elements);
  std::vector<std::size_t> alone(size);
  std::iota(alone.begin(), alone.end(), std::size_t{0});
  std::vector<std::vector<double>> found;
  if (elements > most_elements) {
    std::ranges::shuffle(alone, random);
    alone.resize(most_elements);
    std::vector<double>& all = found.emplace_back();
    for (std::size_t i = 0; i < size; ++i) all.push_back(std::uniform_real_distribution<double>(0.5, 1)(random));
  }
  for (const std::size_t i : alone) found.emplace_back(size)[i] = 1;
  return found;
}

void check_gradient(const OpDef& def, const Sample& sample, Random& random) {
  const Gradient::Kind kind = def.grad->kind;
  OneOp one = one_op(def, sample);
  REQUIRE(one.error == "");
  Builder builder(one.block);
  const Expr loss = weighted_sum(builder, one.block, random);
  std::vector<ValueId> wrt;
  for (const ValueId param : one.block.params()) {
    if (one.block.type(param).dtype == DType::f64) wrt.push_back(param);
  }
  one.block.results = {loss.value};
  const Block forward = one.block;
  const std::vector<ValueId> gradients = passes::differentiate(builder, loss.value, wrt);
  for (const ValueId gradient : gradients) {
    CHECK(gradient.valid() == (kind == Gradient::Kind::rule));
    if (!gradient.valid())
      builder.block().results.push_back(loss.value);
    else
      builder.block().results.push_back(gradient);
  }
  const std::vector<Tensor> params = tests::random_operands(sample, random);
  const std::vector<Tensor> values = run(one.block, params);
  bool all_zero = true;
  for (std::size_t w = 0; w < wrt.size(); ++w) {
    const std::size_t param = static_cast<std::size_t>(wrt[w].index);
    for (const std::vector<double>& direction : directions(params[param].elements(), random)) {
      const double expected = finite_difference(forward, params, param, direction);
      double found = 0;
      for (std::size_t i = 0; kind == Gradient::Kind::rule && i < direction.size(); ++i)
        found += direction[i] * values[1 + w].real(static_cast<std::int64_t>(i));
      INFO("operand " << param << ", first along element "
                      << std::ranges::find_if(direction, [](double part) { return part != 0; }) - direction.begin()
                      << ": the gradient is " << found << ", the difference quotient " << expected);
      CHECK(tests::agree(found, expected, 1e-6));
      all_zero &= found == 0;
    }
  }
  if (kind == Gradient::Kind::rule) {
    INFO("a gradient that is zero everywhere shows nothing");
    CHECK_FALSE(all_zero);
  }
}

bool has_float(const Sample& sample, const OneOp& one) {
  const auto is_f64 = [](const SampleOperand& operand) { return operand.type.dtype == DType::f64; };
  const auto gives_f64 = [&](ValueId result) { return one.block.type(result).dtype == DType::f64; };
  return std::any_of(sample.operands.begin(), sample.operands.end(), is_f64) &&
         std::any_of(one.block.results.begin(), one.block.results.end(), gives_f64);
}

/// A module whose graph `report` holds the op over reads of slots.
Module module_of(const OpDef& def, const Sample& sample) {
  Module module;
  Graph graph{.name = "report", .batch = 0, .param_names = {}, .body = {}, .results = {}};
  Builder builder(graph.body);
  std::vector<Expr> operands;
  for (const SampleOperand& operand : sample.operands) {
    module.slots.push_back({fmt::format("operand.{}", operands.size()), operand.type, SlotKind::statistic});
    operands.push_back(builder.slot(module.slots.back().path, operand.type));
  }
  const auto made = builder.try_op(def, operands, sample.attrs, sample.regions);
  for (const Expr& result : std::get<std::vector<Expr>>(made)) {
    graph.add_result(GraphResult::Kind::value, fmt::format("result{}", graph.results.size()), result.value);
    for (std::size_t i = 0; i < def.attrs.size(); ++i) {
      if (def.attrs[i].kind != AttrKind::slot) continue;
      module.slots.push_back(
          {std::get<std::string>(graph.body.ops().back().attrs[i]), result.type(), SlotKind::statistic});
    }
  }
  module.graphs.push_back(std::move(graph));
  return module;
}

}  // namespace

TEST_CASE("each op agrees with its oracle") {
  for (const OpDef* def : all_ops()) {
    INFO(*def->name);
    REQUIRE_FALSE(samples_of(*def).empty());
    Random random(7);
    for (const Sample& sample : samples_of(*def)) {
      check_against_oracle(*def, sample, random);
      check_against_oracle(*def, tests::in_f64(sample), random);
    }
  }
}

TEST_CASE("each op of floats has a gradient, and it agrees with finite differences") {
  // Through these nothing flows, on purpose; any other op with a floating operand and result has a rule or is zero.
  const std::set<std::string_view> without{"stop_gradient",  "fused", "max_pool_gradient",
                                           "orthonormalize", "pack",  "packed_matmul"};
  for (const OpDef* def : all_ops()) {
    INFO(*def->name);
    Random random(11);
    for (const Sample& given : samples_of(*def)) {
      const Sample sample = tests::in_f64(given);
      const bool of_floats = has_float(sample, one_op(*def, sample));
      if (def->grad->kind == Gradient::Kind::none) {
        CHECK((!of_floats || without.contains(*def->name)));
      } else if (of_floats) {
        check_gradient(*def, sample, random);
      }
    }
  }
}

TEST_CASE("each gradient is shown by a sample") {
  for (const OpDef* def : all_ops()) {
    const std::vector<Sample> samples = samples_of(*def);
    const bool shown = std::any_of(samples.begin(), samples.end(), [&](const Sample& given) {
      const Sample sample = tests::in_f64(given);
      return has_float(sample, one_op(*def, sample));
    });
    INFO(*def->name << ": no sample has a floating operand and result");
    CHECK((shown || def->grad->kind == Gradient::Kind::none));
  }
}

TEST_CASE("a graph with any op prints and parses back") {
  for (const OpDef* def : all_ops()) {
    for (const Sample& sample : samples_of(*def)) {
      const std::string text = print(module_of(*def, sample));
      INFO(text);
      Diagnostics diagnostics;
      const std::optional<Module> parsed = parse_module("sample.ir", text, diagnostics);
      INFO(diagnostics.render());
      REQUIRE(parsed);
      CHECK(print(*parsed) == text);
    }
  }
}

TEST_CASE("each op gives the same bits again") {
  for (const OpDef* def : all_ops()) {
    Random random(13);
    for (const Sample& sample : samples_of(*def)) {
      const OneOp one = one_op(*def, sample);
      const std::vector<Tensor> operands = tests::random_operands(sample, random);
      INFO(*def->name);
      CHECK(run(one.block, operands) == run(one.block, operands));
    }
  }
}

TEST_CASE("each op refuses a wrong number of operands") {
  for (const OpDef* def : all_ops()) {
    if (def->operands->empty()) continue;
    for (Sample sample : samples_of(*def)) {
      sample.operands.clear();
      INFO(*def->name);
      CHECK(one_op(*def, sample).error != "");
    }
  }
}
