// Rows in a pipeline: several nests in one loop, each at another position.
#include "tests/unit/jit_kernel.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace nnc;
using namespace nnc::ir;
using tests::at;
using tests::check_kernel;
using tests::FusedOp;
using tests::layout_of;

namespace {

const std::vector<NamedAttr> over_row{{"axis", std::int64_t{1}}, {"keepdim", true}};

Expr softmax(FusedOp& op, const Expr& x) {
  Builder& b = op.builder();
  const Expr e = apply("exp", x - b.op("max", {x}, over_row));
  return e / b.sum(e, {1}, true);
}

Schedule pipelined(std::int64_t chunk, int lanes, int unroll) {
  return {.parallel = {0}, .chunk = chunk, .vector = 1, .lanes = lanes, .unroll = unroll, .pipelined = true};
}

std::vector<int> lags(const KernelLayout& layout) {
  std::vector<int> lags;
  for (const KernelNest& nest : layout.nests) lags.push_back(nest.lag);
  return lags;
}

}  // namespace

TEST_CASE("a pipeline has all positions of a chunk, however few") {
  for (const std::int64_t length : {5, 16, 50, 96}) {
    FusedOp op({23, length});
    Builder& b = op.builder();
    const Expr x = op.read(DType::f32, at({length, 1}));
    const Expr shift = op.read(DType::f32, at({1, 0}), {23, 1});
    const Expr p = softmax(op, x + shift);
    op.write(p);
    op.write(b.op("max", {x + shift}, over_row));
    op.write(b.op("argmax", {x}, over_row));
    op.write(b.sum(x * x, {0}, true));
    op.write(b.sum(b.sum(p * x, {1}, true), {0}, true));
    for (const std::int64_t chunk : {1, 2, 3, 8, 100})
      for (const int lanes : {4, 16})
        for (const int unroll : {1, 2, 3}) {
          INFO(length << " columns, chunks of " << chunk << ", " << lanes << " lanes, " << unroll << " vectors a turn");
          Schedule schedule = pipelined(chunk, lanes, unroll);
          check_kernel(op, schedule, {.tolerance = 3e-6});
          schedule.streamed = {0};
          schedule.prefetch = true;
          check_kernel(op, schedule, {.tolerance = 3e-6});
        }
  }
}

TEST_CASE("positions of several dimensions are in a pipeline") {
  FusedOp op({5, 7, 40});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({40, 200, 1}));
  const Expr gain = op.read(DType::f32, at({1, 0, 0}), {5, 1, 1});
  const Expr mean = b.op("mean", {x}, {{"axis", std::int64_t{2}}, {"keepdim", true}});
  const Expr centred = x - mean;
  const Expr variance = b.op("mean", {centred * centred}, {{"axis", std::int64_t{2}}, {"keepdim", true}});
  op.write(centred * apply("rsqrt", variance + 1e-5) * gain);
  op.write(mean);
  for (const std::int64_t chunk : {1, 4, 35})
    check_kernel(op, {.parallel = {1, 0}, .chunk = chunk, .vector = 2, .lanes = 16, .unroll = 2, .pipelined = true},
                 {.tolerance = 1e-5});
}

TEST_CASE("results of a pipeline lie over operands") {
  FusedOp op({23, 50});
  const Expr x = op.read(DType::f32, at({50, 1}));
  const Expr shift = op.read(DType::f32, at({1, 0}), {23, 1});
  op.write(softmax(op, x) + shift);
  op.write(op.builder().op("max", {x}, over_row));
  for (const std::int64_t chunk : {1, 2, 30})
    check_kernel(op, pipelined(chunk, 16, 2), {.tolerance = 2e-6, .run = {.in_place = {{0, 0}, {1, 1}}}});
}

TEST_CASE("behind the end of a chunk a pipeline reads no index, which a result may lie over") {
  FusedOp op({23, 50});
  Builder& b = op.builder();
  const Access gathered{.strides = {0, 0}, .index = 1, .index_stride = 1000, .index_extent = 3};
  const Expr bias = op.read(DType::f32, gathered, {23, 1});
  op.read(DType::i32, at({1, 0}), {23, 1});
  const Expr x = op.read(DType::f32, at({50, 1}));
  op.write(softmax(op, x));
  op.write(b.op("max", {x + bias}, over_row));  // in the second of three turns, as floats
  tests::Random random(1);
  const std::vector<Tensor> operands = tests::whole_operands(op, 0, 3, random);
  for (const std::int64_t chunk : {1, 8, 23}) {
    const std::vector<Tensor> apart = tests::run_kernel(op, pipelined(chunk, 16, 2), operands);
    const std::vector<Tensor> over = tests::run_kernel(op, pipelined(chunk, 16, 2), operands, {.in_place = {{1, 1}}});
    for (std::size_t r = 0; r < apart.size(); ++r) CHECK(std::ranges::equal(apart[r].bytes(), over[r].bytes()));
  }
}

TEST_CASE("a nest is as many positions behind as there are loops before it") {
  FusedOp op({23, 50});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({50, 1}));
  const Expr mean = b.op("mean", {x}, over_row);
  const Expr centred = x - mean;
  const Expr variance = b.op("mean", {centred * centred}, over_row);
  op.write(centred * apply("rsqrt", variance));
  op.write(mean);      // beside the loop of the variance
  op.write(variance);  // beside the last loop
  CHECK(lags(layout_of(op, pipelined(4, 16, 2))) == std::vector{0, 1, 1, 2, 2});
  Schedule one_by_one = pipelined(4, 16, 2);
  one_by_one.pipelined = false;
  CHECK(lags(layout_of(op, one_by_one)) == std::vector{0, 0, 0, 0, 0});
}

TEST_CASE("a row that is read two turns later is kept for two positions") {
  FusedOp op({23, 50});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({50, 1}));
  const Expr e = apply("exp", x);
  const Expr sum = b.sum(e, {1}, true);
  const Expr most = b.op("max", {x * sum}, over_row);
  op.write(e / most);
  const Schedule schedule = pipelined(9, 16, 2);
  const KernelLayout made = layout_of(op, schedule);
  std::vector<std::int64_t> slots;
  for (const auto& row : made.rows)
    if (row) slots.push_back(row->slots);
  CHECK(slots == std::vector<std::int64_t>{2});
  CHECK(made.scratch.row_bytes == 2 * 64 * 4);
  for (const std::int64_t chunk : {1, 2, 9}) check_kernel(op, pipelined(chunk, 16, 2), {.tolerance = 2e-6});
  Schedule one_by_one = schedule;
  one_by_one.pipelined = false;
  CHECK(layout_of(op, one_by_one).scratch.row_bytes == 64 * 4);
}

TEST_CASE("in the loop of a pipeline the last nest comes first, and the first one fetches") {
  FusedOp op({64, 96});
  const Expr x = op.read(DType::f32, at({96, 1}));
  const Expr e = apply("floor", x - op.builder().op("max", {x}, over_row));
  op.write(e / op.builder().sum(e, {1}, true));
  Schedule schedule = pipelined(4, 16, 2);
  CHECK(tests::code_of(op, schedule, runtime::jit::CodeText::llvm).find("llvm.prefetch") == std::string::npos);
  schedule.prefetch = true;
  const std::string text = tests::code_of(op, schedule, runtime::jit::CodeText::llvm);
  std::size_t last = 0;
  for (const char* const part : {"fdiv <16 x float>", "@llvm.floor.v16f32(<16 x float> %", "call void @llvm.prefetch",
                                 "@llvm.maximum.v16f32(<16 x float> %"}) {
    INFO(part);
    last = text.find(part, last);
    REQUIRE(last != std::string::npos);
  }
  const KernelFetch plan = layout_of(op, schedule).fetch;
  CHECK(plan.nest == 0);
  CHECK(plan.step == 22);  // of the rows of 384 bytes, for 8 KiB
  const std::string assembly = tests::code_of(op, schedule, runtime::jit::CodeText::assembly);
  CHECK(assembly.find("\tcall") == std::string::npos);
}

TEST_CASE("loops that are not all over one row are in no pipeline") {
  const auto fault = [](const FusedOp& op, auto change) {
    Schedule schedule = pipelined(4, 8, 1);
    change(schedule);
    return op.fault(schedule);
  };
  const auto refused = Catch::Contains("pipelines loops that are not all over one row of vectors");
  const auto as_is = [](Schedule&) {};
  FusedOp rows({8, 16});
  rows.write(softmax(rows, rows.read(DType::f32, at({16, 1}))));
  CHECK(fault(rows, as_is) == "");
  CHECK_THAT(fault(rows, [](Schedule& s) { s.lanes = 1; }), refused);
  CHECK_THAT(fault(rows, [](Schedule& s) { s.vector = -1; }), refused);
  CHECK_THAT(fault(rows, [](Schedule& s) { s.vector = 0; }), refused);
  CHECK_THAT(fault(rows, [](Schedule& s) { s.parallel = {}; }), refused);
  FusedOp copies({8, 16});
  copies.write(copies.read(DType::f32, at({16, 1})));
  CHECK(fault(copies, as_is) == "");
  CHECK_THAT(fault(copies,
                   [](Schedule& s) {
                     s = {.parallel = {0}, .chunk = 8, .vector = 0, .lanes = 8, .tile = 1, .pipelined = true};
                   }),
             refused);
  FusedOp tiled({8, 16, 1});
  tiled.write(tiled.read(DType::f32, at({16, 1, 0})));
  CHECK_THAT(fault(tiled, [](Schedule& s) { s.tile = 2; }), refused);
  FusedOp wider({8, 16, 3});
  wider.write(wider.read(DType::f32, at({48, 3, 1})));
  CHECK_THAT(fault(wider, as_is), refused);
  FusedOp keeps({8, 16});
  const Expr x = keeps.read(DType::f32, at({16, 1}));
  keeps.write(keeps.builder().op("argmax", {x}, {{"axis", std::vector<std::int64_t>{}}, {"keepdim", true}}));
  CHECK_THAT(fault(keeps, as_is), refused);
}
