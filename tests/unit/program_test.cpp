// Programs of random graphs compute what the graphs do, from printed text too; a program that was damaged is reported, or
// does what it did.
#include "ir/builder.h"
#include "ir/program_cost.h"
#include "ir/program_memory.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "passes/place_blocks.h"
#include "tests/unit/random_values.h"
#include "tests/unit/run_program.h"
#include "tests/unit/sample_program.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::Random;
using nnc::tests::Slots;

namespace {

constexpr double tolerance = 1e-5;

int pick(Random& random, int count) { return std::uniform_int_distribution<int>(0, count - 1)(random); }

/// A module with one graph over a few slots: sums, products, functions, movements, numbers in f64, and slots bound to
/// whatever has their type.
class RandomModule {
 public:
  explicit RandomModule(Random& random, int ops) : random_(random), builder_(graph_.body) {
    graph_.name = "train";
    graph_.batch = 4;
    for (const Shape& shape : {Shape{4, 8}, Shape{8}, Shape{4, 1}}) {
      graph_.param_names.push_back(fmt::format("x{}", graph_.param_names.size()));
      values_.push_back(graph_.body.add_param({DType::f32, shape, {}}));
    }
    const std::vector<Shape> shapes{{4, 8}, {4, 8}, {8}, {8}, {8, 4}, {}, {2, 4, 4}};
    for (std::size_t i = 0; i < shapes.size(); ++i)
      module_.slots.push_back({fmt::format("s{}", i), {DType::f32, shapes[i], {}}, SlotKind::optimizer});
    module_.slots.push_back({"sum", {DType::f64, {}, {}}, SlotKind::accumulator});
    module_.slots.push_back({"step", {DType::i64, {}, {}}, SlotKind::counter});
    values_.push_back(builder_.constant(0.5, DType::f32).value);
    values_.push_back(builder_.constant(Tensor::splat({DType::f32, {4, 8}, {}}, -0.25)).value);
    values_.push_back(builder_.constant(tests::random_tensor({DType::f32, {8}, {}}, -1, 1, random_)).value);
    for (int i = 0; i < ops; ++i) add_op();
    bind();
  }

  Module take() {
    module_.graphs.push_back(std::move(graph_));
    return std::move(module_);
  }

 private:
  Expr value() {
    if (pick(random_, 4) == 0) {
      const Slot& slot = module_.slots[static_cast<std::size_t>(pick(random_, 7))];
      return builder_.slot(slot.path, slot.type);
    }
    // Rather a late one: chains become long.
    const int back = std::min(pick(random_, 12), static_cast<int>(values_.size()) - 1);
    const std::size_t at = pick(random_, 3) == 0
                               ? static_cast<std::size_t>(pick(random_, static_cast<int>(values_.size())))
                               : values_.size() - 1 - static_cast<std::size_t>(back);
    return builder_.expr(values_[at]);
  }

  void add_op() {
    builder_.role = pick(random_, 4) == 0 ? Role{Role::Kind::update, ""} : Role{};
    const Expr x = value();
    const Type type = x.type();
    switch (pick(random_, 9)) {
      case 0: return keep(apply("tanh", x));
      case 1: return keep(-x);
      case 2: {
        const Expr y = value();
        return keep(x + (broadcast(type.shape, y.shape()) ? y : x));
      }
      case 3: {
        const Expr y = value();
        return keep(x * (broadcast(type.shape, y.shape()) ? y : x) * 0.5);
      }
      case 4: {
        if (type.rank() == 0) return keep(x * 0.5);
        return keep(builder_.sum(x, {pick(random_, type.rank())}, pick(random_, 2) == 0) * 0.25);
      }
      case 5: {
        if (type.rank() < 2) return keep(apply("exp", -(x * x)));
        std::vector<std::int64_t> order(type.shape.size());
        std::iota(order.begin(), order.end(), 0);
        std::ranges::shuffle(order, random_);
        return keep(builder_.permute(x, order));
      }
      case 6:
        return keep(builder_.reshape(
            x, {type.elements() / (type.elements() % 4 == 0 ? 4 : 1), type.elements() % 4 == 0 ? 4 : 1}));
      case 7: {
        const Expr y = value();
        if (type.rank() != 2 || y.type().rank() != 2) return keep(x - 0.125);
        const bool plain = type.shape[1] == y.shape()[0], turned = type.shape[1] == y.shape()[1];
        if (!plain && !turned) return keep(x - 0.125);
        return keep(apply("tanh", builder_.op("matmul", {x, y}, {{"transpose_b", !plain}})));
      }
      default: {
        if (type.rank() == 0) return keep(x + 0.5);
        std::vector<std::int64_t> start(type.shape.size(), 0), stop = type.shape;
        const auto d = static_cast<std::size_t>(pick(random_, type.rank()));
        if (stop[d] > 1) start[d] = 1;
        return keep(builder_.op("slice", {x}, {{"start", start}, {"stop", stop}}));
      }
    }
  }

  void keep(Expr x) { values_.push_back(x.value); }

  /// Slots take values of their type, old ones among them; more than one the same.
  void bind() {
    for (const Slot& slot : module_.slots) {
      if (slot.path == "sum") {
        const Expr x = value();
        std::vector<std::int64_t> axes(x.shape().size());
        std::iota(axes.begin(), axes.end(), 0);
        const Expr part = builder_.cast(builder_.sum(x, axes), DType::f64);
        graph_.add_result(GraphResult::Kind::slot, slot.path, (builder_.slot(slot.path, slot.type) + part).value);
        continue;
      }
      if (slot.path == "step") {
        graph_.add_result(GraphResult::Kind::slot, slot.path, (builder_.slot(slot.path, slot.type) + 1).value);
        continue;
      }
      std::vector<ValueId> fitting;
      for (int v = 0; v < graph_.body.value_count(); ++v)
        if (graph_.body.type({v}) == slot.type) fitting.push_back({v});
      if (fitting.empty() || pick(random_, 6) == 0) continue;
      graph_.add_result(GraphResult::Kind::slot, slot.path,
                        fitting[static_cast<std::size_t>(pick(random_, static_cast<int>(fitting.size())))]);
    }
    graph_.add_result(GraphResult::Kind::value, "last", values_.back());
    graph_.add_result(GraphResult::Kind::value, "other", value().value);
    graph_.add_result(GraphResult::Kind::value, "third", value().value);
  }

  Random& random_;
  Module module_;
  Graph graph_{.name = {}, .batch = 0, .param_names = {}, .body = {}, .results = {}};
  Builder builder_;
  std::vector<ValueId> values_;
};

Slots random_slots(const Module& module, Random& random) {
  Slots slots;
  for (const Slot& slot : module.slots) slots[slot.path] = tests::random_tensor(slot.type, -1, 1, random);
  return slots;
}

std::vector<Tensor> random_params(const Graph& graph, Random& random) {
  std::vector<Tensor> params;
  for (const ValueId param : graph.body.params())
    params.push_back(tests::random_tensor(graph.body.type(param), -1, 1, random));
  return params;
}

void run_passes(Module& module, const std::vector<std::string>& names) {
  std::vector<const passes::Pass*> pipeline;
  for (const std::string& name : names) pipeline.push_back(passes::find_pass(name));
  const std::unique_ptr<Target> target = generic_target(2);
  passes::RunOptions options;
  options.verify_roundtrip = true;
  options.target = target.get();
  Diagnostics diagnostics;
  const Status status = passes::run_passes(module, pipeline, options, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(status == Status::ok);
}

std::optional<Module> reread(const Module& module) {
  Diagnostics diagnostics;
  std::optional<Module> again = parse_module("test.ir", print(module), diagnostics);
  INFO(diagnostics.render());
  REQUIRE(again.has_value());
  return again;
}

struct Values {
  std::map<std::string, Tensor> results;
  Slots slots;
};

/// Whether both have the same names, types and values.
bool same(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  return a.size() == b.size() && std::ranges::equal(a, b, [](const auto& x, const auto& y) {
           return x.first == y.first && tests::agree(x.second, y.second, tolerance);
         });
}
bool same(const Values& a, const Values& b) { return same(a.results, b.results) && same(a.slots, b.slots); }

/// A random module, what its graph computes, and its program.
struct Lowered {
  Module module;
  std::vector<Tensor> params;
  Slots slots;
  Values expected;

  Values run() const {
    Values values{.results = {}, .slots = slots};
    values.results = tests::run_program(module, module.programs[0], params, values.slots);
    return values;
  }
};

Lowered lowered(Random& random, int ops, const std::vector<std::string>& pipeline) {
  Lowered made;
  made.module = RandomModule(random, ops).take();
  made.params = random_params(made.module.graphs[0], random);
  made.slots = random_slots(made.module, random);
  made.expected.slots = made.slots;
  made.expected.results = tests::run_graph(made.module.graphs[0], made.params, made.expected.slots);
  run_passes(made.module, pipeline);
  REQUIRE(made.module.graphs.empty());
  REQUIRE(made.module.programs.size() == 1);
  return made;
}

const std::vector<std::string> all_passes{"fold-constants", "hoist", "simplify", "cse",   "dce",        "layout",
                                          "expand",         "fuse",  "schedule", "lower", "plan-memory"};

bool is_reported(const Module& module) {
  Diagnostics diagnostics;
  return verify(module, diagnostics) == Status::failed;
}

/// A transient buffer that is no alias.
int pick_transient(const Program& program, Random& random) {
  std::vector<int> found;
  for (std::size_t b = 0; b < program.buffers.size(); ++b)
    if (program.buffers[b].region == Region::transient && program.buffers[b].same_as < 0)
      found.push_back(static_cast<int>(b));
  return found.empty() ? -1 : found[static_cast<std::size_t>(pick(random, static_cast<int>(found.size())))];
}

/// Moves the buffer, and the other types of it.
void shift(Program& program, int buffer, std::int64_t bytes) {
  for (std::size_t b = 0; b < program.buffers.size(); ++b)
    if (root_of(program, static_cast<int>(b)) == buffer) program.buffers[b].offset += bytes;
}

}  // namespace

TEST_CASE("A program prints as it was read") {
  Diagnostics diagnostics;
  const std::optional<Module> module = parse_module("sample.ir", tests::sample_program, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  CHECK(print(*module) == tests::sample_program);
}

TEST_CASE("Programs of random graphs compute what the graphs do") {
  for (const unsigned seed :
       {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U, 16U, 17U, 18U, 19U, 20U}) {
    INFO("seed " << seed);
    Random random(seed);
    std::vector<std::string> pipeline = all_passes;
    if (pick(random, 3) == 0) pipeline.pop_back();
    for (const char* name : {"cse", "fuse", "schedule", "dce"})
      if (pick(random, 3) == 0) std::erase(pipeline, name);
    const Lowered made = lowered(random, 10 + pick(random, 40), pipeline);
    INFO(print(made.module));
    CHECK(same(made.run(), made.expected));
    const Module again = *reread(made.module);
    CHECK(print(again) == print(made.module));
  }
}

TEST_CASE("A damaged program is reported or does what it did") {
  int reported = 0, tried = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    Random random(100 + seed);
    Lowered made = lowered(random, 30, all_passes);
    const Program whole = made.module.programs[0];
    for (int damage = 0; damage < 12; ++damage) {
      Program& program = made.module.programs[0];
      program = whole;
      if (damage % 2 == 0 && program.instructions.size() > 1) {
        const auto at = static_cast<std::size_t>(pick(random, static_cast<int>(program.instructions.size()) - 1));
        std::swap(program.instructions[at], program.instructions[at + 1]);
      } else {
        const int buffer = pick_transient(program, random);
        if (buffer < 0) continue;
        shift(program, buffer, pick(random, 2) == 0 ? memory_alignment : -memory_alignment);
      }
      ++tried;
      if (is_reported(made.module)) {
        ++reported;
      } else {
        INFO("seed " << seed << ", damage " << damage);
        INFO(print(made.module));
        CHECK(same(made.run(), made.expected));
      }
    }
  }
  CHECK(tried > 100);
  CHECK(2 * reported > tried);
}

TEST_CASE("A buffer that is no longer what its instruction writes is reported") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Random random(200 + seed);
    Lowered made = lowered(random, 20, all_passes);
    Program& program = made.module.programs[0];
    const int buffer = pick_transient(program, random);
    if (buffer < 0) continue;
    program.transient_bytes *= 2;
    CHECK_FALSE(is_reported(made.module));
    Shape& shape = program.buffers[static_cast<std::size_t>(buffer)].type.shape;
    shape.insert(shape.begin(), 2);
    CHECK(is_reported(made.module));
  }
}

TEST_CASE("The transient region is hardly larger than what is alive at once") {
  for (unsigned seed = 1; seed <= 15; ++seed) {
    INFO("seed " << seed);
    Random random(300 + seed);
    const Lowered made = lowered(random, 60, all_passes);
    const Program& program = made.module.programs[0];
    CHECK(program.transient_bytes >= largest_live_bytes(program));
    CHECK(static_cast<double>(program.transient_bytes) <= 1.15 * static_cast<double>(largest_live_bytes(program)));
  }
}

TEST_CASE("Large blocks that follow each other are placed as they begin") {
  const std::vector<passes::Block> blocks{{1024, 0, 9}, {1152, 1, 5},  {2880, 3, 8}, {64, 4, 8},  {64, 5, 14},
                                          {2048, 5, 6}, {2048, 5, 6},  {1152, 6, 9}, {64, 6, 13}, {64, 7, 12},
                                          {64, 7, 13},  {3840, 8, 13}, {256, 9, 13}};
  CHECK(passes::place_blocks(blocks).bytes == passes::largest_sum(blocks));
}

TEST_CASE("Blocks that are taken at one time lie apart, in little more than their largest sum") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const int count = 2 + pick(random, 150), times = 2 + pick(random, 60);
    std::vector<passes::Block> blocks;
    for (int i = 0; i < count; ++i) {
      passes::Block block{.bytes = 64 << pick(random, 10), .first = pick(random, times)};
      // As a training step has them: short ones, and ones that wait from the forward part for the backward part.
      const bool waits = pick(random, 3) == 0 && 2 * block.first < times;
      block.last = waits ? times - 1 - block.first : std::min(times - 1, block.first + pick(random, 4));
      block.bytes += 64 * pick(random, 3);
      blocks.push_back(block);
    }
    const passes::Placement placement = passes::place_blocks(blocks);
    for (std::size_t a = 0; a < blocks.size(); ++a) {
      CHECK(placement.offsets[a] >= 0);
      CHECK(placement.offsets[a] % memory_alignment == 0);
      CHECK(placement.offsets[a] + blocks[a].bytes <= placement.bytes);
      for (std::size_t b = 0; b < a; ++b) {
        const bool together = blocks[a].first <= blocks[b].last && blocks[b].first <= blocks[a].last;
        const bool apart = placement.offsets[a] + blocks[a].bytes <= placement.offsets[b] ||
                           placement.offsets[b] + blocks[b].bytes <= placement.offsets[a];
        if (together) REQUIRE(apart);
      }
    }
    CHECK(static_cast<double>(placement.bytes) <= 1.15 * static_cast<double>(passes::largest_sum(blocks)));
  }
  CHECK(passes::place_blocks({}).bytes == 0);
}

TEST_CASE("A program's cost is that of its instructions, its memory that of its regions") {
  Diagnostics diagnostics;
  const Module module = *parse_module("sample.ir", tests::sample_program, diagnostics);
  const Program& train = module.programs[0];
  // x and w in, the product out; two operations for each of 2 x 3 x 4 products.
  const InstructionCost product = cost_of(module, train, train.instructions[0]);
  CHECK(product.bytes == 32 + 48 + 24);
  CHECK(product.flops == 48);
  // Two parameters with a state and a gradient each and one number for both; what is overwritten moves twice.
  const InstructionCost update = cost_of(module, train, train.instructions[4]);
  CHECK(update.bytes == 3 * (48 + 12) + 4 + 2 * (48 + 12));
  CHECK(update.flops == 3 * (12 + 3));
  const ProgramCost cost = cost_of(module, train);
  CHECK(cost.instructions == 7);
  const PlannedMemory memory = planned_memory(module);
  CHECK(memory.slots == 6 * 64);
  CHECK(memory.transient == 320);
  CHECK(memory.scratch == 256);
  CHECK(memory.total() == 6 * 64 + 320 + 256);
  CHECK(slot_offsets(module) == std::vector<std::int64_t>{0, 64, 128, 192, 256, 320, 384});
  CHECK(largest_live_bytes(train) == 256);
}
