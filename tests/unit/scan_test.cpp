// `scan`, interpreted and compiled, against the same program with `for`, which unrolls it.
#include "passes/pass.h"
#include "runtime/executor.h"
#include "tests/unit/elaborate_program.h"
#include "tests/unit/random_values.h"
#include "tools/machine.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <memory>

using namespace nnc;

namespace {

/// The graph `eval` and steps of `train`, by the reference interpreter or compiled.
class Run {
 public:
  explicit Run(const std::string& text, bool compiled = false) {
    auto elaborated = test::elaborate(text);
    INFO(text);
    INFO(elaborated.errors);
    REQUIRE(elaborated.module);
    module_ = std::move(*elaborated.module);
    ir::Diagnostics diagnostics;
    passes::RunOptions options;
    options.verify_roundtrip = true;
    options.target = &machine_.target();
    const ir::Status status = passes::run_passes(
        module_, passes::pipeline_to(compiled ? passes::Stage::program : passes::Stage::step), options, diagnostics);
    INFO(diagnostics.render());
    REQUIRE(status == ir::Status::ok);
    executor_ = compiled ? machine_.load(module_) : runtime::make_reference_executor(module_);
    if (module_.find_slot(ir::key_slot))
      executor_->set_slot(ir::key_slot, ir::Tensor::splat_integer({ir::DType::i64, {}, {}}, 3));
    executor_->run("init", 0, {});
  }

  double loss(const char* graph = "eval") {
    tests::Random random(5);
    std::vector<ir::Tensor> batch;
    for (const ir::DataField& field : module_.recipe.data) {
      ir::Type type = field.type;
      type.shape.insert(type.shape.begin(), 4);
      batch.push_back(tests::random_tensor(type, -1, 1, random));
    }
    return executor_->run(graph, 4, batch)[0].value.real(0);
  }
  const ir::Module& module() const { return module_; }
  ir::Tensor slot(std::string_view path) const { return executor_->slot(path); }

 private:
  tools::Machine machine_ = tools::Machine::native(2);
  ir::Module module_;
  std::unique_ptr<runtime::Executor> executor_;
};

constexpr std::string_view layers = R"(
layer cell(x: f32[N, D], h: f32[N, D]) -> f32[N, D] {
  param weight: f32[D, D] = uniform(0.5)
  return tanh(x + h @ weight)
}
)";

std::string program(std::string_view body) {
  return std::string(layers) +
         test::train("  data x: f32[6, 3]\n  loss mean(cell(x[:, 0], x[:, 1]) as other)\n" + std::string(body));
}

/// Loss and gradients: what a step changes.
void check_same(std::string_view scan, std::string_view unrolled, bool compiled) {
  Run ours(program(scan), compiled), theirs(program(unrolled));
  const double value = ours.loss();
  CHECK(value != 0);
  CHECK(value == Approx(theirs.loss()).epsilon(2e-6).margin(1e-6));
  for (int step = 0; step < 2; ++step)
    CHECK(ours.loss("train") == Approx(theirs.loss("train")).epsilon(2e-6).margin(1e-6));
  int parameters = 0;
  for (const ir::Slot& slot : theirs.module().slots) {
    if (slot.kind != ir::SlotKind::parameter) continue;
    ++parameters;
    INFO(slot.path);
    CHECK(tests::agree(ours.slot(slot.path), theirs.slot(slot.path), 5e-6));
  }
  CHECK(parameters > 0);
}

void check_same(std::string_view scan, std::string_view unrolled) {
  check_same(scan, unrolled, false);
  check_same(scan, unrolled, true);
}

int op_count(const ir::Block& block) {
  int count = 0;
  for (const ir::Op& op : block.ops()) {
    ++count;
    for (const ir::Block& region : op.regions) count += op_count(region);
  }
  return count;
}

}  // namespace

TEST_CASE("a scan carries, sees rows and yields") {
  check_same(R"(
  ys = scan t in 0..6 carry h = zeros([4, 3]) { h = cell(x[:, t], h) as c; yield h }
  loss mean(ys * ys) + mean(h))",
             R"(
  h = zeros([4, 3])
  s = 0.0
  for t in 0..6 { h = cell(x[:, t], h) as share c; s = s + mean(h * h) / 6 }
  loss s + mean(h))");
}

TEST_CASE("a scan of a part of a dimension, by number, with several yields") {
  check_same(R"(
  z = cell(x[:, 0], x[:, 1]) as first
  s = z[:, 0] * 0 + 1
  a, b = scan t in 2..5 carry s = s, n = 0 {
    s = s * z[:, 1] + x[:, t, 1] * t
    n = n + t
    yield s, x[:, t] * z
  }
  loss mean(a[1:3] * a[:2]) + mean(b * b) + mean(s) + n)",
             R"(
  z = cell(x[:, 0], x[:, 1]) as first
  s2 = z[:, 1] + x[:, 2, 1] * 2
  s3 = s2 * z[:, 1] + x[:, 3, 1] * 3
  s4 = s3 * z[:, 1] + x[:, 4, 1] * 4
  b = x[:, 2:5] * z[:, none]
  loss (mean(s3 * s2) + mean(s4 * s3)) / 2 + mean(b * b) + mean(s4) + 9)");
}

TEST_CASE("a scan in a scan sees rows of both") {
  check_same(R"(
  k = cell(x[:, 0], x[:, 1]) as first
  rows = scan t in 0..6 carry total = zeros([4]) {
    part = scan u in 0..3 carry p = zeros([4]) {
      p = tanh(p * k[:, u]) + x[:, t, u]
      yield p * x[:, 0, u] + x[:, t, 0] * k[:, 0]
    }
    total = total * 0.9 + p * k[:, 1]
    yield part
  }
  loss mean(rows * rows) + mean(total * total))",
             R"(
  k = cell(x[:, 0], x[:, 1]) as first
  total = zeros([4])
  s = 0.0
  for t in 0..6 {
    p = zeros([4])
    for u in 0..3 {
      p = tanh(p * k[:, u]) + x[:, t, u]
      r = p * x[:, 0, u] + x[:, t, 0] * k[:, 0]
      s = s + mean(r * r) / 18
    }
    total = total * 0.9 + p * k[:, 1]
  }
  loss s + mean(total * total))");
}

TEST_CASE("carries of a scan take each other's values of before the step") {
  // Alike copies in one loop, each from the old row of one carry to the new row of another.
  check_same(R"(
  k = cell(x[:, 0], x[:, 1]) as first
  scan t in 0..5 carry a = k, b = x[:, 2], c = x[:, 3], last = x[:, 4] {
    last = a
    old = a
    a = b
    b = c
    c = old
  }
  loss mean(a * x[:, 0]) + mean(b * b * x[:, 1]) + mean(c * k) + mean(last ^ 3))",
             R"(
  k = cell(x[:, 0], x[:, 1]) as first
  a = k; b = x[:, 2]; c = x[:, 3]; last = x[:, 4]
  for t in 0..5 {
    last = a
    old = a
    a = b
    b = c
    c = old
  }
  loss mean(a * x[:, 0]) + mean(b * b * x[:, 1]) + mean(c * k) + mean(last ^ 3))");
  check_same(R"(
  k = cell(x[:, 0], x[:, 1]) as first
  scan t in 0..4 carry a = k, b = x[:, 2] {
    sum = a + b * x[:, t]
    a = b
    b = sum
  }
  loss mean(a * b))",
             R"(
  k = cell(x[:, 0], x[:, 1]) as first
  a = k; b = x[:, 2]
  for t in 0..4 {
    sum = a + b * x[:, t]
    a = b
    b = sum
  }
  loss mean(a * b))");
}

TEST_CASE("random numbers differ by the step of the scan") {
  const auto spread = [](std::string_view body) { return Run(program(body)).loss(); };
  const double same = spread("  loss mean(x) * 0");
  CHECK(std::abs(same - spread(R"(
  r = scan t in 0..6 { yield random_uniform([4, 3]) }
  loss mean((r - r[0]) ^ 2) + mean(x) * 0)")) > 0.05);
}

TEST_CASE("a scan has the same ops and instructions however many steps it has") {
  std::vector<int> ops;
  std::vector<std::size_t> instructions;
  for (const char* steps : {"8", "512"}) {
    const std::string text = std::string(layers) + test::train("  data x: f32[" + std::string(steps) + R"(, 3]
  ys = scan t in 0..)" + steps + R"( carry h = zeros([4, 3]) { h = cell(x[:, t], h) as c; yield h }
  loss mean(ys * ys) + mean(h))");
    auto elaborated = test::elaborate(text);
    REQUIRE(elaborated.module);
    ir::Diagnostics diagnostics;
    const std::unique_ptr<ir::Target> target = ir::generic_target(2);
    passes::RunOptions options;
    options.target = target.get();
    ir::Module module = *elaborated.module;
    REQUIRE(passes::run_passes(module, passes::pipeline_to(passes::Stage::step), options, diagnostics) ==
            ir::Status::ok);
    ops.push_back(op_count(module.find_graph("train", 4)->body));
    module = *elaborated.module;
    REQUIRE(passes::run_passes(module, passes::pipeline_to(passes::Stage::program), options, diagnostics) ==
            ir::Status::ok);
    instructions.push_back(module.find_program("train", 4)->instructions.size());
  }
  CHECK(ops[0] == ops[1]);
  CHECK(instructions[0] == instructions[1]);
}
