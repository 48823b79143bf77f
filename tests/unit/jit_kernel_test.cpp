// Kernels by hand, each under several schedules, against the evaluation of their fused op.
#include "tests/unit/jit_kernel.h"
#include "ir/evaluate.h"
#include "ir/program_memory.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace nnc;
using namespace nnc::ir;
using tests::at;
using tests::check_kernel;
using tests::FusedOp;

namespace {

/// Rows to chunks with columns in the lanes, and rows in the lanes.
std::vector<Schedule> row_schedules(int lanes = 16) {
  return {{.parallel = {0}, .chunk = 3, .vector = 1, .lanes = lanes},
          {.parallel = {0}, .chunk = 2, .vector = 1, .lanes = lanes / 2, .unroll = 2},
          {.parallel = {0}, .chunk = 32, .vector = 0, .lanes = lanes},
          {.parallel = {0}, .chunk = 40, .vector = 0, .lanes = lanes / 4, .unroll = 4},
          {.parallel = {0}, .chunk = 5}};
}

}  // namespace

TEST_CASE("a flat kernel works on all its elements") {
  for (const std::int64_t n : {1, 5, 16, 64, 77, 1000}) {
    FusedOp op({n});
    const Expr x = op.read(DType::f32, at({1}));
    const Expr y = op.read(DType::f32, at({0}), {1});
    const Expr z = op.read(DType::f32, at({-1}, n - 1));
    op.write(x * 2.0 + y);
    op.write(where(x > z, x, z));
    for (const int unroll : {1, 4}) {
      INFO(n << " elements, unroll " << unroll);
      check_kernel(op, {.parallel = {0}, .chunk = 128, .vector = 0, .lanes = 16, .unroll = unroll});
      check_kernel(op, {.parallel = {0}, .chunk = 7, .vector = 0, .lanes = 8, .unroll = unroll});
      check_kernel(op, {.parallel = {}, .chunk = 1, .vector = 0, .lanes = 8, .unroll = unroll});
    }
    check_kernel(op, {.parallel = {0}, .chunk = 100});
  }
}

TEST_CASE("bias and ReLU, with the bias gradient") {
  for (const std::int64_t columns : {10, 16, 70}) {
    FusedOp op({37, columns});
    const Expr x = op.read(DType::f32, at({columns, 1}));
    const Expr bias = op.read(DType::f32, at({0, 1}), {1, columns});
    const Expr y = x + bias;
    op.write(where(y > 0.0, y, 0.0));
    op.write(op.builder().sum(y, {0}, true));
    op.write(op.builder().sum(x, {0, 1}, true));
    for (const Schedule& schedule : row_schedules()) check_kernel(op, schedule);
    // Both dimensions in chunks: the sums of columns are kept for each of them.
    check_kernel(op, {.parallel = {0, 1}, .chunk = 100, .vector = 1, .lanes = 16});
    check_kernel(op, {.parallel = {1, 0}, .chunk = 64, .vector = 0, .lanes = 8, .unroll = 2});
    check_kernel(op, {.parallel = {}, .chunk = 1, .vector = 1, .lanes = 16});
  }
}

TEST_CASE("a row is normalized by its mean and variance") {
  for (const std::int64_t columns : {12, 64, 130}) {
    FusedOp op({19, columns});
    Builder& b = op.builder();
    const Expr x = op.read(DType::f32, at({columns, 1}));
    const Expr gain = op.read(DType::f32, at({0, 1}), {1, columns});
    const Expr mean = b.op("mean", {x}, {{"axis", std::int64_t{1}}, {"keepdim", true}});
    const Expr centered = x - mean;
    const Expr variance = b.op("mean", {centered * centered}, {{"axis", std::int64_t{1}}, {"keepdim", true}});
    const Expr scale = apply("rsqrt", variance + b.constant(1e-5, DType::f32));
    op.write(centered * scale * gain);
    op.write(scale);
    for (const Schedule& schedule : row_schedules()) check_kernel(op, schedule, {.tolerance = 2e-6});
    for (const Schedule& schedule : row_schedules())
      check_kernel(op, schedule, {.tolerance = 2e-6, .run = {.in_place = {{0, 0}}}});
  }
}

TEST_CASE("positions of extrema, along rows, columns and over everything") {
  FusedOp op({21, 33});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({33, 1}));
  for (const char* name : {"argmax", "argmin", "max", "min"})
    for (const std::vector<std::int64_t>& axes : {std::vector<std::int64_t>{1}, {0}, {0, 1}})
      op.write(b.op(name, {x}, {{"axis", axes}, {"keepdim", true}}));
  for (const Schedule& schedule : row_schedules()) check_kernel(op, schedule);
}

TEST_CASE("of equal extrema the first counts, where vectors of a turn are apart in the order of elements") {
  FusedOp op({7, 8, 15});
  const Expr x = op.read(DType::f32, at({120, 15, 1}));
  op.write(op.builder().op("argmin", {x}, {{"axis", std::vector<std::int64_t>{1, 2}}, {"keepdim", true}}));
  tests::Random random(1);
  const std::vector<Tensor> operands = tests::whole_operands(op, 0, 3, random);
  const Schedule schedule{.parallel = {0, 1}, .chunk = 17, .vector = 1, .lanes = 4, .unroll = 2};
  const Tensor found = tests::run_kernel(op, schedule, operands)[0];
  for (std::int64_t i = 0; i < 7; ++i) {
    std::int64_t first = 0;
    while (operands[0].real(120 * i + first) != 0) ++first;
    CHECK(found.integer(i) == first);
  }
}

TEST_CASE("reductions in the middle of a position keep their other dimensions") {
  FusedOp op({3, 4, 5, 18});  // sums over j and k, for each i and l
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({360, 90, 18, 1}));
  const Expr sum = b.sum(x, {1, 2}, true);
  op.write(sum);
  op.write(x - sum);
  op.write(b.sum(x, {0, 3}, true));
  check_kernel(op, {.parallel = {0}, .chunk = 2, .vector = 3, .lanes = 8});
  check_kernel(op, {.parallel = {0}, .chunk = 2, .vector = 3, .lanes = 8, .unroll = 2});
  check_kernel(op, {.parallel = {0}, .chunk = 1, .vector = 2, .lanes = 4});
  check_kernel(op, {.parallel = {0, 3}, .chunk = 20, .vector = 3, .lanes = 8});
  check_kernel(op, {.parallel = {3, 0}, .chunk = 20, .vector = 0, .lanes = 2});
  check_kernel(op, {.parallel = {}, .chunk = 1, .vector = 3, .lanes = 16});
}

TEST_CASE("accesses: transposed, sliced, padded, strided and gathered") {
  FusedOp op({9, 40});
  const Expr transposed = op.read(DType::f32, at({1, 9}));
  const Expr sliced = op.read(DType::f32, at({100, 1}, 7));
  const Expr strided = op.read(DType::f32, at({80, 2}, 1));
  const Expr padded = op.read(DType::f32, {.offset = -72, .strides = {35, 1}, .bounds = {{2, 9}, {2, 37}}, .fill = 3});
  const Expr masked = op.read(DType::f32, {.strides = {1}, .bounds = {Access::everywhere, {5, 30}}, .fill = -1});
  const Expr row = op.read(DType::i32, at({1}), {9, 1});
  const Expr gathered = op.read(DType::f32, {.strides = {0, 1}, .index = 5, .index_stride = 40, .index_extent = 3});
  const Expr column = op.read(DType::u8, at({0, 1}), {1, 40});
  const Expr scattered = op.read(DType::f32, {.strides = {1}, .index = 7, .index_stride = 9, .index_extent = 3});
  op.write(transposed + sliced + strided);
  op.write(padded + masked, {1, 9});
  op.write(gathered + scattered + op.builder().cast(row + op.builder().cast(column, DType::i32), DType::f32));
  for (const Schedule& schedule : row_schedules()) check_kernel(op, schedule);
  check_kernel(op, {.parallel = {0, 1}, .chunk = 33, .vector = 1, .lanes = 16});
  check_kernel(op, {.parallel = {1, 0}, .chunk = 64, .vector = 0, .lanes = 4, .unroll = 2});
}

TEST_CASE("lanes that are out of bounds everywhere are not read, in vectors of several registers") {
  for (const DType dtype : {DType::f32, DType::i64}) {
    FusedOp op({5, 9});
    op.write(op.read(dtype, {.offset = -21, .strides = {9, 1}, .bounds = {{2, 3}, {3, 6}}, .fill = 1}));
    op.write(op.read(dtype, {.offset = -24, .strides = {9, 2}, .bounds = {{2, 4}, {3, 6}}, .fill = 2}));
    op.write(op.read(dtype, {.offset = -18, .strides = {9, 0}, .bounds = {{2, 4}, {3, 6}}, .fill = 3}));
    for (const int lanes : {4, 8, 16})
      for (const runtime::jit::Cpu& cpu : {runtime::jit::avx2_cpu(), runtime::jit::host_cpu()})
        check_kernel(op, {.parallel = {0}, .chunk = 4, .vector = 1, .lanes = lanes}, {.run = {.cpu = cpu}});
  }
}

TEST_CASE("every element type is loaded, converted and stored") {
  for (const DType from : all_dtypes()) {
    if (from == DType::bf16) continue;
    FusedOp op({70});
    const Expr x = op.read(from, at({1}));
    for (const DType to : all_dtypes())
      if (to != DType::bf16) op.write(op.builder().op("cast", {x}, {{"dtype", to}}));
    const Expr y = op.read(from, at({1}));
    op.write(x > y);
    if (from != DType::boolean) {
      op.write(x * y);
      op.write(op.builder().sum(x, {0}, true));
    }
    for (const int lanes : {8, 16}) {
      INFO(name(from) << ", " << lanes << " lanes");
      check_kernel(op, {.parallel = {0}, .chunk = 32, .vector = 0, .lanes = lanes, .unroll = 2},
                   {.low = -200, .high = 300});
    }
  }
}

TEST_CASE("floats beyond an integer's range saturate, and NaN gives 0") {
  FusedOp op({16});
  const Expr x = op.read(DType::f32, at({1}));
  for (const DType to : {DType::i32, DType::i64, DType::u16, DType::u8, DType::boolean})
    op.write(op.builder().cast(x, to));
  Tensor numbers(op.operands()[0]);
  const double given[16] = {0,          -0.5, 0.99,  255.5,       256,   65535.9,  65536,     2147483520,
                            2147483648, 1e19, -1e19, -2147483648, -1e10, INFINITY, -INFINITY, NAN};
  for (int i = 0; i < 16; ++i) numbers.set_real(i, given[i]);
  for (const auto& cpu : {runtime::jit::host_cpu(), runtime::jit::avx2_cpu()}) {
    const Schedule schedule{.parallel = {0}, .chunk = 16, .vector = 0, .lanes = cpu.lanes};
    const std::vector<Tensor> results = tests::run_kernel(op, schedule, {numbers}, {.cpu = cpu});
    for (std::size_t r = 0; r < results.size(); ++r)
      for (int i = 0; i < 16; ++i) {
        INFO(given[i] << " as " << name(results[r].type().dtype));
        CHECK(results[r].integer(i) == numbers.converted(results[r].type().dtype).integer(i));
      }
  }
}

TEST_CASE("a result may lie over an operand of the same access") {
  // x is read again after the sums that need all of it, and results are written in several nests.
  FusedOp op({6, 50});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({50, 1}));
  const Expr y = op.read(DType::f32, at({1}), {6, 1});
  const Expr sum = b.sum(x, {1}, true);
  op.write(x * 2.0 + y);
  op.write(y + b.sum(x * (x - sum), {1}, true), {1, 0});
  for (const Schedule& schedule : row_schedules()) check_kernel(op, schedule, {.run = {.in_place = {{0, 0}, {1, 1}}}});
}

TEST_CASE("code has no calls, and the CPU's vectors") {
  FusedOp op({64, 100});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({100, 1}));
  const Expr bytes = op.read(DType::u8, at({1, 64}));
  const Expr largest = b.op("max", {x}, {{"axis", std::int64_t{1}}, {"keepdim", true}});
  op.write(x / largest + b.cast(bytes, DType::f32));
  op.write(b.cast(apply("round", x), DType::i32));
  op.write(b.sum(x, {0}, true));
  op.write(b.op("argmax", {x}, {{"axis", std::int64_t{0}}, {"keepdim", true}}));
  for (const auto& [cpu, registers] :
       {std::pair(runtime::jit::avx2_cpu(), "%ymm"), {runtime::jit::avx512_cpu(), "%zmm"}})
    for (const Schedule& schedule : row_schedules(cpu.lanes)) {
      const std::string text = tests::code_of(op, schedule, runtime::jit::CodeText::assembly, cpu);
      INFO(cpu.name);
      CHECK(text.find("\tcall") == std::string::npos);
      if (schedule.lanes == cpu.lanes) CHECK(text.find(registers) != std::string::npos);
    }
}

TEST_CASE("what is chosen by lanes does not come from memory") {
  FusedOp op({64, 256});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({256, 1}));
  const Expr row = op.read(DType::f32, at({1, 0}), {64, 1});
  const Expr chosen = b.op("gt", {x, row});
  // Each is read for the choice alone.
  const auto memory = [&] { return op.read(DType::f32, at({256, 1})); };
  op.write(b.op("where", {chosen, memory() * 3.0, row}));
  op.write(b.op("where", {chosen, row, memory() + row}));
  op.write(b.op("where", {chosen, memory(), row}));
  op.write(b.op("where", {chosen, -memory(), row}));
  op.write(b.op("where", {chosen, memory(), b.constant(0, DType::f32)}));
  const Schedule schedule{.parallel = {0}, .chunk = 8, .vector = 1, .lanes = 16, .unroll = 2};
  check_kernel(op, schedule);
  int masked = 0;
  std::istringstream lines(tests::code_of(op, schedule, runtime::jit::CodeText::assembly));
  for (std::string line; std::getline(lines, line);) {
    if (line.find("{%k") == std::string::npos) continue;
    ++masked;
    INFO(line);
    CHECK((line.find('(') == std::string::npos || line.find("\tvmov") == 0));
  }
  CHECK(masked == 10);
}

TEST_CASE("functions come from tables on CPUs with AVX-512 alone") {
  for (const char* const function : {"exp", "log", "tanh", "erf"}) {
    FusedOp op({64});
    op.write(apply(function, op.read(DType::f32, at({1}))));
    for (const auto& cpu : {runtime::jit::avx2_cpu(), runtime::jit::avx512_cpu()}) {
      const std::string text = tests::code_of(op, {.parallel = {0}, .chunk = 64, .vector = 0, .lanes = cpu.lanes},
                                              runtime::jit::CodeText::assembly, cpu);
      INFO(function << " on " << cpu.name);
      const bool looks_up = text.find("vpermi2ps") != std::string::npos || text.find("vpermt2ps") != std::string::npos;
      CHECK(looks_up == (cpu.lanes == 16));
    }
  }
}

TEST_CASE("AVX2 and AVX-512 give the same bits") {
  REQUIRE(runtime::jit::host_cpu().lanes >= 8);
  FusedOp op({23, 45});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({45, 1}));
  const Expr sum = b.sum(x / 3.0, {1}, true);
  op.write(x / sum);
  op.write(b.sum(x / 7.0, {0}, true));
  tests::Random random(3);
  const std::vector<Tensor> operands = tests::whole_operands(op, 1, 1000, random);
  for (const Schedule& schedule : row_schedules()) {
    const auto narrow = tests::run_kernel(op, schedule, operands, {.cpu = runtime::jit::avx2_cpu()});
    CHECK(narrow == tests::run_kernel(op, schedule, operands));
  }
}

TEST_CASE("a NaN is the extremum, wherever it is in a row") {
  constexpr std::int64_t columns = 45;  // row i has a NaN in column i, the last two have none
  FusedOp op({columns + 2, columns});
  const Expr x = op.read(DType::f32, at({columns, 1}));
  const Expr y = op.read(DType::f32, at({0, 1}), {1, columns});
  for (const char* name : {"max", "min"})
    op.write(op.builder().op(name, {x}, {{"axis", std::int64_t{1}}, {"keepdim", true}}));
  for (const char* name : {"maximum", "minimum"}) {
    op.write(op.builder().op(name, {x, y}));
    op.write(op.builder().op(name, {y, x}));
  }
  tests::Random random(4);
  std::vector<Tensor> operands = tests::whole_operands(op, -9, 9, random);
  for (std::int64_t i = 0; i < columns; ++i)
    operands[0].set_real(i * (columns + 1), std::numeric_limits<double>::quiet_NaN());
  for (std::int64_t j = 0; j < columns; ++j) {
    operands[0].set_real((columns + 1) * columns + j, -std::numeric_limits<double>::infinity());
    if (j % 7 == 0) operands[1].set_real(j, std::numeric_limits<double>::quiet_NaN());
  }
  for (const Schedule& schedule : row_schedules())
    for (const runtime::jit::Cpu& cpu : {runtime::jit::host_cpu(), runtime::jit::avx2_cpu()}) {
      const std::vector<Tensor> found = tests::run_kernel(op, schedule, operands, {.cpu = cpu});
      const std::vector<Tensor> expected = evaluate(op.block(schedule), operands, nullptr);
      for (std::size_t r = 0; r < found.size(); ++r) CHECK(tests::agree(found[r], expected[r], 0));
      for (std::int64_t i = 0; i < columns + 2; ++i) CHECK(std::isnan(found[0].real(i)) == (i < columns));
    }
}

TEST_CASE("many kernels are compiled at a time") {
  std::vector<Kernel> kernels;
  for (std::int64_t n = 1; n <= 9; ++n) {
    FusedOp op({n});
    op.write(op.read(DType::f32, at({1})) * static_cast<double>(n));
    kernels.push_back(op.kernel({.parallel = {0}, .chunk = n, .vector = 0, .lanes = 8}));
  }
  const auto compiled = runtime::jit::compile(kernels, runtime::jit::host_cpu());
  for (std::int64_t n = 1; n <= 9; ++n) {
    std::vector<float> x(9, 2), y(9, 0);
    void* args[] = {x.data(), y.data()};
    compiled->code(static_cast<std::size_t>(n - 1)).run(args, 0, n, nullptr, nullptr);
    for (std::int64_t i = 0; i < 9; ++i)
      CHECK(y[static_cast<std::size_t>(i)] == (i < n ? 2 * static_cast<float>(n) : 0));
  }
}

TEST_CASE("parts of a result are written side by side") {
  FusedOp op({6, 20});
  const Expr x = op.read(DType::f32, at({20, 1})), y = op.read(DType::f32, at({20, 1}));
  op.write_parts({x + y, x - y, x}, 1, {0, 1});
  op.write_parts({op.builder().sum(x, {0}, true), op.builder().sum(y, {0}, true)}, 1, {0, 1});
  op.write(x * y);
  for (const int lanes : {1, 8, 16}) {
    check_kernel(op, {.parallel = {0}, .chunk = 4, .vector = 1, .lanes = lanes});
    check_kernel(op, {.parallel = {1}, .chunk = 16, .vector = 1, .lanes = lanes});
    check_kernel(op, {.parallel = {0, 1}, .chunk = 32, .vector = 1, .lanes = lanes, .streamed = {0, 1, 2, 5}});
  }
  const Schedule schedule{.parallel = {0}, .chunk = 1, .vector = 1, .lanes = 8};
  const Kernel kernel = op.kernel(schedule);
  CHECK_FALSE(may_share(kernel.op, 0, 0));
  CHECK(may_share(kernel.op, 0, 2));
  const std::optional<Op> longer = at_extent(kernel.op, 12);
  REQUIRE(longer);
  CHECK(FusedView(*longer).results[0] == Type{DType::f32, {720}, {}});
}

TEST_CASE("parts that are not a result are refused") {
  const Schedule schedule{.parallel = {0}, .chunk = 1, .vector = 1, .lanes = 8};
  const auto with = [&](auto change) {
    FusedOp op({6, 20});
    const Expr x = op.read(DType::f32, at({20, 1}));
    op.write(x);
    op.write_parts({x, x, x}, 1, {0, 1});
    change(op);
    return op.fault(schedule);
  };
  CHECK(with([](FusedOp&) {}) == "");
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].offset = 19; }), Catch::Contains("parts of result 1"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].offset = 21; }), Catch::Contains("parts of result 1"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].offset = 40; }), Catch::Contains("parts of result 1"));
  CHECK_THAT(with([](FusedOp& op) {
               op.writes()[2] = {.offset = 20, .strides = {20, 1}};
             }),
             Catch::Contains("parts of result 1"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].strides = {61, 1}; }), Catch::Contains("write 2 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].strides = {360, 1}; }), Catch::Contains("write 2 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].strides = {-60, 1}; }), Catch::Contains("write 2 does not write"));
  CHECK_THAT(with([](FusedOp& op) {
               op.writes()[2].strides = {std::int64_t{1} << 62, 1};
             }),
             Catch::Contains("write 2 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[2].strides = {60, 2}; }), Catch::Contains("write 2 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[3].offset = 50; }), Catch::Contains("write 3 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[3].offset = -20; }), Catch::Contains("write 3 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[0].offset = 1; }), Catch::Contains("write 0 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[0].strides = {120, 1}; }), Catch::Contains("write 0 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.writes()[0].strides = {60, 1}; }), Catch::Contains("write 0 does not write"));
  CHECK_THAT(with([](FusedOp& op) { op.into() = {0, 1, 1, 0}; }), Catch::Contains("their order"));
  CHECK_THAT(with([](FusedOp& op) { op.into() = {1, 1, 1, 1}; }), Catch::Contains("their order"));
  CHECK_THAT(with([](FusedOp& op) { op.into() = {-1, 0, 1, 1}; }), Catch::Contains("their order"));
  CHECK_THAT(with([](FusedOp& op) { op.into() = {0, 1, 1}; }), Catch::Contains("names 2 results for 3 writes"));
  CHECK_THAT(with([](FusedOp& op) { op.into() = {0, 0, 0, 0}; }), Catch::Contains("names 1 results for 4 writes"));
  CHECK_THAT(with([](FusedOp& op) { op.into() = {0, 1, 2, 3}; }), Catch::Contains("names 4 results for 4 writes"));
}
