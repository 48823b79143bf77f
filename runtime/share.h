// Work divided among the threads of the one OpenMP pool.
#pragma once

#include <omp.h>

#include <cstdint>

namespace nnc::runtime {

/// Calls `work(first, end, thread)` for the part of `count` that each of so many threads has: one behind the other, the
/// same for each run.
template <class F>
void share(int threads, std::int64_t count, F&& work) {
  if (threads == 1) return work(std::int64_t{0}, count, 0);
#pragma omp parallel num_threads(threads)
  {
    const std::int64_t thread = omp_get_thread_num(), all = omp_get_num_threads();
    work(count * thread / all, count * (thread + 1) / all, static_cast<int>(thread));
  }
}

}  // namespace nnc::runtime
