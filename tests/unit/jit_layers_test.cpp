// What layers and losses become, as kernels by hand under several schedules: softmax with cross-entropy and its gradient,
// moments, random numbers; against the evaluation of their fused op.
#include "tests/unit/jit_kernel.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace nnc;
using namespace nnc::ir;
using tests::at;
using tests::check_kernel;
using tests::FusedOp;

namespace {

/// Rows to chunks with columns in the lanes, rows in the lanes, one after another.
std::vector<Schedule> row_schedules() {
  return {{.parallel = {0}, .chunk = 3, .vector = 1, .lanes = 16},
          {.parallel = {0}, .chunk = 2, .vector = 1, .lanes = 8, .unroll = 4},
          {.parallel = {0}, .chunk = 32, .vector = 0, .lanes = 16},
          {.parallel = {0}, .chunk = 40, .vector = 0, .lanes = 4, .unroll = 4},
          {.parallel = {0}, .chunk = 5},
          {.parallel = {}, .chunk = 1, .vector = 1, .lanes = 16}};
}

std::vector<runtime::jit::Cpu> cpus() { return {runtime::jit::host_cpu(), runtime::jit::avx2_cpu()}; }

}  // namespace

TEST_CASE("a kernel of softmax, cross-entropy and their gradient") {
  for (const std::int64_t classes : {10, 100}) {
    FusedOp op({37, classes});
    Builder& b = op.builder();
    const std::vector<NamedAttr> along_row{{"axis", std::int64_t{1}}, {"keepdim", true}};
    const Expr x = op.read(DType::f32, at({classes, 1}));
    const Expr label = op.read(DType::u8, at({1, 0}), {37, 1});
    const Expr shifted = x - b.op("max", {x}, along_row);
    const Expr e = apply("exp", shifted);
    const Expr total = b.op("sum", {e}, along_row);
    const Expr position = b.op("iota", {}, {{"size", classes}, {"trailing", std::int64_t{0}}});
    const Expr hit = b.cast(label, DType::i32) == position;
    const Expr chosen = b.op("sum", {where(hit, shifted, b.constant(0, DType::f32))}, along_row);
    const Expr best = b.op("argmax", {x}, along_row);
    op.write(b.sum((apply("log", total) - chosen) * (1.0 / 37), {0, 1}, true));
    op.write((e / total - b.cast(hit, DType::f32)) * (1.0 / 37));
    op.write(b.sum(e / total, {0}, true));
    op.write(b.sum(b.cast(best == b.cast(label, DType::i32), DType::i32), {0, 1}, true));
    for (const auto& cpu : cpus())
      for (const Schedule& schedule : row_schedules()) {
        INFO(classes << " classes for " << cpu.name);
        check_kernel(op, schedule, {.tolerance = 4e-6, .low = 0, .high = 10, .run = {.cpu = cpu}});
      }
  }
}

TEST_CASE("a row is kept where a later loop reads it back in less time than it is computed again") {
  const auto is_kept = [](const char* function) {
    FusedOp op({8, 64});
    Builder& b = op.builder();
    const Expr y = apply(function, op.read(DType::f32, at({64, 1})));
    op.write(y - b.sum(y, {1}, true));
    return std::ranges::any_of(tests::layout_of(op, {.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 8}).rows,
                               [](const auto& row) { return row.has_value(); });
  };
  for (const char* const function : {"exp", "log", "tanh", "erf", "sin", "sqrt", "sigmoid"}) CHECK(is_kept(function));
  for (const char* const function : {"neg", "abs", "floor"}) CHECK_FALSE(is_kept(function));
}

TEST_CASE("moments of rows, of columns and of everything") {
  for (const std::int64_t columns : {3, 77}) {
    FusedOp op({41, columns});
    Builder& b = op.builder();
    const Expr x = op.read(DType::f32, at({columns, 1}));
    const OpDef& moments = *find_op("moments");
    for (const std::vector<std::int64_t>& axes : {std::vector<std::int64_t>{1}, {0}, {0, 1}}) {
      const auto made = b.try_op(moments, {x}, {{"axis", axes}, {"keepdim", true}}, {});
      const auto* results = std::get_if<std::vector<Expr>>(&made);
      REQUIRE(results != nullptr);
      op.write((*results)[0]);
      op.write((*results)[1]);
      // A normalized element needs both, where they are known within the row.
      if (axes.size() == 1 && axes[0] == 1)
        op.write((x - (*results)[0]) * apply("rsqrt", (*results)[1] + b.constant(1e-5, DType::f32)));
    }
    for (const auto& cpu : cpus())
      for (const Schedule& schedule : row_schedules()) {
        INFO(columns << " columns for " << cpu.name);
        check_kernel(op, schedule, {.tolerance = 2e-5, .low = 100, .high = 120, .run = {.cpu = cpu}});
      }
  }
}

TEST_CASE("random numbers in kernels are those of their positions") {
  for (const std::int64_t columns : {5, 100}) {
    FusedOp op({29, columns});
    Builder& b = op.builder();
    const std::vector<Expr> seeds{op.read_number(DType::i64), op.read_number(DType::i64)};
    const Expr x = op.read(DType::f32, at({columns, 1}));
    const Shape shape{29, columns};
    const Expr r = b.op("random", seeds, {{"shape", shape}, {"stream", std::string("drop")}});
    const Expr other = b.op("random", seeds, {{"shape", shape}, {"stream", std::string("noise")}});
    op.write(r);
    op.write(where(r < 0.25, b.constant(0, DType::f32), x) + other);
    for (const auto& cpu : cpus())
      for (const Schedule& schedule : row_schedules()) {
        INFO(columns << " columns for " << cpu.name);
        check_kernel(op, schedule, {.low = 0, .high = 1000, .run = {.cpu = cpu}});
      }
  }
}
