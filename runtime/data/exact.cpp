#include "runtime/data/exact.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <type_traits>

namespace nnc::runtime {

namespace {

/// Every integer up to here in size is an f32 or f64 of its own.
std::int64_t exact_integers(ir::DType dtype) {
  return std::int64_t{1} << (dtype == ir::DType::f64 ? std::numeric_limits<double>::digits
                                                     : std::numeric_limits<float>::digits);
}

std::string outside(ir::DType dtype) {
  return fmt::format("is outside {}'s {} to {}", ir::name(dtype), ir::lowest(dtype), ir::highest(dtype));
}

bool always_fits(ir::DType from, ir::DType to) {
  if (from == to) return !ir::is_float(from);
  if (ir::is_float(from)) return false;
  if (ir::is_float(to)) return ir::highest(from) <= exact_integers(to);
  return ir::lowest(from) >= ir::lowest(to) && ir::highest(from) <= ir::highest(to);
}

}  // namespace

std::string misfit(std::int64_t value, ir::DType dtype) {
  if (ir::is_float(dtype)) {
    const std::int64_t most = exact_integers(dtype);
    if (value >= -most && value <= most) return {};
    const auto rounded = dtype == ir::DType::f64 ? static_cast<double>(value) : static_cast<float>(value);
    if (rounded < 0x1p63 && static_cast<std::int64_t>(rounded) == value) return {};
    return fmt::format("{} cannot hold exactly", ir::name(dtype));
  }
  return value >= ir::lowest(dtype) && value <= ir::highest(dtype) ? std::string() : outside(dtype);
}

std::string misfit(double value, ir::DType dtype) {
  if (!std::isfinite(value)) return "is not a finite number";
  if (dtype == ir::DType::f64) return {};
  if (dtype == ir::DType::f32) {
    // Beyond half a unit above the largest f32, the nearest one is infinity.
    return std::abs(value) < 0x1.ffffffp127 ? std::string() : "is too large for f32";
  }
  if (value != std::trunc(value)) return fmt::format("is not a whole number, as {} needs", ir::name(dtype));
  if (value < -0x1p63 || value >= 0x1p63) return outside(dtype);
  return misfit(static_cast<std::int64_t>(value), dtype);
}

std::optional<Misfit> find_misfit(const ir::Tensor& tensor, ir::DType dtype) {
  if (always_fits(tensor.type().dtype, dtype)) return std::nullopt;
  return ir::visit_dtype(tensor.type().dtype, [&]<class T>() -> std::optional<Misfit> {
    using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
    const std::span<const T> elements = tensor.as<T>();
    for (std::size_t i = 0; i < elements.size(); ++i) {
      std::string why = misfit(static_cast<Wide>(elements[i]), dtype);
      if (!why.empty()) return Misfit{static_cast<std::int64_t>(i), fmt::format("{}", elements[i]), std::move(why)};
    }
    return std::nullopt;
  });
}

}  // namespace nnc::runtime
