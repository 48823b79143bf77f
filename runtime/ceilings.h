// What the machine reaches at best, to compare instructions with.
#pragma once

#include "runtime/contraction.h"

#include <cstddef>

namespace nnc::runtime {

struct Ceilings {
  double bytes_per_second = 0;  // read and written by a copy far larger than the caches
  double flops_per_second = 0;  // of a matrix product 1024 x 1024 x 1024, f32
};

/// The copy that shows what the memory gives, on so many threads.
void copy_memory(std::byte* to, const std::byte* from, std::size_t bytes, int threads);

/// Measures both, each the best of some; takes about a tenth of a second.
Ceilings measure_ceilings(Contractions& contractions, int threads);

}  // namespace nnc::runtime
