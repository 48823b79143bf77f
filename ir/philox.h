// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): random numbers as a function of a
// key and a counter.
//
// Element p of a random tensor is word (p / 16) % 4 of the block with number (p / 64) * 16 + p % 16, so that sixteen
// consecutive blocks make a group of 64 consecutive elements, whatever the vector width. A counter is made of the block
// number, the step and the stream's hash; the key is the seed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace nnc::ir {

using PhiloxWords = std::array<std::uint32_t, 4>;

inline constexpr int philox_rounds = 10;
inline constexpr std::array<std::uint32_t, 2> philox_multipliers{0xD2511F53, 0xCD9E8D57};
inline constexpr std::array<std::uint32_t, 2> philox_increments{0x9E3779B9, 0xBB67AE85};

/// Blocks that make a group, and its elements: a word of each block behind the other.
inline constexpr int random_group_blocks = 16, random_group = 4 * random_group_blocks;

constexpr PhiloxWords philox(PhiloxWords counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < philox_rounds; ++round) {
    const std::uint64_t a = std::uint64_t{philox_multipliers[0]} * counter[0];
    const std::uint64_t b = std::uint64_t{philox_multipliers[1]} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += philox_increments[0];
    key[1] += philox_increments[1];
  }
  return counter;
}

/// FNV-1a, 64 bits: the stream's part of the counter.
constexpr std::uint64_t stream_hash(std::string_view stream) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : stream) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  return hash;
}

/// Element `position` of a stream, uniform in [0, 1): the upper 24 bits of its word as a fraction.
constexpr float random_element(std::int64_t seed, std::int64_t step, std::uint64_t stream, std::int64_t position) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto key = static_cast<std::uint64_t>(seed), p = static_cast<std::uint64_t>(position);
  const std::uint64_t block = p / random_group * random_group_blocks + p % random_group_blocks;
  const PhiloxWords words =
      philox({low(block), low(static_cast<std::uint64_t>(step)), low(stream), high(stream)}, {low(key), high(key)});
  return static_cast<float>(words[p / random_group_blocks % 4] >> 8) * 0x1p-24F;
}

}  // namespace nnc::ir
