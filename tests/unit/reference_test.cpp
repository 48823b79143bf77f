#include "ir/text.h"
#include "runtime/executor.h"
#include "runtime/trainer.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

using namespace nnc;

namespace {

ir::Module parsed(std::string_view text) {
  ir::Diagnostics diagnostics;
  auto module = ir::parse_module("test.ir", text, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  return std::move(*module);
}

/// Exchanges two slots, and counts; the gradient is no slot.
constexpr std::string_view exchange = R"(nnc module 1

slot parameter @a : f32[2]
slot parameter @b : f32[2]
slot counter @step : i64[]

graph @init() {
  %0 = constant [1.0, 2.0] : f32[2]
  %1 = constant [3.0, 4.0] : f32[2]
  return @a = %0, @b = %1
}

graph @train@2(%x: f32[2]) {
  %a = slot @a : f32[2]
  %b = slot @b : f32[2]
  %step = slot @step : i64[]
  %0 = constant 1 : i64[]
  %1 = add %step, %0 : i64[]
  %2 = mul %a, %x : f32[2]
  %3 = sum %2 : f32[]
  return loss = %3, @a = %b, @b = %a, @step = %1
}
)";

/// The mean of a column, learnt by hand-written descent on (w - x)^2: w moves a tenth of the way to the batch's mean.
constexpr std::string_view learn_mean = R"(nnc module 1

data x: f32[]
batch 2
epochs 50

slot parameter @w : f32[]
slot accumulator @train.loss.sum : f32[]
slot accumulator @train.count : f32[]

graph @init() {
  %0 = constant 0.0 : f32[]
  return @w = %0
}

graph @train@2(%x: f32[2]) {
  %w = slot @w : f32[]
  %sum = slot @train.loss.sum : f32[]
  %count = slot @train.count : f32[]
  %rate = constant 0.1 : f32[]
  %two = constant 2.0 : f32[]
  %gap = sub %x, %w : f32[2]
  %squares = mul %gap, %gap : f32[2]
  %loss = mean %squares : f32[]
  %way = mean %gap : f32[]
  %move = mul %way, %rate : f32[]
  %w.next = add %w, %move : f32[]
  %all = sum %squares : f32[]
  %sum.next = add %sum, %all : f32[]
  %count.next = add %count, %two : f32[]
  return loss = %loss, @w = %w.next, @train.loss.sum = %sum.next, @train.count = %count.next
}

graph @report() {
  %sum = slot @train.loss.sum : f32[]
  %count = slot @train.count : f32[]
  %mean = div %sum, %count : f32[]
  return train.loss = %mean
}
)";

}  // namespace

TEST_CASE("the reference executor starts from zeros; graphs read old values and replace the slots they bind") {
  const auto executor = runtime::make_reference_executor(parsed(exchange));
  CHECK(executor->slot("a") == ir::Tensor(ir::Type{ir::DType::f32, {2}, {}}));
  CHECK(executor->run("init", 0, {}).empty());
  const ir::Tensor x = ir::Tensor::splat({ir::DType::f32, {2}, {}}, 10);
  const std::vector<runtime::NamedTensor> first = executor->run("train", 2, {x});
  REQUIRE(first.size() == 1);
  CHECK(first[0].name == "loss");
  CHECK(first[0].value.real(0) == 30);
  CHECK(executor->slot("a").real(0) == 3);
  CHECK(executor->slot("b").real(1) == 2);
  CHECK(executor->run("train", 2, {x})[0].value.real(0) == 70);
  CHECK(executor->slot("a").real(0) == 1);
  CHECK(executor->slot("step").integer(0) == 2);
}

TEST_CASE("a module trains on a CSV with the reference executor") {
  const ir::Module module = parsed(learn_mean);
  const test::TempDirectory dir;
  ir::Diagnostics diagnostics;
  const auto data = runtime::open_data(dir.write("x.csv", "x\n1\n2\n3\n6\n"), module.recipe.data, diagnostics);
  REQUIRE(data);
  const auto executor = runtime::make_reference_executor(module);
  const auto result = runtime::train(module, *executor, data->train, std::nullopt, {}, {}, diagnostics);
  REQUIRE(result);
  CHECK(result->steps == 100);
  CHECK(result->losses.front() > 2);
  CHECK(executor->slot("w").real(0) == Approx(3).margin(0.3));
  // Around the mean of 3 the squares are 3.5 on average.
  CHECK(result->train.loss == Approx(3.5).margin(0.5));
}
