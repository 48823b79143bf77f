// The generator behind shuffling, splitting and synthetic data: splitmix64, spelled out here so that a seed gives the
// same numbers with every standard library.
#pragma once

#include <cstdint>

namespace nnc::runtime {

class Random {
 public:
  /// `stream` keeps the uses of one seed apart: an epoch's number, a purpose.
  Random(std::uint64_t seed, std::uint64_t stream) : state_(mix(seed + increment) ^ mix(~stream)) {}  // mix(0) is 0

  std::uint64_t next() { return mix(state_ += increment); }
  /// Uniform in [0, count); `count` must not be 0. Draws that would make small results likelier are dropped.
  std::uint64_t below(std::uint64_t count) {
    const std::uint64_t dropped = (0 - count) % count;  // 2^64 mod count
    std::uint64_t draw = next();
    while (draw < dropped) draw = next();
    return draw % count;
  }
  /// Uniform in [0, 1), a multiple of 2^-24, so that it is exact in f32 too.
  double unit() { return static_cast<double>(next() >> 40) * 0x1p-24; }

 private:
  static constexpr std::uint64_t increment = 0x9e3779b97f4a7c15;

  static constexpr std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  std::uint64_t state_;
};

}  // namespace nnc::runtime
