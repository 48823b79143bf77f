// Numbers from a file become elements of a field's type only if that loses nothing.
//
//   u8 255 -> f32 255        f32 3 -> u8 3        f32 0.5 -> u8: an error        i32 300 -> u8: an error
//
// The one rounding allowed is between floating types (text or f64 to f32), to nearest; NaN and infinities are refused
// everywhere, since a single one spoils all weights.
#pragma once

#include "ir/tensor.h"

#include <cstdint>
#include <optional>
#include <string>

namespace nnc::runtime {

/// What is wrong with `value` as an element of `dtype`, to follow "which"; empty: nothing.
std::string misfit(std::int64_t value, ir::DType dtype);
std::string misfit(double value, ir::DType dtype);

/// The first element of a tensor that does not fit.
struct Misfit {
  std::int64_t position = 0;
  std::string value, why;
};
std::optional<Misfit> find_misfit(const ir::Tensor& tensor, ir::DType dtype);

}  // namespace nnc::runtime
