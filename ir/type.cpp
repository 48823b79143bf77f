#include "ir/type.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>

namespace nnc::ir {

namespace {

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  std::int64_t size;
  bool is_float, is_integer;
  std::int64_t lowest, highest;
};

template <class T>
constexpr DTypeInfo integer_info(DType dtype, std::string_view name) {
  return {dtype, name, sizeof(T), false, true, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max()};
}

constexpr std::array<DTypeInfo, 8> infos{{
    {DType::f32, "f32", 4, true, false, 0, 0},
    {DType::f64, "f64", 8, true, false, 0, 0},
    {DType::bf16, "bf16", 2, true, false, 0, 0},
    integer_info<std::int32_t>(DType::i32, "i32"),
    integer_info<std::int64_t>(DType::i64, "i64"),
    integer_info<std::uint16_t>(DType::u16, "u16"),
    integer_info<std::uint8_t>(DType::u8, "u8"),
    {DType::boolean, "bool", 1, false, false, 0, 1},
}};

constexpr std::array<DType, 8> dtypes{DType::f32, DType::f64, DType::bf16, DType::i32,
                                      DType::i64, DType::u16, DType::u8,   DType::boolean};

const DTypeInfo& info(DType dtype) { return infos[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::string_view name(DType dtype) { return info(dtype).name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (const DTypeInfo& known : infos)
    if (known.name == name) return known.dtype;
  return std::nullopt;
}

std::span<const DType> all_dtypes() { return dtypes; }
std::int64_t size_of(DType dtype) { return info(dtype).size; }
bool is_float(DType dtype) { return info(dtype).is_float; }
bool is_integer(DType dtype) { return info(dtype).is_integer; }
std::int64_t lowest(DType dtype) { return info(dtype).lowest; }
std::int64_t highest(DType dtype) { return info(dtype).highest; }

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (std::int64_t extent : shape) count *= extent;
  return count;
}

std::vector<std::int64_t> row_major_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i) {  // i counts from the last dimension
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

std::string to_string(const Type& type) {
  std::string text = fmt::format("{}{}", name(type.dtype), to_string(type.shape));
  if (!type.layout.empty()) text += fmt::format("<{}>", fmt::join(type.layout, ","));
  return text;
}

}  // namespace nnc::ir
