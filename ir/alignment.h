// How memory is aligned, and how far ahead it is read.
#pragma once

#include <cstdint>

namespace nnc::ir {

/// Memory starts at multiples of this many bytes: a line of the cache, the longest vector.
inline constexpr std::int64_t memory_alignment = 64;

/// What a core reads, roughly, while it waits for memory: rows are fetched into the cache so many bytes ahead.
inline constexpr std::int64_t fetched_bytes = 8192;

/// The next multiple of `memory_alignment`.
constexpr std::int64_t aligned(std::int64_t bytes) {
  return (bytes + memory_alignment - 1) / memory_alignment * memory_alignment;
}

}  // namespace nnc::ir
