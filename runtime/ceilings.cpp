#include "runtime/ceilings.h"

#include "ir/builder.h"
#include "runtime/arena.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace nnc::runtime {

namespace {

constexpr int tries = 5;

template <class F>
double least_seconds(F&& run) {
  double least = 0;
  for (int i = 0; i < tries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    least = i == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

double copied_bytes_per_second(int threads) {
  constexpr std::size_t bytes = std::size_t{64} << 20;
  Arena arena(2 * bytes);
  std::memset(arena.begin(), 1, 2 * bytes);
  const double seconds = least_seconds([&] { copy_memory(arena.begin() + bytes, arena.begin(), bytes, threads); });
  return 2 * static_cast<double>(bytes) / seconds;
}

double product_flops_per_second(Contractions& contractions, int threads) {
  constexpr std::int64_t n = 1024;
  ir::Block block;
  ir::Builder builder(block);
  const ir::Type square{ir::DType::f32, {n, n}, {}};
  const ir::Expr a = builder.expr(block.add_param(square)), b = builder.expr(block.add_param(square));
  const ir::OpView op = ir::view(block, *block.definer(builder.op(*ir::find_symbol("@", 2)->name, {a, b}).value));
  const std::unique_ptr<PreparedContraction> product = contractions.prepare(op, threads);
  constexpr std::size_t bytes = std::size_t{n} * n * sizeof(float);
  Arena arena(3 * bytes + static_cast<std::size_t>(contractions.scratch_bytes(op, threads)));
  std::memset(arena.begin(), 0, 3 * bytes);
  std::byte* const at = arena.begin();
  void* const args[] = {at, at + bytes, at + 2 * bytes};
  return static_cast<double>(ir::flops(op)) / least_seconds([&] { product->run(args, at + 3 * bytes); });
}

}  // namespace

void copy_memory(std::byte* to, const std::byte* from, std::size_t bytes, int threads) {
#pragma omp parallel num_threads(threads)
  {
    const auto thread = static_cast<std::size_t>(omp_get_thread_num());
    const auto count = static_cast<std::size_t>(omp_get_num_threads());
    const std::size_t begin = bytes * thread / count, end = bytes * (thread + 1) / count;
    std::memcpy(to + begin, from + begin, end - begin);
  }
}

Ceilings measure_ceilings(Contractions& contractions, int threads) {
  return {copied_bytes_per_second(threads), product_flops_per_second(contractions, threads)};
}

}  // namespace nnc::runtime
