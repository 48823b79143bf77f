// Element types, shapes and tensor types.
//
//   f32[128,784]             dense, row-major
//   f32[64,3,32,32]<0,2,3,1>  dense, stored in the order n, h, w, c (outermost dimension first)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::ir {

enum class DType : std::uint8_t { f32, f64, bf16, i32, i64, u16, u8, boolean };

std::string_view name(DType dtype);
std::optional<DType> dtype_named(std::string_view name);
/// All element types, in the order of the enumeration.
std::span<const DType> all_dtypes();
std::int64_t size_of(DType dtype);
bool is_float(DType dtype);
/// i32, i64, u16, u8; bool is not an integer.
bool is_integer(DType dtype);
/// The smallest and largest value of an integer type; 0 and 1 for bool.
std::int64_t lowest(DType dtype);
std::int64_t highest(DType dtype);

using Shape = std::vector<std::int64_t>;

std::int64_t element_count(const Shape& shape);
/// Row-major strides in elements.
std::vector<std::int64_t> row_major_strides(const Shape& shape);
/// NumPy's rule, aligned at the last dimension; empty if the shapes do not fit.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);
std::string to_string(const Shape& shape);  // [128,784]

struct Type {
  DType dtype = DType::f32;
  Shape shape;
  /// The dimensions from outermost to innermost in memory; empty means row-major.
  std::vector<int> layout;

  bool operator==(const Type&) const = default;
  int rank() const { return static_cast<int>(shape.size()); }
  std::int64_t elements() const { return element_count(shape); }
  std::int64_t bytes() const { return elements() * size_of(dtype); }
};

std::string to_string(const Type& type);

}  // namespace nnc::ir
