// `state` of a layer: what a step of training keeps, and in which order assignments take effect.
#include "runtime/executor.h"
#include "tests/unit/elaborate_program.h"

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <string>

using namespace nnc;

namespace {

constexpr std::string_view layers = R"(
layer counted(x: f32[N]) -> f32[] {
  state calls: i64[] = zeros()
  state trace: f32[2] = ones()
  param scale: f32[2] = ones()
  before = trace
  calls = calls + 1
  trace = 2 * trace + mean(x)
  trace = trace + calls
  return sum(scale * (10 * before + trace))
}
layer kept(x: f32[N]) -> f32[] {
  state sum_of: f32[] = zeros()
  param scale: f32[] = ones()
  if training { sum_of = sum_of + sum(x) }
  return scale * sum_of
}
)";

class Run {
 public:
  explicit Run(const std::string& text) {
    auto elaborated = test::elaborate(text);
    INFO(elaborated.errors);
    REQUIRE(elaborated.module);
    module_ = std::move(*elaborated.module);
    executor_ = runtime::make_reference_executor(module_);
    executor_->run("init", 0, {});
  }

  /// The loss for a batch of ones.
  double loss(const char* graph) {
    const auto ones = ir::Tensor::splat({ir::DType::f32, {4}, {}}, 1);
    return executor_->run(graph, 4, {ones})[0].value.real(0);
  }
  ir::Tensor slot(const char* path) const { return executor_->slot(path); }
  const ir::Module& module() const { return module_; }

 private:
  ir::Module module_;
  std::unique_ptr<runtime::Executor> executor_;
};

}  // namespace

TEST_CASE("state: assignments take effect in the text's order, and the step keeps the last") {
  Run run(std::string(layers) + test::train("data x: f32\nloss counted(x) as c\n"));
  REQUIRE(run.module().find_slot("c.calls"));
  CHECK(run.module().find_slot("c.calls")->kind == ir::SlotKind::statistic);
  // before = 1, trace = 2 * 1 + 1 + 1
  CHECK(run.loss("train") == 2 * (10 + 4));
  CHECK(run.slot("c.calls").integer(0) == 1);
  CHECK(run.slot("c.trace").real(1) == 4);
  CHECK(run.loss("train") == 2 * (40 + 11));
  CHECK(run.slot("c.trace").real(0) == 11);
}

TEST_CASE("state: evaluation sees assignments and keeps none") {
  Run run(std::string(layers) + test::train("data x: f32\nloss counted(x) as c\n"));
  CHECK(run.loss("eval") == 2 * (10 + 4));
  CHECK(run.loss("eval") == 2 * (10 + 4));
  CHECK(run.slot("c.calls").integer(0) == 0);
  CHECK(run.slot("c.trace").real(0) == 1);
}

TEST_CASE("state: updates of a shared layer follow one another") {
  Run run(std::string(layers) +
          test::train("data x: f32\na = counted(x) as share c\nb = counted(x) as share c\nloss b\n"));
  // The second call begins with what the first left: trace 4, calls 1.
  CHECK(run.loss("train") == 2 * (40 + 11));
  CHECK(run.slot("c.calls").integer(0) == 2);
  CHECK(run.slot("c.trace").real(0) == 11);
}

TEST_CASE("state: an instance's state is a value, as it is at that place of the text") {
  Run run(std::string(layers) +
          test::train("data x: f32\na = kept(x) as share k\nseen = k.sum_of\nb = kept(x) as share k\nloss a + seen\n"));
  CHECK(run.loss("train") == 8);
  CHECK(run.slot("k.sum_of").real(0) == 8);
  CHECK(run.loss("eval") == 16);
  CHECK(run.loss("train") == 24);
}

TEST_CASE("state: a scan may carry a state, and the layer keeps what it ends with") {
  Run run(R"(
layer walk(x: f32[N]) -> f32[] {
  state at: f32[] = ones()
  param scale: f32[] = ones()
  scan t in 0..3 carry at = at { at = 2 * at + mean(x) }
  return scale * at
}
)" + test::train("data x: f32\nloss walk(x) as w\n"));
  CHECK(run.loss("train") == 15);
  CHECK(run.slot("w.at").real(0) == 15);
}
