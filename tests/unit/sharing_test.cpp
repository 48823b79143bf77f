// Kernels that share code, and random numbers drawn in blocks: both give what their fused ops evaluate to.
#include "runtime/jit/sharing.h"
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/fused.h"
#include "ir/linear.h"
#include "ir/op.h"
#include "runtime/jit/compile.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace nnc;
using namespace nnc::ir;

namespace {

/// (random - 0.5) * scale in row-major order; the key is a number.
Kernel random_kernel(const Shape& domain, const std::string& stream, double scale, const Schedule& schedule) {
  Block body;
  Builder b(body);
  const Expr key = b.expr(body.add_param({DType::i64, {}, {}}));
  const Expr u = b.op("random", {key, b.constant(0, DType::i64)}, {{"shape", domain}, {"stream", stream}});
  const Expr y = (u - 0.5) * scale;
  body.results = {y.value};
  const Type result{DType::f32, {y.type().elements()}, {}};
  Op op{.def = find_op(fused_op),
        .operands = {},
        .results = {},
        .attrs = fused_attrs(domain, {{.strides = std::vector<std::int64_t>(domain.size(), 0)}},
                             {{.strides = row_major_strides(domain)}}, schedule, {result}),
        .regions = {body},
        .location = {},
        .role = {}};
  return {.name = "k", .op = std::move(op)};
}

std::vector<float> run(const Kernel& kernel, const runtime::KernelCode& code, std::int64_t key) {
  const FusedView fused(kernel.op);
  std::int64_t elements = 1;
  for (const std::int64_t extent : fused.domain) elements *= extent;
  std::vector<float> storage(static_cast<std::size_t>(elements + 16), -1);
  void* aligned = storage.data();
  std::size_t space = storage.size() * sizeof(float);
  float* const result = static_cast<float*>(std::align(64, static_cast<std::size_t>(elements) * 4, aligned, space));
  void* args[] = {&key, result, const_cast<void*>(code.parameters)};
  for (std::int64_t at = 0; at < parallel_positions(fused); at += fused.schedule.chunk)
    code.run(args, at, std::min(at + fused.schedule.chunk, parallel_positions(fused)), nullptr, nullptr);
  return {result, result + elements};
}

std::vector<float> expected(const Kernel& kernel, std::int64_t key) {
  Tensor number(Type{DType::i64, {}, {}});
  number.as<std::int64_t>()[0] = key;
  const FusedView fused(kernel.op);
  const std::vector<Type> operands{number.type()};
  const std::vector<Type>& results = std::get<std::vector<Type>>(kernel.op.attrs.back());
  const Tensor* const pointer = &number;
  const Tensor value =
      evaluate(OpView{kernel.op.def, operands, kernel.op.attrs, kernel.op.regions, results}, std::span(&pointer, 1))[0];
  const auto elements = value.as<float>();
  return {elements.begin(), elements.end()};
}

constexpr std::int64_t key = 77;

}  // namespace

TEST_CASE("random numbers are those of their positions, drawn in blocks or not") {
  // In blocks; a block that a chunk divides, or a row; lanes that are no part of a block's sixteen.
  for (const Shape& domain : {Shape{1000}, Shape{3, 128}, Shape{5, 70}, Shape{2, 3, 64}})
    for (const int lanes : {2, 4, 8, 16, 32})
      for (const std::int64_t chunk : {64, 128, 96}) {
        const int last = static_cast<int>(domain.size()) - 1;
        Schedule flat{
            .parallel = {}, .chunk = chunk, .vector = last, .lanes = lanes, .unroll = std::max(1, 64 / lanes)};
        if (flat.unroll > 16) flat.unroll = 16;
        for (int d = 0; d <= last; ++d) flat.parallel.push_back(d);
        Schedule rows = flat;
        rows.parallel.pop_back();
        rows.chunk = 2;
        for (const Schedule& schedule : {flat, rows}) {
          const Kernel kernel = random_kernel(domain, "s", 2.0, schedule);
          INFO(domain.size() << " dimensions, " << lanes << " lanes, chunks of " << schedule.chunk);
          const auto kernels = runtime::jit::compile(std::span(&kernel, 1), runtime::jit::host_cpu());
          CHECK(run(kernel, kernels->code(0), key) == expected(kernel, key));
        }
      }
}

TEST_CASE("kernels that differ in numbers, streams and an extent run the same code") {
  const Schedule plan{.parallel = {0}, .chunk = 64, .vector = 0, .lanes = 16, .unroll = 4};
  Schedule wide = plan;
  wide.chunk = 640;
  const std::vector<Kernel> kernels{
      random_kernel({1000}, "a", 2.0, plan), random_kernel({200}, "b", 3.0, wide),
      random_kernel({1000}, "a", 5.0, plan),
      // Others: another type of loop, another shape.
      random_kernel({1000}, "a", 2.0, {.parallel = {0}, .chunk = 64, .vector = 0, .lanes = 8, .unroll = 8}),
      random_kernel({10, 100}, "a", 2.0, {.parallel = {0, 1}, .chunk = 64, .vector = 1, .lanes = 16, .unroll = 4})};
  const runtime::jit::Sharing sharing = runtime::jit::share_code(kernels);
  CHECK(sharing.leaders == std::vector<std::size_t>{0, 0, 0, 3, 4});
  // The stream and the scale; not what all have, the step and the shift.
  CHECK(sharing.parameters[0].size() == 2);
  CHECK(sharing.parameters[3].empty());
  const auto compiled = runtime::jit::compile(kernels, runtime::jit::host_cpu());
  CHECK(compiled->code(0).run == compiled->code(2).run);
  CHECK(compiled->code(0).run != compiled->code(3).run);
  CHECK(compiled->code(3).parameters == nullptr);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    INFO("kernel " << k);
    CHECK(run(kernels[k], compiled->code(k), key) == expected(kernels[k], key));
  }
}

TEST_CASE("a formula is by position if it asks for nothing else of where it is") {
  const auto view_of = [](const Block& block) { return view(block, block.ops().back()); };
  Block drawn;
  Builder b(drawn);
  const Expr zero = b.constant(0, DType::i64);
  b.op("random", {zero, zero}, {{"shape", Shape{3, 1, 5}}, {"stream", std::string("s")}});
  CHECK(is_by_position(view_of(drawn)));
  // The coordinate along one dimension of two.
  Block compared;
  Builder c(compared);
  const Expr index = c.expr(compared.add_param({DType::i32, {5, 1}, {}}));
  c.op("equals_index", {index}, {{"size", std::int64_t{3}}});
  CHECK_FALSE(is_by_position(view_of(compared)));
  Block plain;
  Builder p(plain);
  apply("exp", p.constant(1, DType::f32));
  CHECK_FALSE(is_by_position(view_of(plain)));
}
