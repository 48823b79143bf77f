// Fusion and schedules: what random graphs compute stays, updates come out alike, and what is not fused says why.
#include "passes/fuse.h"
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/fused.h"
#include "ir/text.h"
#include "passes/fusion_atoms.h"
#include "passes/fusion_legality.h"
#include "passes/pass.h"
#include "tests/unit/block_graph.h"
#include "tests/unit/elaborate_program.h"
#include "tests/unit/random_graph.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::graph_of;
using nnc::tests::Random;
using nnc::tests::run;

namespace {

/// fuse, then schedule, with the verifier after each.
void fuse_and_schedule(Module& module) {
  Diagnostics diagnostics;
  const Status status = passes::run_passes(module, {passes::find_pass("fuse"), passes::find_pass("schedule")},
                                           {.verify_roundtrip = true, .reproducer = "/dev/null"}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(status == Status::ok);
}

std::vector<const Op*> fused_ops(const Block& block) {
  std::vector<const Op*> found;
  for (const Op& op : block.ops()) {
    if (is_fused(op)) found.push_back(&op);
  }
  return found;
}

int ops_in_kernels(const Block& block) {
  int count = 0;
  for (const Op* op : fused_ops(block)) count += static_cast<int>(op->regions[0].ops().size());
  return count;
}

Block parse_body(const std::string& graph) {
  Diagnostics diagnostics;
  const std::optional<Module> module = parse_module("test", "nnc module 1\n\n" + graph, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  return module->graphs.at(0).body;
}

/// Graphs whose ops have much to do with each other: a few shapes, values used again and again, every kind of movement.
class DenseGraph {
 public:
  explicit DenseGraph(Random::result_type seed) : random_(seed), builder_(block) {
    for (const Shape& shape : {Shape{4, 6}, Shape{6}, Shape{4, 1}, Shape{2, 2, 6}}) add_param(shape);
    for (int i = 0; i < 18; ++i) add_op();
    for (const Expr value : values_) {
      if (chance(4)) block.results.push_back(value.value);
    }
    block.results.push_back(values_.back().value);
  }

  Block block;
  std::vector<Tensor> params;

 private:
  bool chance(int out_of) { return random_() % static_cast<std::uint64_t>(out_of) == 0; }
  Expr pick() { return values_[random_() % values_.size()]; }

  void add_param(const Shape& shape) {
    const Type type{DType::f64, shape, {}};
    values_.push_back(builder_.expr(block.add_param(type)));
    params.push_back(tests::random_tensor(type, -1, 1, random_));
  }

  void add_op() {
    builder_.role = {chance(2) ? Role::Kind::forward : Role::Kind::gradient, ""};
    const Expr x = pick();
    switch (random_() % 9) {
      case 0: values_.push_back(apply("tanh", x)); break;
      case 1: reduce(x); break;
      case 2: reshape(x); break;
      case 3: permute(x); break;
      case 4: part(x); break;
      case 5: values_.push_back(builder_.broadcast_to(x, with_row(x.shape()))); break;
      default: combine(x, pick()); break;
    }
  }

  void reduce(Expr x) {
    std::vector<std::int64_t> axes;
    for (int d = 0; d < x.type().rank(); ++d) {
      if (chance(2)) axes.push_back(d);
    }
    values_.push_back(builder_.op(chance(3) ? "max" : "mean", {x}, {{"axis", axes}, {"keepdim", !chance(3)}}));
  }

  void reshape(Expr x) {
    for (const Shape& shape : {Shape{4, 6}, Shape{24}, Shape{2, 2, 6}, Shape{2, 12}, Shape{6, 4}, Shape{4, 1}}) {
      if (element_count(shape) == x.type().elements() && !chance(3)) values_.push_back(builder_.reshape(x, shape));
    }
  }

  void permute(Expr x) {
    std::vector<std::int64_t> order;
    for (int d = 0; d < x.type().rank(); ++d) order.push_back(d);
    std::shuffle(order.begin(), order.end(), random_);
    values_.push_back(builder_.permute(x, order));
  }

  void part(Expr x) {
    std::vector<std::int64_t> start, stop, low, high;
    for (const std::int64_t extent : x.shape()) {
      start.push_back(extent > 2 && chance(2) ? 1 : 0);
      stop.push_back(extent > 2 && chance(2) ? extent - 1 : extent);
      low.push_back(start.back());
      high.push_back(extent - stop.back());
    }
    const Expr slice = builder_.op("slice", {x}, {{"start", start}, {"stop", stop}});
    values_.push_back(slice);
    values_.push_back(builder_.op("pad", {chance(2) ? slice : pick_like(slice)},
                                  {{"low", low}, {"high", high}, {"value", chance(2) ? 0.0 : 2.0}}));
  }
  Expr pick_like(Expr x) { return builder_.op("neg", {x}); }

  static Shape with_row(Shape shape) {
    if (shape.size() < 3) shape.insert(shape.begin(), 2);
    return shape;
  }

  void combine(Expr x, Expr y) {
    if (!broadcast(x.shape(), y.shape()) || std::max(x.type().rank(), y.type().rank()) > 3) return;
    values_.push_back(chance(2) ? x + y : chance(2) ? x * y : where(x < y, x, 0.5));
  }

  Random random_;
  Builder builder_;
  std::vector<Expr> values_;
};

/// What the kernel of a fused op is, without extents: accesses, ops, who reads what.
std::vector<std::string> structure_of(const Op& op) {
  const FusedView fused(op);
  std::vector<std::string> lines;
  for (const std::vector<Access>& accesses : {fused.reads, fused.writes}) {
    for (const Access& access : accesses) {
      std::string line = "access";
      for (const std::int64_t stride : access.strides) line += " " + std::to_string(stride);
      lines.push_back(line);
    }
  }
  for (const Op& inner : fused.body.ops()) {
    std::string line(*inner.def->name);
    for (const ValueId operand : inner.operands) line += " " + std::to_string(operand.index);
    for (const ValueId result : inner.results) line += " -> " + std::to_string(result.index);
    if (inner.operands.empty()) line += describe(inner);
    lines.push_back(line);
  }
  for (const ValueId result : fused.body.results) lines.push_back("yield " + std::to_string(result.index));
  return lines;
}

}  // namespace

TEST_CASE("fuse and schedule keep the values of random graphs") {
  int kernels = 0, ops = 0;
  const int count = tests::seed_count(300);
  for (int seed = 1; seed <= count; ++seed) {
    Random random(static_cast<Random::result_type>(seed));
    const tests::RandomGraph graph = tests::random_graph(24, random);
    const std::vector<Tensor> before = run(graph.block, graph.params);
    Module module;
    module.graphs.push_back(graph_of(graph.block));
    const std::string text = print(module.graphs[0]);
    INFO("seed " << seed << "\n" << text);
    fuse_and_schedule(module);
    const Block& fused = module.graphs[0].body;
    INFO("after\n" << print(module.graphs[0]));
    const std::vector<Tensor> after = run(fused, graph.params);
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      INFO("result r" << i);
      REQUIRE(tests::agree(after[i], before[i], 1e-9));
    }
    kernels += static_cast<int>(fused_ops(fused).size());
    ops += ops_in_kernels(fused);
  }
  CHECK(kernels > count);
  CHECK(ops > kernels);
}

TEST_CASE("fuse and schedule keep the values of graphs whose ops share much") {
  int kernels = 0, ops = 0;
  for (int seed = 1; seed <= tests::seed_count(600); ++seed) {
    const DenseGraph graph(static_cast<Random::result_type>(seed));
    const std::vector<Tensor> before = run(graph.block, graph.params);
    Module module;
    module.graphs.push_back(graph_of(graph.block));
    INFO("seed " << seed << "\n" << print(module.graphs[0]));
    fuse_and_schedule(module);
    INFO("after\n" << print(module.graphs[0]));
    const std::vector<Tensor> after = run(module.graphs[0].body, graph.params);
    for (std::size_t i = 0; i < before.size(); ++i) {
      INFO("result r" << i);
      REQUIRE(tests::agree(after[i], before[i], 1e-9));
    }
    kernels += static_cast<int>(fused_ops(module.graphs[0].body).size());
    ops += ops_in_kernels(module.graphs[0].body);
  }
  CHECK(ops > kernels);
}

TEST_CASE("fusing twice changes nothing") {
  Random random(7);
  const tests::RandomGraph graph = tests::random_graph(40, random);
  Block block = graph.block;
  passes::fuse_block(block);
  const std::string once = print(graph_of(block));
  passes::fuse_block(block);
  CHECK(print(graph_of(block)) == once);
}

TEST_CASE("what is not fused says why") {
  Block block = parse_body(R"(graph @eval@8(%x: f32[8,1024,64], %y: f32[2,3], %z: f32[3,2]) {
  %0 = mean %x {axis = [0, 1], keepdim = true} : f32[1,1,64]
  %1 = sub %x, %0 : f32[8,1024,64]
  %2 = exp %y : f32[2,3]
  %3 = reshape %2 : f32[3,2]
  %4 = add %3, %z : f32[3,2]
  return a = %1, b = %4
})");
  std::vector<std::string> reasons;
  std::vector<passes::Remark> not_fused;
  passes::fuse_block(block, &not_fused);
  for (const passes::Remark& pair : not_fused) reasons.push_back(pair.reason);
  std::ranges::sort(reasons);
  CHECK(reasons == std::vector<std::string>{
                       "a reduction over outer dimensions is used again, and is complete only when the kernel ends",
                       "the dimensions of a reshape do not divide alike"});
  CHECK(fused_ops(block).size() == 4);
}

TEST_CASE("a long chain is several kernels of limited length") {
  constexpr int length = 900;
  Block block;
  Builder builder(block);
  Expr x = builder.expr(block.add_param({DType::f32, {64}, {}}));
  for (int i = 0; i < length; ++i) x = builder.op("sin", {x});
  block.results.push_back(x.value);
  Module module;
  module.graphs.push_back(graph_of(std::move(block)));
  fuse_and_schedule(module);
  const std::vector<const Op*> kernels = fused_ops(module.graphs[0].body);
  CHECK(ops_in_kernels(module.graphs[0].body) == length);
  CHECK(kernels.size() < 10);
  for (const Op* kernel : kernels) CHECK(kernel->regions[0].ops().size() <= passes::max_kernel_ops);
}

TEST_CASE("updates of all parameters are one kernel but for extents") {
  test::Elaborated program = test::elaborate(R"(
layer net(x: f32[N, 6]) -> f32[N, 3] {
  return linear(relu(linear(x, 5) as a), 3) as b
}
train {
  data x: f32[6], y: u8
  loss cross_entropy(net(x) as model, y)
  optimizer adam(lr = 0.1)
  batch = 4
  epochs = 2
})");
  INFO(program.errors);
  REQUIRE(program.module);
  Diagnostics diagnostics;
  REQUIRE(passes::run_passes(*program.module, passes::pipeline_to(passes::Stage::optimized), {}, diagnostics) ==
          Status::ok);
  const Block& body = program.module->find_graph("train", 4)->body;
  std::vector<const Op*> updates;
  for (const Op* op : fused_ops(body)) {
    if (op->role.kind == Role::Kind::update && FusedView(*op).rank() > 0) updates.push_back(op);
  }
  REQUIRE(updates.size() == 4);
  for (const Op* op : updates) {
    CHECK(op->role.slot.starts_with("model."));
    CHECK(structure_of(*op) == structure_of(*updates[0]));
    CHECK(FusedView(*op).schedule == FusedView(*updates[0]).schedule);
  }
}

TEST_CASE("a value and its transpose are read by two accesses of one kernel") {
  Block block = parse_body(R"(graph @eval@3(%x: f32[3,3]) {
  %0 = permute %x {order = [1, 0]} : f32[3,3]
  %1 = add %x, %0 : f32[3,3]
  return a = %1
})");
  passes::fuse_block(block);
  REQUIRE(fused_ops(block).size() == 1);
  const FusedView fused(*fused_ops(block)[0]);
  CHECK(fused.domain == Shape{3, 3});
  REQUIRE(fused.reads.size() == 2);
  CHECK(fused.reads[0].strides == std::vector<std::int64_t>{3, 1});
  CHECK(fused.reads[1].strides == std::vector<std::int64_t>{1, 3});
}

TEST_CASE("atoms are divided until dimensions match") {
  passes::AtomTable table;
  const int six = table.add(6), two = table.add(2), three = table.add(3);
  REQUIRE(table.tie({six}, {two, three}));
  CHECK(table.resolve({six}) == table.resolve({two, three}));

  const int four = table.add(4), twelve = table.add(12), last = table.add(3);
  REQUIRE(table.tie({twelve}, {four, last}));
  const int outer = table.add(2), inner = table.add(6);
  REQUIRE(table.tie({outer, inner}, {twelve}));
  CHECK(table.resolve({twelve}).size() == 3);
  CHECK(table.resolve({outer, inner}) == table.resolve({four, last}));
}

TEST_CASE("atoms whose extents do not factor are not tied") {
  passes::AtomTable table;
  const int two = table.add(2), three = table.add(3), other_three = table.add(3), other_two = table.add(2);
  CHECK_FALSE(table.tie({two, three}, {other_three, other_two}));
  passes::AtomTable another;
  const int five = another.add(5), four = another.add(4);
  CHECK_FALSE(another.tie({five}, {four}));
}
