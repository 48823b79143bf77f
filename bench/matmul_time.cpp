// Milliseconds and GFLOP/s of matrix products as compiled programs run them, on one thread and on two: those of a
// training step of examples/mlp.nn, or those that are asked for.
//
//   matmul_time                            # batch 128, layers 784, 512, 256, 10
//   matmul_time 32x128 128x512             # a product
//   matmul_time 512x128^T 512x784          # transposed: stored as 512x128
#include "ir/op.h"
#include "runtime/onednn/contractions.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace nnc;

namespace {

struct Operand {
  ir::Shape shape;
  bool transposed = false;
};

struct Product {
  Operand a, b;
};

/// `2x128x512^T`, or nothing.
bool parse(std::string text, Operand& operand) {
  operand.transposed = text.ends_with("^T");
  if (operand.transposed) text.resize(text.size() - 2);
  for (const char* at = text.c_str();;) {
    char* end = nullptr;
    operand.shape.push_back(std::strtol(at, &end, 10));
    if (end == at || operand.shape.back() < 1) return false;
    if (*end == '\0') return operand.shape.size() >= 2;
    if (*end != 'x') return false;
    at = end + 1;
  }
}

std::vector<Product> products_of_mlp() {
  const std::int64_t batch = 128, widths[] = {784, 512, 256, 10};
  std::vector<Product> products;
  for (int i = 0; i < 3; ++i)  // x W^T
    products.push_back({{{batch, widths[i]}}, {{widths[i + 1], widths[i]}, true}});
  for (int i = 2; i > 0; --i)  // dy W
    products.push_back({{{batch, widths[i + 1]}}, {{widths[i + 1], widths[i]}}});
  for (int i = 2; i >= 0; --i)  // dy^T x
    products.push_back({{{batch, widths[i + 1]}, true}, {{batch, widths[i]}}});
  return products;
}

std::string text(const Operand& operand) {
  std::string shape;
  for (const std::int64_t extent : operand.shape) shape += fmt::format("{}{}", shape.empty() ? "" : "x", extent);
  return shape + (operand.transposed ? "^T" : "");
}

struct Aligned {
  explicit Aligned(std::int64_t bytes)
      : size(static_cast<std::size_t>((bytes + 63) / 64 * 64 + 64)), memory(std::aligned_alloc(64, size), std::free) {
    std::memset(memory.get(), 0, size);
  }
  std::size_t size;
  std::unique_ptr<void, decltype(&std::free)> memory;
};

/// The fastest run within a third of a second, which other work on the machine disturbs least.
double milliseconds(runtime::Contractions& contractions, const ir::OpView& op, int threads) {
  const auto prepared = contractions.prepare(op, threads);
  const Aligned a(op.operands[0].bytes()), b(op.operands[1].bytes()), result(op.results[0].bytes()),
      scratch(contractions.scratch_bytes(op, threads));
  for (const Aligned* operand : {&a, &b}) {
    auto* const elements = static_cast<float*>(operand->memory.get());
    for (std::size_t i = 0; i < operand->size / sizeof(float); ++i) elements[i] = static_cast<float>(i % 17) - 8;
  }
  void* const args[] = {a.memory.get(), b.memory.get(), result.memory.get()};
  using Clock = std::chrono::steady_clock;
  double fastest = INFINITY;
  for (const auto end = Clock::now() + std::chrono::milliseconds(330); Clock::now() < end;) {
    const auto start = Clock::now();
    prepared->run(args, scratch.memory.get());
    fastest = std::min(fastest, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return fastest;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Product> products;
  for (int i = 1; i < argc; i += 2) {
    Product& product = products.emplace_back();
    if (i + 1 == argc || !parse(argv[i], product.a) || !parse(argv[i + 1], product.b)) {
      fmt::print(stderr, "usage: matmul_time [A B]...   with A and B as 128x784 or 512x784^T\n");
      return 2;
    }
  }
  if (products.empty()) products = products_of_mlp();

  const auto contractions = runtime::make_onednn_contractions();
  fmt::print("{}\n{:>28} {:>10} {:>9} {:>10} {:>9}\n", contractions->version(), "", "1 thread", "GFLOP/s", "2 threads",
             "GFLOP/s");
  for (const Product& product : products) {
    ir::OpView op;
    op.def = ir::find_symbol("@", 2);
    op.operands = {{ir::DType::f32, product.a.shape, {}}, {ir::DType::f32, product.b.shape, {}}};
    const ir::CompletedAttrs attrs = ir::complete_attrs(
        *op.def, {{"transpose_a", product.a.transposed}, {"transpose_b", product.b.transposed}}, op.operands);
    op.attrs = attrs.attrs;
    const ir::Inferred result = (*op.def->infer)(op);
    if (!result.error.empty()) {
      fmt::print(stderr, "{} @ {}: {}\n", text(product.a), text(product.b), result.error);
      return 1;
    }
    op.results = result.types;
    fmt::print("{:>28}", text(product.a) + " @ " + text(product.b));
    for (const int threads : {1, 2}) {
      const double ms = milliseconds(*contractions, op, threads);
      fmt::print(" {:>10.4f} {:>9.0f}", ms, static_cast<double>(op.def->flops(op)) / ms / 1e6);
      std::fflush(stdout);
    }
    fmt::print("\n");
  }
}
