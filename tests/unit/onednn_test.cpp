// Matrix products by oneDNN, against the reference evaluation.
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/op.h"
#include "ir/packed.h"
#include "ir/text.h"
#include "runtime/onednn/contractions.h"
#include "tests/unit/allocations.h"
#include "tests/unit/random_values.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <string>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::Random;

namespace {

/// A product and the attributes its view refers to.
struct Matmul {
  std::vector<Attr> attrs;
  OpView view;

  Matmul(const Type& a, const Type& b, bool transpose_a, bool transpose_b, DType accumulate = DType::f32) {
    const OpDef& def = *find_op("matmul");
    view.def = &def;
    view.operands = {a, b};
    attrs =
        complete_attrs(def, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}, {"accumulate", accumulate}},
                       view.operands)
            .attrs;
    view.attrs = attrs;
    const Inferred inferred = (*def.infer)(view);
    INFO(inferred.error);
    REQUIRE(inferred.error.empty());
    view.results = inferred.types;
  }
  Matmul(const Matmul&) = delete;
};

Type f32_type(Shape shape) { return {DType::f32, std::move(shape), {}}; }

/// Small whole numbers: their products and sums are exact in f32, in whatever order.
Tensor whole_numbers(const Type& type, Random& random) {
  Tensor tensor(type);
  for (float& x : tensor.as<float>()) x = static_cast<float>(static_cast<int>(random() % 9) - 4);
  return tensor;
}

/// Runs a product into memory with a margin before and behind, which has to stay as it is.
Tensor run(runtime::Contractions& contractions, const OpView& op, const std::vector<Tensor>& operands, int threads) {
  constexpr std::size_t margin = 64;
  constexpr float untouched = 12345;
  const auto elements = static_cast<std::size_t>(op.results[0].elements());
  std::vector<float> memory(elements + 2 * margin, untouched);
  const auto scratch_bytes = static_cast<std::size_t>(contractions.scratch_bytes(op, threads));
  std::vector<std::byte> scratch(scratch_bytes + 2 * 64, std::byte{0x5A});
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(scratch.data()) % 64;
  std::byte* const aligned_scratch = scratch.data() + (misaligned == 0 ? 0 : 64 - misaligned);

  std::vector<void*> args;
  for (const Tensor& operand : operands) args.push_back(const_cast<std::byte*>(operand.bytes().data()));
  args.push_back(memory.data() + margin);
  const auto prepared = contractions.prepare(op, threads);
  prepared->run(args.data(), aligned_scratch);
  std::vector<float> first(memory.begin() + margin, memory.end() - margin);
  prepared->run(args.data(), aligned_scratch);
  CHECK(std::equal(first.begin(), first.end(), memory.begin() + margin));  // the same bits again

  for (std::size_t i = 0; i < margin; ++i) {
    REQUIRE(memory[i] == untouched);
    REQUIRE(memory[elements + margin + i] == untouched);
  }
  for (const std::byte* byte = aligned_scratch + scratch_bytes; byte < scratch.data() + scratch.size(); ++byte)
    REQUIRE(*byte == std::byte{0x5A});
  Tensor result(op.results[0]);
  std::copy(first.begin(), first.end(), result.as<float>().begin());
  return result;
}

void check_exactly(runtime::Contractions& contractions, const OpView& op, int threads, Random& random) {
  INFO(describe(op) << ", threads " << threads);
  const std::vector<Tensor> operands = {whole_numbers(op.operands[0], random), whole_numbers(op.operands[1], random)};
  const Tensor expected = evaluate(op, tests::pointers(operands))[0];
  const Tensor found = run(contractions, op, operands, threads);
  CHECK(std::equal(expected.as<float>().begin(), expected.as<float>().end(), found.as<float>().begin()));
}

/// [batch.., rows, columns], stored transposed if asked.
Type matrices(Shape batch, std::int64_t rows, std::int64_t columns, bool transposed) {
  batch.insert(batch.end(), {transposed ? columns : rows, transposed ? rows : columns});
  return f32_type(std::move(batch));
}

template <class F>
void for_all_transposes_and_threads(F f) {
  for (const int threads : {1, 2})
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true}) f(transpose_a, transpose_b, threads);
}

}  // namespace

TEST_CASE("matrix products of awkward extents are exact on whole numbers") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(1);
  const std::int64_t extents[] = {1, 2, 3, 10, 17, 64, 127};
  for_all_transposes_and_threads([&](bool transpose_a, bool transpose_b, int threads) {
    for (const std::int64_t m : extents)
      for (const std::int64_t k : extents)
        for (const std::int64_t n : extents) {
          if (random() % 3 != 0 && m != 1 && k != 1 && n != 1) continue;
          const Matmul op(matrices({}, m, k, transpose_a), matrices({}, k, n, transpose_b), transpose_a, transpose_b);
          check_exactly(*contractions, op.view, threads, random);
        }
  });
}

TEST_CASE("matrix products broadcast their leading dimensions") {
  struct Batches {
    Shape a, b;
  };
  const Batches cases[] = {
      {{1}, {}},        {{}, {1}},           {{5}, {}},           {{}, {5}},
      {{5}, {5}},       {{1}, {5}},          {{5}, {1}},          {{2, 3}, {2, 3}},
      {{2, 3}, {}},     {{}, {2, 3}},        {{2, 1}, {3}},       {{3}, {2, 1}},
      {{2, 3}, {3}},    {{2, 3}, {2, 1}},    {{1, 3}, {2, 3}},    {{2, 1, 3}, {1, 4, 3}},
      {{2, 3, 4}, {4}}, {{4}, {2, 3, 4}},    {{2, 3, 4}, {3, 1}}, {{1, 2, 1, 2, 1, 2}, {2, 1, 2, 1, 2, 1}},
      {{3, 1}, {1, 3}}, {{1, 1, 1}, {1, 1}}, {{2, 1, 1}, {2}},    {{1, 2}, {3, 2}}};
  const auto contractions = runtime::make_onednn_contractions();
  Random random(2);
  const Shape extents[] = {{3, 4, 5}, {1, 4, 5}, {3, 1, 5}, {3, 4, 1}, {1, 4, 1}, {1, 1, 1}, {19, 33, 20}};
  for_all_transposes_and_threads([&](bool transpose_a, bool transpose_b, int threads) {
    for (const Batches& batches : cases)
      for (const Shape& e : extents) {
        const Matmul op(matrices(batches.a, e[0], e[1], transpose_a), matrices(batches.b, e[1], e[2], transpose_b),
                        transpose_a, transpose_b);
        check_exactly(*contractions, op.view, threads, random);
      }
  });
}

TEST_CASE("matrix products of real numbers are near the reference") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(3);
  for_all_transposes_and_threads([&](bool transpose_a, bool transpose_b, int threads) {
    for (int i = 0; i < 4; ++i) {
      const auto extent = [&] { return static_cast<std::int64_t>(1 + random() % 300); };
      const std::int64_t m = extent(), k = extent(), n = extent();
      const Matmul op(matrices({}, m, k, transpose_a), matrices({}, k, n, transpose_b), transpose_a, transpose_b);
      INFO(describe(op.view) << ", threads " << threads);
      const std::vector<Tensor> operands = {tests::random_tensor(op.view.operands[0], -1, 1, random),
                                            tests::random_tensor(op.view.operands[1], -1, 1, random)};
      const Tensor expected = evaluate(op.view, tests::pointers(operands))[0];
      CHECK(tests::agree(run(*contractions, op.view, operands, threads), expected, 1e-5));
    }
  });
}

// Named by tests/CMakeLists.txt, which runs it for a CPU without AVX-512 too.
TEST_CASE("products with packed weights are exact on whole numbers") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(6);
  const char* const largest_isa = std::getenv("DNNL_MAX_CPU_ISA");
  const bool has_avx512 =
      __builtin_cpu_supports("avx512f") != 0 && (largest_isa == nullptr || std::string(largest_isa) != "AVX2");
  const auto packed_product = [&](const Shape& rows, std::int64_t k, std::int64_t n, std::int64_t columns) {
    Block block;
    Builder builder(block);
    Shape shape = rows;
    shape.push_back(k);
    const Expr a = builder.expr(block.add_param(f32_type(shape)));
    const Expr weight = builder.expr(block.add_param(f32_type({n, k})));
    const Expr packed = builder.op(pack_name, {weight}, {{"columns", columns}, {"transpose", true}});
    block.results = {packed.value, builder.op("matmul", {a, weight}, {{"transpose_b", true}}).value,
                     builder.op(packed_matmul_name, {a, packed}).value};
    const std::vector<Tensor> given = {whole_numbers(a.type(), random), whole_numbers(weight.type(), random)};
    const std::vector<Tensor> values = evaluate(block, given, nullptr);
    CHECK(values[2] == values[1]);
    const OpView op = view(block, block.ops().back());
    for (const int threads : {1, 2}) {
      CHECK(contractions->reads_packed(op, threads) == has_avx512);
      INFO(fmt::format("{} @ {} columns in tiles of {}, {} threads", to_string(a.type()), n, columns, threads));
      CHECK(run(*contractions, op, {given[0], values[0]}, threads) == values[1]);
    }
  };
  for (const std::int64_t columns : packed_columns)
    for (const std::int64_t k : {16, 48, 160})
      for (const std::int64_t tiles : {1, 2, 5})
        for (const std::int64_t m : {1, 7, 33, 128}) packed_product({m}, k, tiles * columns, columns);
  packed_product({3, 2, 5}, 32, 128, 64);
}

TEST_CASE("matrix products take operands stored in another order of dimensions") {
  // f32[6,2,5]<1,0,2>: the batch lies between the rows.
  const auto contractions = runtime::make_onednn_contractions();
  Random random(4);
  for_all_transposes_and_threads([&](bool transpose_a, bool transpose_b, int threads) {
    const Type a = matrices({6}, 2, 5, transpose_a), b = matrices({6}, 5, 3, transpose_b);
    const Matmul dense(a, b, transpose_a, transpose_b);
    INFO(describe(dense.view) << ", threads " << threads);
    const std::vector<Tensor> operands = {whole_numbers(a, random), whole_numbers(b, random)};
    const Tensor expected = evaluate(dense.view, tests::pointers(operands))[0];

    OpView stored = dense.view;
    stored.operands[0].layout = {1, 0, 2};
    Tensor reordered(a);
    const Shape& e = a.shape;
    for (std::int64_t i = 0; i < e[0]; ++i)
      for (std::int64_t r = 0; r < e[1]; ++r)
        for (std::int64_t c = 0; c < e[2]; ++c)
          reordered.set_real((r * e[0] + i) * e[2] + c, operands[0].real((i * e[1] + r) * e[2] + c));
    CHECK(run(*contractions, stored, {reordered, operands[1]}, threads) == expected);
  });
}

TEST_CASE("convolutions and their gradients are exact on whole numbers, and stay within their scratch") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(7);
  for (const std::int64_t channels : {1, 2, 4, 8, 12, 16, 24, 40})
    for (const std::int64_t kernel : {1, 3})
      for (const std::int64_t stride : {1, 2})
        for (const bool channels_last : {false, true}) {
          Block block;
          Builder builder(block);
          const auto image = [&](std::int64_t count, std::int64_t extent) -> Shape {
            return channels_last ? Shape{3, extent, extent, count} : Shape{3, count, extent, extent};
          };
          const std::int64_t extent = 16, outputs = 2 * channels, padding = kernel / 2;
          const auto with = [&](std::vector<NamedAttr> more) {
            more.insert(more.end(), {{"stride", Shape{stride}},
                                     {"low", Shape{padding}},
                                     {"high", Shape{padding - (padding > 0 ? stride - 1 : 0)}},
                                     {"channels_last", channels_last}});
            return more;
          };
          const Expr x = builder.expr(block.add_param(f32_type(image(channels, extent))));
          const Expr w = builder.expr(block.add_param(f32_type({outputs, channels, kernel, kernel})));
          const Expr y = builder.expr(block.add_param(f32_type(image(outputs, extent / stride))));
          builder.op("convolution", {x, w}, with({}));
          builder.op("transposed_convolution", {y, w}, with({{"extents", Shape{extent, extent}}}));
          builder.op("convolution_weight_gradient", {x, y}, with({{"kernel", Shape{kernel, kernel}}}));
          for (const Op& op : block.ops())
            for (const int threads : {1, 2}) check_exactly(*contractions, view(block, op), threads, random);
        }
}

TEST_CASE("running a prepared product allocates nothing of ours") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(5);
  for (const int threads : {1, 2}) {
    const Matmul op(f32_type({128, 256}), f32_type({10, 256}), false, true);
    Tensor a = whole_numbers(op.view.operands[0], random), b = whole_numbers(op.view.operands[1], random);
    Tensor result(op.view.results[0]);
    std::vector<std::byte> memory(static_cast<std::size_t>(contractions->scratch_bytes(op.view, threads)) + 64);
    const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
    void* const scratch = memory.data() + (64 - misaligned);
    void* const args[] = {a.bytes().data(), b.bytes().data(), result.bytes().data()};
    const auto prepared = contractions->prepare(op.view, threads);
    prepared->run(args, scratch);
    const tests::AllocationCount counted = tests::count_allocations([&] {
      for (int i = 0; i < 10; ++i) prepared->run(args, scratch);
    });
    CHECK(counted.ours == 0);
    CHECK(counted.onednn <= 100);
  }
}

TEST_CASE("a product without a primitive stops the program with its text") {
  const auto contractions = runtime::make_onednn_contractions();
  const Matmul op({DType::f64, {2, 3}, {}}, {DType::f64, {3, 4}, {}}, false, false, DType::f64);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);  // not Catch2's
    contractions->prepare(op.view, 1);
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK_THAT(said, Catch::Contains("matmul {accumulate = f64} (f64[2,3], f64[3,4]) -> f64[2,4]"));
}

TEST_CASE("contractions name their library") {
  CHECK_THAT(runtime::make_onednn_contractions()->version(), Catch::StartsWith("oneDNN "));
}
