#include "bench/stream.h"

#include <immintrin.h>
#include <omp.h>

#include <atomic>
#include <numeric>

namespace nnc::bench {
namespace {

/// The elements of a thread, a vector of 16 at a time.
template <class Body>
void each_vector(std::size_t elements, int threads, const Body& body) {
#pragma omp parallel num_threads(threads)
  {
    const auto thread = static_cast<std::size_t>(omp_get_thread_num());
    const auto count = static_cast<std::size_t>(omp_get_num_threads());
    const std::size_t vectors = elements / 16;
    body(vectors * thread / count * 16, vectors * (thread + 1) / count * 16);
  }
}

__attribute__((target("avx512f"))) void triad512(const float* a, const float* b, float* c, std::size_t first,
                                                 std::size_t end) {
  const __m512 scale = _mm512_set1_ps(3);
  for (std::size_t i = first; i < end; i += 16)
    _mm512_stream_ps(c + i, _mm512_fmadd_ps(scale, _mm512_load_ps(b + i), _mm512_load_ps(a + i)));
  _mm_sfence();
}
__attribute__((target("avx"))) void triad256(const float* a, const float* b, float* c, std::size_t first,
                                             std::size_t end) {
  const __m256 scale = _mm256_set1_ps(3);
  for (std::size_t i = first; i < end; i += 8)
    _mm256_stream_ps(c + i, _mm256_add_ps(_mm256_mul_ps(scale, _mm256_load_ps(b + i)), _mm256_load_ps(a + i)));
  _mm_sfence();
}

__attribute__((target("avx512f"))) void update512(const float* a, float* b, float* c, float* d, std::size_t first,
                                                  std::size_t end) {
  for (std::size_t i = first; i < end; i += 16) {
    const __m512 x = _mm512_load_ps(a + i);
    _mm512_store_ps(b + i, _mm512_add_ps(x, _mm512_load_ps(b + i)));
    _mm512_store_ps(c + i, _mm512_add_ps(x, _mm512_load_ps(c + i)));
    _mm512_store_ps(d + i, _mm512_add_ps(x, _mm512_load_ps(d + i)));
  }
}
__attribute__((target("avx"))) void update256(const float* a, float* b, float* c, float* d, std::size_t first,
                                              std::size_t end) {
  for (std::size_t i = first; i < end; i += 8) {
    const __m256 x = _mm256_load_ps(a + i);
    _mm256_store_ps(b + i, _mm256_add_ps(x, _mm256_load_ps(b + i)));
    _mm256_store_ps(c + i, _mm256_add_ps(x, _mm256_load_ps(c + i)));
    _mm256_store_ps(d + i, _mm256_add_ps(x, _mm256_load_ps(d + i)));
  }
}

/// Four vectors at a time, each with a sum of its own: the next one does not wait for the last.
__attribute__((target("avx512f"))) float sum512(const float* x, std::size_t first, std::size_t end) {
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
  std::size_t i = first;
  for (; i + 64 <= end; i += 64) {
    a = _mm512_add_ps(a, _mm512_load_ps(x + i));
    b = _mm512_add_ps(b, _mm512_load_ps(x + i + 16));
    c = _mm512_add_ps(c, _mm512_load_ps(x + i + 32));
    d = _mm512_add_ps(d, _mm512_load_ps(x + i + 48));
  }
  for (; i < end; i += 16) a = _mm512_add_ps(a, _mm512_load_ps(x + i));
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, _mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
  return std::accumulate(lanes, lanes + 16, 0.0F);
}
__attribute__((target("avx"))) float sum256(const float* x, std::size_t first, std::size_t end) {
  __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
  std::size_t i = first;
  for (; i + 32 <= end; i += 32) {
    a = _mm256_add_ps(a, _mm256_load_ps(x + i));
    b = _mm256_add_ps(b, _mm256_load_ps(x + i + 8));
    c = _mm256_add_ps(c, _mm256_load_ps(x + i + 16));
    d = _mm256_add_ps(d, _mm256_load_ps(x + i + 24));
  }
  for (; i < end; i += 8) a = _mm256_add_ps(a, _mm256_load_ps(x + i));
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
  return std::accumulate(lanes, lanes + 8, 0.0F);
}

bool wide() { return __builtin_cpu_supports("avx512f"); }

}  // namespace

void triad(const float* a, const float* b, float* c, std::size_t elements, int threads) {
  each_vector(elements, threads, [&](std::size_t first, std::size_t end) {
    wide() ? triad512(a, b, c, first, end) : triad256(a, b, c, first, end);
  });
}

void update(const float* a, float* b, float* c, float* d, std::size_t elements, int threads) {
  each_vector(elements, threads, [&](std::size_t first, std::size_t end) {
    wide() ? update512(a, b, c, d, first, end) : update256(a, b, c, d, first, end);
  });
}

float sum(const float* a, std::size_t elements, int threads) {
  std::atomic<float> all = 0;
  each_vector(elements, threads, [&](std::size_t first, std::size_t end) {
    all += wide() ? sum512(a, first, end) : sum256(a, first, end);
  });
  return all;
}

}  // namespace nnc::bench
