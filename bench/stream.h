// The bandwidth that a machine has beside that of a copy (runtime/ceilings.h): loops like those of STREAM (McCalpin 1995)
// with vectors written out. The triad's stores pass the caches by, so that what is written is not read first.
#pragma once

#include <cstddef>

namespace nnc::bench {

/// Elements: multiples of 16, at addresses that are multiples of 64. On `threads` threads.
void triad(const float* a, const float* b, float* c, std::size_t elements, int threads);
/// Four operands, three of which are written in place, as an optimizer does.
void update(const float* a, float* b, float* c, float* d, std::size_t elements, int threads);
/// The sum of the elements: nothing is written.
float sum(const float* a, std::size_t elements, int threads);

}  // namespace nnc::bench
