// Random chains of work on rows that are looked up, and loops over them: passes keep their values.
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/ops/scan.h"
#include "ir/target.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "tests/unit/block_graph.h"
#include "tests/unit/random_values.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace nnc;
using namespace nnc::ir;
using tests::Random;

namespace {

using Integers = std::vector<std::int64_t>;

/// A graph with its parameters' values.
class Chain {
 public:
  explicit Chain(Random& random) : random_(random), builder_(block_) {
    const std::int64_t rows = 4 * (1 + below(3)) * (1 + below(3));
    const Expr table = param({1 + below(6), width()});
    const Expr index = indices(rows, table.shape()[0]);
    Expr x = builder_.op("gather", {table, index});
    for (int i = 0; i < 8; ++i) {
      x = step(x);
      if (one_of(8)) keep(x);
    }
    if (x.type().rank() < 2 || one_of(3))
      keep(x);
    else if (one_of(2))
      loop(x);
    else
      loop(builder_.reshape(builder_.op("gather", {table, indices(12, table.shape()[0])}), {3, 4 * table.shape()[1]}));
    // The gradients of a weight and of the table.
    const Expr dy = param({rows, width()});
    keep(builder_.op("matmul", {builder_.op("gather", {table, index}), dy}, {{"transpose_a", true}}));
    const Expr weight = param({dy.shape()[1], width()});
    keep(builder_.op("scatter_add", {builder_.op("matmul", {dy, weight}), index}, {{"size", table.shape()[0]}}));
    update();
  }

  const Block& block() const { return block_; }
  const std::vector<Tensor>& params() const { return params_; }

 private:
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(random_() % static_cast<Random::result_type>(n));
  }
  bool one_of(std::int64_t n) { return below(n) == 0; }
  std::int64_t width() { return one_of(3) ? 1 + below(4) : 12 + below(12); }
  void keep(Expr x) { block_.results.push_back(x.value); }

  Expr param(Shape shape) {
    const Type type{DType::f32, std::move(shape), {}};
    params_.push_back(tests::random_tensor(type, -1, 1, random_));
    return builder_.expr(block_.add_param(type));
  }
  Expr indices(std::int64_t rows, std::int64_t of) {
    const Type type{one_of(2) ? DType::i32 : DType::u8, {rows, 1}, {}};
    params_.push_back(tests::random_tensor(type, 0, static_cast<double>(of), random_));
    return builder_.expr(block_.add_param(type));
  }

  /// Something done to rows, or to what they have become.
  Expr step(Expr x) {
    const Shape shape = x.shape();
    const std::int64_t last = shape.back();
    switch (below(8)) {
      case 0: return builder_.reshape(x, split(x.type().elements() / last, last));
      case 1: {
        Integers order;
        for (std::size_t d = 0; d < shape.size(); ++d) order.push_back(static_cast<std::int64_t>(d));
        std::shuffle(order.begin(), order.end() - (one_of(6) ? 0 : 1), random_);
        return builder_.permute(x, order);
      }
      case 2: return slice(x);
      case 3:
      case 4: {
        const bool transposed = one_of(2);
        const std::int64_t columns = width();
        const Expr weight = param(transposed ? Shape{columns, last} : Shape{last, columns});
        return shape.size() < 2 ? x : builder_.op("matmul", {x, weight}, {{"transpose_b", transposed}});
      }
      case 5: return apply("tanh", x);
      case 6: return x * x;
      default: {
        const Expr other = one_of(4) ? param(shape) : one_of(2) ? param({1, last}) : param({});
        return one_of(2) ? x + other : where(other > x, x, other);
      }
    }
  }

  Shape split(std::int64_t rows, std::int64_t last) {
    Shape shape;
    for (const std::int64_t part : {2, 3})
      if (rows % part == 0 && one_of(2)) {
        shape.push_back(part);
        rows /= part;
      }
    shape.insert(shape.end(), {rows, last});
    return shape;
  }

  Expr slice(Expr x) {
    Integers start, stop, steps;
    const Shape shape = x.shape();
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const bool whole = one_of(3) || (d + 1 == shape.size() && !one_of(6));
      const auto [low, high] = std::minmax({below(shape[d]), below(shape[d])});
      const bool down = !whole && one_of(2);
      start.push_back(whole ? 0 : down ? high : low);
      stop.push_back(whole ? shape[d] : down ? low - 1 : high + 1);
      steps.push_back(whole ? 1 : (down ? -1 : 1) * (1 + below(2)));
    }
    return builder_.op("slice", {x}, {{"start", start}, {"stop", stop}, {"step", steps}});
  }

  /// A table of more or fewer rows than are looked up, with their gradient taken or added, maybe scaled.
  void update() {
    const std::int64_t rows = 1 + below(one_of(2) ? 2 : 12), size = 1 + below(one_of(4) ? 4 : 80);
    const Expr table = param({size, one_of(4) ? 1 : width()});
    Expr gradient =
        builder_.op("scatter_add", {param({rows, table.shape()[1]}), indices(rows, size)}, {{"size", size}});
    if (one_of(4)) keep(gradient);
    for (std::int64_t scalings = below(4); scalings > 0; --scalings) {
      const Expr factor = one_of(4) ? param({1, table.shape()[1]}) : one_of(3) ? param({1, 1}) : param({});
      gradient = one_of(2) ? gradient * factor : factor * gradient;
    }
    keep(one_of(4) ? gradient - table : one_of(2) ? table - gradient : gradient + table);
  }

  /// A loop that reads x row by row, squares the rows and adds them up.
  void loop(Expr x) {
    Type row = x.type();
    row.shape.erase(row.shape.begin());
    Block body;
    Builder inside(body);
    body.add_param({DType::i32, {}, {}});
    const Expr sum = inside.expr(body.add_param(row)), one = inside.expr(body.add_param(row));
    body.results = {(sum + one).value, (one * one).value};
    const Expr zero = builder_.broadcast_to(builder_.constant(0, DType::f32), row.shape);
    for (const Expr& result :
         build_scan(builder_, ScanParts(1, 1, x.shape()[0], one_of(2)), {zero, x}, std::move(body)))
      keep(result);
  }

  Random& random_;
  Block block_;
  Builder builder_;
  std::vector<Tensor> params_;
};

}  // namespace

TEST_CASE("random chains of work on rows that are looked up keep their values") {
  const auto target = generic_target(1);
  std::map<std::string, int> changed;
  const int count = tests::seed_count(300);
  for (int seed = 1; seed <= count; ++seed) {
    Random random(static_cast<Random::result_type>(seed));
    const Chain chain(random);
    const std::vector<Tensor> before = tests::run(chain.block(), chain.params());
    Module module;
    module.graphs.push_back(tests::graph_of(chain.block()));
    const std::string text = print(module.graphs[0]);
    for (const char* const pass : {"lookups", "dce", "sink-rows", "simplify"}) {
      const std::string last = print(module.graphs[0]);
      Diagnostics diagnostics;
      passes::PassContext context{.diagnostics = diagnostics, .target = target.get()};
      REQUIRE(passes::find_pass(pass)->run(module, context) == Status::ok);
      INFO("seed " << seed << "\n" << text << "\nafter " << pass << "\n" << print(module.graphs[0]));
      REQUIRE(verify(module, diagnostics) == Status::ok);
      changed[pass] += print(module.graphs[0]) != last;
      for (const auto& [rule, times] : context.rule_counts) changed[rule] += times > 0;
      const std::vector<Tensor> after = tests::run(module.graphs[0].body, chain.params());
      REQUIRE(after.size() == before.size());
      for (std::size_t i = 0; i < before.size(); ++i) CHECK(tests::agree(after[i], before[i], 1e-4));
    }
  }
  CHECK(changed["lookups"] > count / 6);
  CHECK(changed["sink-rows"] > count / 30);
  CHECK(changed["add: simplify"] > count / 40);
  CHECK(changed["sub: simplify"] > count / 15);
}
