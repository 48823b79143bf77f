// Conversion of one number: as C++ casts, but floats beyond an integer's range saturate and NaN gives 0, on every CPU.
#pragma once

#include <cmath>
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

}  // namespace nnc::ir
