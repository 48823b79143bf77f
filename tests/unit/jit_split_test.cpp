// Split reductions that wait for the last loop over a row.
#include "ir/program_memory.h"
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

constexpr std::int64_t rows = 23, columns = 50;
const std::vector<NamedAttr> over_row{{"axis", std::int64_t{1}}, {"keepdim", true}};

Schedule schedule(bool late, std::vector<int> streamed = {}) {
  return {.parallel = {0},
          .chunk = 4,
          .vector = 1,
          .lanes = 16,
          .unroll = 2,
          .split_late = late,
          .streamed = std::move(streamed)};
}

/// How many split reductions each nest has.
std::vector<std::size_t> splits(const FusedOp& op, bool late) {
  std::vector<std::size_t> counts;
  for (const KernelNest& nest : layout_of(op, schedule(late)).nests) counts.push_back(nest.splits.size());
  return counts;
}

/// Both ways and, where they may be, in a pipeline, and with the first result over the first operand.
void check(const FusedOp& op, bool may_be_pipelined, bool may_lie_over) {
  for (const bool late : {false, true})
    for (const bool pipelined : {false, true}) {
      if (pipelined && !may_be_pipelined) continue;
      Schedule plan = schedule(late);
      plan.pipelined = pipelined;
      REQUIRE(op.fault(plan) == "");
      check_kernel(op, plan, {.tolerance = 3e-6});
      REQUIRE(may_share(op.kernel(plan).op, 0, 0) == may_lie_over);
      if (may_lie_over) check_kernel(op, plan, {.tolerance = 3e-6, .run = {.in_place = {{0, 0}}}});
    }
}

}  // namespace

TEST_CASE("split reductions wait for the last nest that reads what they need") {
  FusedOp op({rows, columns});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns, 1}));
  const Expr mean = b.op("mean", {x}, over_row);
  op.write(x - mean);
  op.write(b.sum(x, {0}, true));
  op.write(b.sum(x * x, {0}, true));
  CHECK(splits(op, false) == std::vector<std::size_t>{2, 0});
  CHECK(splits(op, true) == std::vector<std::size_t>{0, 2});
  check(op, true, true);
}

TEST_CASE("a split reduction does not wait for a nest that would read, or compute, more for it") {
  FusedOp op({rows, columns});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns, 1})), z = op.read(DType::f32, at({columns, 1}));
  const Expr mean = b.op("mean", {x * z}, over_row);
  op.write(x - mean);
  SECTION("an operand") { op.write(b.sum(x * z, {0}, true)); }
  SECTION("a function") { op.write(b.sum(apply("exp", x), {0}, true)); }
  CHECK(splits(op, false) == std::vector<std::size_t>{1, 0});
  CHECK(splits(op, true) == std::vector<std::size_t>{1, 0});
  check(op, true, true);
}

TEST_CASE("a split reduction waits for a nest that computes more for each row, but not for each element") {
  FusedOp op({rows, columns});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns, 1})), scale = op.read(DType::f32, at({1, 0}), {rows, 1});
  op.write(x - b.op("mean", {x}, over_row));
  op.write(b.sum(x * apply("exp", scale), {0}, true));
  CHECK(splits(op, false) == std::vector<std::size_t>{1, 0});
  CHECK(splits(op, true) == std::vector<std::size_t>{0, 1});
  check(op, true, true);
}

TEST_CASE("a function is in no row where all that needs it is in the last nest") {
  FusedOp op({rows, columns});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns, 1}));
  const Expr most = b.op("max", {x}, over_row), e = apply("exp", x);
  op.write(e * most);
  op.write(b.sum(e, {0}, true));
  const auto has_rows = [&](bool late) {
    return std::ranges::any_of(layout_of(op, schedule(late)).rows, [](const auto& row) { return row.has_value(); });
  };
  CHECK(has_rows(false));
  CHECK_FALSE(has_rows(true));
  check(op, true, true);
}

TEST_CASE("a nest that had split reductions alone is none without them") {
  FusedOp op({rows, columns, 5});
  const Expr x = op.read(DType::f32, at({columns, 1, 0}), {rows, columns, 1});
  const Expr w = op.read(DType::f32, at({5, 0, 1}), {rows, 1, 5});
  op.write(x * op.builder().sum(w, {2}, true));
  op.write(op.builder().sum(x, {0}, true));
  CHECK(splits(op, false) == std::vector<std::size_t>{0, 1, 0});
  CHECK(splits(op, true) == std::vector<std::size_t>{0, 1});
  check(op, false, true);
}

TEST_CASE("split reductions wait for results that are written after all that reads their operand") {
  FusedOp op({rows, columns});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns, 1}));
  op.write(x * 2.0);  // over x, which the last nest reads
  op.write(x - b.op("mean", {x}, over_row));
  op.write(b.sum(x, {0}, true));
  const KernelLayout made = layout_of(op, schedule(true));
  REQUIRE(made.nests.size() == 2);
  CHECK(made.nests[1].writes == std::vector{0, 1});
  CHECK(splits(op, true) == std::vector<std::size_t>{0, 1});
  check(op, true, true);
}

TEST_CASE("positions of the largest elements do not depend on the nest that finds them") {
  FusedOp op({rows, columns, 5});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns * 5, 1, columns}));
  const Expr mean = b.op("mean", {x}, {{"axis", std::vector<std::int64_t>{1, 2}}, {"keepdim", true}});
  op.write(x - mean, {columns * 5, 1, columns});
  op.write(b.op("argmax", {x}, {{"axis", std::int64_t{0}}, {"keepdim", true}}), {0, 5, 1});
  op.write(b.op("argmin", {apply("floor", x)}, {{"axis", std::int64_t{0}}, {"keepdim", true}}), {0, 5, 1});
  CHECK(splits(op, false) == std::vector<std::size_t>{2, 0});
  CHECK(splits(op, true) == std::vector<std::size_t>{0, 2});
  check(op, false, true);
}

TEST_CASE("a position goes over rows and partial results, but not over what passes the caches by") {
  FusedOp op({rows, columns});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({columns, 1})), scale = op.read(DType::f32, at({0, 1}), {1, columns});
  const Expr mean = b.op("mean", {x * scale}, over_row);
  op.write(x - mean);
  op.write(b.sum(x, {0}, true));
  const std::int64_t row = columns * 4, partial = 64 * 4;  // whole vectors of 16
  CHECK(layout_of(op, schedule(true)).position_bytes == 3 * row + partial);
  CHECK(layout_of(op, schedule(true, {0})).position_bytes == 2 * row + partial);
}

TEST_CASE("no reduction is late where none is split") {
  const auto refused = Catch::Contains("has late split reductions, but no reduction in vectors is split");
  FusedOp op({rows, columns});
  const Expr x = op.read(DType::f32, at({columns, 1}));
  op.write(x - op.builder().op("mean", {x}, over_row));
  CHECK(op.fault(schedule(false)) == "");
  CHECK_THAT(op.fault(schedule(true)), refused);
  op.write(op.builder().sum(x, {0}, true));
  CHECK(op.fault(schedule(true)) == "");
  CHECK_THAT(op.fault({.parallel = {0}, .chunk = 4, .split_late = true}), refused);
}
