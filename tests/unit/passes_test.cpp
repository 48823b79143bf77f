// What passes keep: the values of random graphs, the meaning of every rewrite rule, gradients of values used twice.
#include "ir/evaluate.h"
#include "ir/rewrite_rules.h"
#include "ir/simplify.h"
#include "ir/target.h"
#include "ir/text.h"
#include "passes/autodiff.h"
#include "passes/pass.h"
#include "passes/simplify.h"
#include "tests/unit/block_graph.h"
#include "tests/unit/project_file.h"
#include "tests/unit/random_graph.h"

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::graph_of;
using nnc::tests::Random;
using nnc::tests::run;

namespace {

/// One side of a rule over parameters of the given types; numbers are of the type `dtype` where nothing says more.
Block side(const Term& term, const std::map<char, DType>& typing, DType dtype) {
  const Shape shape{4, 3};
  Block block;
  Builder builder(block);
  Bindings bindings;
  for (const auto& [letter, type] : typing) bindings[letter] = builder.expr(block.add_param({type, shape, {}}));
  const std::optional<Expr> value = build(builder, term, bindings, dtype);
  REQUIRE(value);
  block.results = {builder.broadcast_to(*value, shape).value};
  return block;
}

std::int64_t cost(const Block& block) {
  std::int64_t total = 0;
  for (const Op& op : block.ops()) total += rule_cost(view(block, op));
  return total;
}

/// A rule with types for its letters.
struct TypedRule {
  const RewriteRule* rule;
  std::map<char, DType> typing;

  Block pattern() const { return side(rule->pattern, typing, DType::f32); }
};

std::vector<TypedRule> all_rules() {
  std::vector<TypedRule> rules;
  for (const OpDef* def : all_ops()) {
    for (const RewriteRule& rule : rewrites_of(*def)) {
      for (const auto& typing : typings_of(rule)) rules.push_back({&rule, typing});
    }
  }
  return rules;
}

/// Runs the pass over random graphs: what they compute stays, to the bit if the tolerance is 0.
void check_keeps_values(std::string_view name, double tolerance) {
  const passes::Pass* pass = passes::find_pass(name);
  REQUIRE(pass != nullptr);
  bool changed = false;
  for (int seed = 1; seed <= tests::seed_count(200); ++seed) {
    Random random(static_cast<Random::result_type>(seed));
    const tests::RandomGraph graph = tests::random_graph(24, random);
    const std::vector<Tensor> before = run(graph.block, graph.params);
    Module module;
    module.graphs.push_back(graph_of(graph.block));
    const std::string text = print(module.graphs[0]);
    Diagnostics diagnostics;
    passes::PassContext context{.diagnostics = diagnostics};
    REQUIRE(pass->run(module, context) == Status::ok);
    const std::string text_after = print(module.graphs[0]);
    changed |= text_after != text;
    const std::vector<Tensor> after = run(module.graphs[0].body, graph.params);
    INFO("seed " << seed << "\n" << text << "\nafter " << name << "\n" << text_after);
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      INFO("result r" << i);
      REQUIRE((tolerance == 0 ? after[i] == before[i] : tests::agree(after[i], before[i], tolerance)));
    }
  }
  CHECK(changed);
}

}  // namespace

TEST_CASE("dce keeps the values of random graphs") { check_keeps_values("dce", 0); }
TEST_CASE("cse keeps the values of random graphs") { check_keeps_values("cse", 0); }
TEST_CASE("fold-constants keeps the values of random graphs") { check_keeps_values("fold-constants", 0); }
TEST_CASE("simplify keeps the values of random graphs") { check_keeps_values("simplify", 1e-9); }

namespace {

/// Runs a pass on the graphs of its golden test, of which it is to change so many; indices are below `below`.
void check_keeps_golden(const std::string& pass, int to_change, double below) {
  const std::string path = "tests/golden/passes/" + pass + ".ir";
  Diagnostics diagnostics;
  std::optional<Module> module = parse_module(path, tests::project_file(path), diagnostics);
  REQUIRE(module);
  const Module old = *module;
  const auto target = generic_target(1);
  passes::PassContext context{.diagnostics = diagnostics, .target = target.get()};
  REQUIRE(passes::find_pass(pass)->run(*module, context) == Status::ok);
  Random random(7);
  int changed = 0;
  for (std::size_t g = 0; g < old.graphs.size(); ++g) {
    const Block &before = old.graphs[g].body, &after = module->graphs[g].body;
    changed += print(old.graphs[g]) != print(module->graphs[g]);
    std::vector<Tensor> params;
    for (const ValueId param : before.params()) {
      const Type& type = before.type(param);
      params.push_back(
          tests::random_tensor(type, is_float(type.dtype) ? -1 : 0, is_float(type.dtype) ? 1 : below, random));
    }
    const std::vector<Tensor> expected = run(before, params), found = run(after, params);
    INFO(print(old.graphs[g]));
    REQUIRE(found.size() == expected.size());
    for (std::size_t r = 0; r < found.size(); ++r) CHECK(tests::agree(found[r], expected[r], 1e-4));
  }
  CHECK(changed == to_change);
}

}  // namespace

TEST_CASE("lookups keeps the values of its golden test") { check_keeps_golden("lookups", 8, 9); }
TEST_CASE("sink-rows keeps the values of its golden test") { check_keeps_golden("sink-rows", 5, 4); }

namespace {

/// A target that reads tiles of some width only, and not by products of a single row.
class Choosy final : public Target {
 public:
  explicit Choosy(std::int64_t columns) : columns_(columns) {}

  std::string name() const override { return generic_->name(); }
  int lanes() const override { return generic_->lanes(); }
  int threads() const override { return generic_->threads(); }
  std::int64_t l1_bytes() const override { return generic_->l1_bytes(); }
  std::int64_t l2_bytes() const override { return generic_->l2_bytes(); }
  std::int64_t l3_bytes() const override { return generic_->l3_bytes(); }
  bool reads_packed(const OpView& op) const override {
    return op.operands[1].shape.back() == columns_ && op.operands[0].shape[0] > 1;
  }
  std::int64_t contraction_scratch(const OpView& op, int threads) const override {
    return generic_->contraction_scratch(op, threads);
  }

 private:
  std::unique_ptr<Target> generic_ = generic_target(1);
  std::int64_t columns_;
};

}  // namespace

TEST_CASE("weights are packed in tiles that the target reads, for the products that read them") {
  constexpr int products = 5;
  const auto packed_for = [](std::int64_t columns) {
    Block block;
    Builder builder(block);
    const Expr w = builder.expr(block.add_param({DType::f32, {32, 96}, {}}));
    for (int rows = products; rows > 0; --rows) {
      const Expr x = builder.expr(block.add_param({DType::f32, {rows, 32}, {}}));
      block.results.push_back(builder.op("matmul", {x, w}).value);
    }
    Module module;
    module.graphs.push_back(graph_of(block));
    const Choosy target(columns);
    Diagnostics diagnostics;
    passes::PassContext context{.diagnostics = diagnostics, .target = &target};
    REQUIRE(passes::find_pass("pack")->run(module, context) == Status::ok);
    std::map<std::string, int> counts;
    for (const Op& op : module.graphs[0].body.ops()) {
      ++counts[std::string(*op.def->name)];
      if (*op.def->name == "pack") CHECK(view(module.graphs[0].body, op).integer("columns") == columns);
    }
    return counts;
  };
  using Counts = std::map<std::string, int>;
  const Counts packed{{"pack", 1}, {"packed_matmul", products - 1}, {"matmul", 1}};
  CHECK(packed_for(48) == packed);
  CHECK(packed_for(16) == packed);
  CHECK(packed_for(64) == Counts{{"matmul", products}});  // 96 columns are no whole tiles
}

TEST_CASE("layout keeps the values of every reduction over images") {
  using Integers = std::vector<std::int64_t>;
  Block block;
  Builder builder(block);
  const Expr x = builder.expr(block.add_param({DType::f32, {2, 3, 5, 4}, {}}));
  const Expr w = builder.expr(block.add_param({DType::f32, {4, 3, 3, 3}, {}}));
  const Expr image = builder.op("convolution", {x, w}, {{"low", Integers{1}}, {"high", Integers{1}}});
  int positions = 0;
  for (const DType dtype : all_dtypes()) {
    if (dtype == DType::bf16) continue;
    const Expr elements = builder.cast(image, dtype);
    for (const OpDef* def : all_ops()) {
      if (def->as<Reduction>() == nullptr) continue;
      for (const Integers& axes : {Integers{1}, {1, 2}, {2, 3}, {1, 2, 3}, {0, 1, 2, 3}})
        for (const bool keepdim : {false, true}) {
          std::vector<NamedAttr> attrs;
          for (const AttrDef& attr : def->attrs) {
            if (attr.kind == AttrKind::axes) attrs.push_back({std::string(attr.name), axes});
            if (attr.name == "keepdim") attrs.push_back({"keepdim", keepdim});
          }
          const auto made = builder.try_op(*def, {elements}, std::move(attrs));
          const auto* const results = std::get_if<std::vector<Expr>>(&made);
          if (results == nullptr) continue;  // not of this type
          for (const Expr& result : *results) block.results.push_back(result.value);
          positions += reduction_programs(*def->as<Reduction>(), dtype).uses_index();
        }
    }
  }
  CHECK(positions > 0);
  // Small whole numbers, of which all sums are exact.
  Random random(3);
  std::vector<Tensor> params;
  for (const ValueId param : block.params()) {
    Tensor numbers(block.type(param));
    for (std::int64_t i = 0; i < numbers.elements(); ++i) numbers.set_real(i, static_cast<double>(random() % 4) - 1);
    params.push_back(std::move(numbers));
  }
  const std::vector<Tensor> expected = run(block, params);
  Module module;
  module.graphs.push_back(graph_of(block));
  Diagnostics diagnostics;
  passes::PassContext context{.diagnostics = diagnostics};
  REQUIRE(passes::find_pass("layout")->run(module, context) == Status::ok);
  REQUIRE(print(module.graphs[0]).find("channels_last = true") != std::string::npos);
  const std::vector<Tensor> found = run(module.graphs[0].body, params);
  REQUIRE(found.size() == expected.size());
  for (std::size_t r = 0; r < found.size(); ++r) {
    INFO("result " << r << " of\n" << print(module.graphs[0]));
    REQUIRE(tests::agree(found[r], expected[r], 1e-5));
  }
}

TEST_CASE("a chain of many ops is sunk whole") {
  constexpr int length = 20'000;
  Block block;
  Builder builder(block);
  Expr value = builder.expr(block.add_param({DType::f32, {8}, {}}));
  const Expr least = builder.expr(block.add_param({DType::f32, {}, {}}));
  for (int i = 0; i < length; ++i) value = builder.op("maximum", {value, least});
  using Integers = std::vector<std::int64_t>;
  block.results = {builder.op("slice", {value}, {{"start", Integers{1}}, {"stop", Integers{4}}}).value};
  Module module;
  module.graphs.push_back(graph_of(block));
  Diagnostics diagnostics;
  passes::PassContext context{.diagnostics = diagnostics};
  REQUIRE(passes::find_pass("sink")->run(module, context) == Status::ok);
  const Block& sunk = module.graphs[0].body;
  REQUIRE(sunk.ops().size() == length + 1);  // and the slice
  CHECK(sunk.type(sunk.ops().back().results[0]).shape == Shape{3});
}

TEST_CASE("both sides of each rewrite rule are equal") {
  Random random(3);
  REQUIRE_FALSE(all_rules().empty());
  for (const TypedRule& typed : all_rules()) {
    INFO(typed.rule->text);
    const Block pattern = typed.pattern();
    const DType dtype = pattern.type(pattern.results[0]).dtype;
    const Block replacement = side(typed.rule->replacement, typed.typing, dtype);
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<Tensor> params;
      for (const ValueId param : pattern.params()) {
        params.push_back(tests::random_tensor(pattern.type(param), -3, 3, random));
        // Zeros of both signs, infinities and the like come first.
        constexpr double special[] = {0.0, -0.0, std::numeric_limits<double>::infinity(), 1.0};
        if (!is_float(params.back().type().dtype)) continue;
        for (int i = 0; i < 4; ++i)
          params.back().set_real(i, special[(i + trial * static_cast<int>(params.size())) % 4]);
      }
      const Tensor expected = run(pattern, params)[0];
      const Tensor found = run(replacement, params)[0];
      REQUIRE(found.type() == expected.type());
      for (std::int64_t i = 0; i < expected.elements(); ++i) {
        CHECK(tests::agree(found.real(i), expected.real(i), dtype == DType::f64 ? 1e-14 : 1e-6));
      }
    }
  }
}

TEST_CASE("each rewrite rule applies and reduces the cost") {
  std::set<std::string> applied;
  for (const TypedRule& typed : all_rules()) {
    INFO(typed.rule->text);
    Block block = typed.pattern();
    const std::int64_t before = cost(block);
    CHECK(cost(side(typed.rule->replacement, typed.typing, block.type(block.results[0]).dtype)) < before);
    std::map<std::string, int> counts;
    CHECK(passes::simplify_block(block, counts));
    CHECK(cost(block) < before);
    for (const auto& [rule, count] : counts) applied.insert(rule);
  }
  for (const TypedRule& typed : all_rules()) {
    INFO(typed.rule->text << " never applied");
    CHECK(applied.contains(typed.rule->text));
  }
}

TEST_CASE("sums and concatenations of many parts stay as they are") {
  for (const std::int64_t parts : {60, 70, 300, 1000}) {
    Block block;
    Builder builder(block);
    std::vector<Expr> values;
    for (std::int64_t i = 0; i < parts; ++i) values.push_back(builder.expr(block.add_param({DType::f32, {2, 3}, {}})));
    const Expr sum = builder.sum(builder.op("concat", values, {{"axis", std::int64_t{1}}}), {0});
    Expr padded;
    for (std::int64_t i = 0; i < parts; ++i) {
      const std::vector<std::int64_t> low{0, 3 * i}, high{0, 3 * (parts - 1 - i)};
      const Expr part = builder.op("pad", {values[static_cast<std::size_t>(i)]}, {{"low", low}, {"high", high}});
      padded = i == 0 ? part : padded + part;
    }
    block.results = {sum.value, padded.value};
    std::map<std::string, int> counts;
    CHECK(passes::simplify_block(block, counts));
    const auto made_by = [&](std::size_t result) { return *block.definer(block.results[result])->def->name; };
    INFO(parts);
    CHECK(made_by(0) == (parts <= 64 ? "concat" : "sum"));
    CHECK(made_by(1) == (parts <= 64 ? "concat" : "add"));
  }
}

TEST_CASE("simplification that does not end in the rounds allowed says so") {
  for (const TypedRule& typed : all_rules()) {
    Block block = typed.pattern();
    std::map<std::string, int> counts;
    CHECK_FALSE(passes::simplify_block(block, counts, 1));
    CHECK(passes::simplify_block(block, counts));
  }
}

TEST_CASE("the gradient of a value used twice is the sum over its uses") {
  Block block;
  Builder builder(block);
  const Expr x = builder.expr(block.add_param({DType::f64, {}, {}}));
  const Expr loss = x * x + x * 3.0;
  const std::vector<ValueId> gradients = passes::differentiate(builder, loss.value, {x.value});
  block.results = gradients;
  CHECK(run(block, {Tensor::splat({DType::f64, {}, {}}, 5.0)})[0].real(0) == 13.0);
}

TEST_CASE("a value that the loss does not depend on has no gradient") {
  Block block;
  Builder builder(block);
  const Expr x = builder.expr(block.add_param({DType::f64, {}, {}}));
  const Expr y = builder.expr(block.add_param({DType::f64, {}, {}}));
  const Expr loss = x * 2.0;
  const std::size_t ops = block.ops().size();
  CHECK_FALSE(passes::differentiate(builder, loss.value, {y.value})[0].valid());
  CHECK(block.ops().size() == ops);
}

TEST_CASE("differentiation keeps the values of random graphs") {
  int reached = 0;
  const int count = tests::seed_count(150);
  for (int seed = 1; seed <= count; ++seed) {
    Random random(static_cast<Random::result_type>(seed));
    tests::RandomGraph graph = tests::random_graph(16, random);
    Block& block = graph.block;
    Builder builder(block);
    Expr loss = builder.constant(0.0, DType::f64);
    for (const ValueId result : block.results) {
      const Expr y = builder.expr(result);
      if (y.dtype() != DType::f64) continue;
      std::vector<std::int64_t> axes;
      for (int axis = 0; axis < y.type().rank(); ++axis) axes.push_back(axis);
      loss = loss + (axes.empty() ? y : builder.sum(y, axes));
    }
    std::vector<ValueId> wrt;
    for (const ValueId param : block.params()) {
      if (block.type(param).dtype == DType::f64) wrt.push_back(param);
    }
    const std::vector<Tensor> before = run(block, graph.params);
    const std::vector<ValueId> gradients = passes::differentiate(builder, loss.value, wrt);
    INFO("seed " << seed);
    for (std::size_t i = 0; i < wrt.size(); ++i) {
      if (!gradients[i].valid()) continue;
      CHECK(block.type(gradients[i]) == block.type(wrt[i]));
      ++reached;
    }
    CHECK(run(block, graph.params) == before);
  }
  CHECK(reached > 2 * count / 3);
}

TEST_CASE("what serves two parts of a step belongs to the earlier one; what clips and updates to the update") {
  using ir::Role;
  const Role forward{}, gradient{Role::Kind::gradient, "w"}, clip{Role::Kind::clip, ""},
      update{Role::Kind::update, "w"};
  CHECK(ir::merged(forward, gradient) == forward);
  CHECK(ir::merged(gradient, forward) == forward);
  CHECK(ir::merged(gradient, update) == gradient);
  CHECK(ir::merged(gradient, clip) == Role{Role::Kind::gradient, ""});
  CHECK(ir::merged(clip, update) == update);
  CHECK(ir::merged(update, clip) == update);
  CHECK(ir::merged(update, Role{Role::Kind::update, "v"}) == Role{Role::Kind::update, ""});
}
