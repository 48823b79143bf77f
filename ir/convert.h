// Conversion of one number: as C++ casts, but floats beyond an integer's range saturate and NaN gives 0, on every CPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace nnc::ir {

template <class To, class From>
To convert_number(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(value)) return 0;
    // The bounds are powers of two, exact in any float type.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::lowest());
    const From high = std::ldexp(From(1), std::numeric_limits<To>::digits);
    if (value <= low) return std::numeric_limits<To>::lowest();
    if (value >= high) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// The bits of the bf16 nearest to `value`, halves to even.
inline std::uint16_t bf16_bits(float value) {
  if (std::isnan(value)) return 0x7FC0U;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

/// The value of a bf16, which is the upper half of an f32.
inline float bf16_value(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }

}  // namespace nnc::ir
