// A tensor on the host: a type and its row-major elements. Constants, the reference interpreter, checkpoints and
// datasets hold these. Copying copies the elements.
#pragma once

#include "ir/check.h"
#include "ir/type.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace nnc::ir {

/// The C++ type that stores one element: bf16 as its 16 bits, bool as one byte.
template <DType D>
struct Storage;
template <>
struct Storage<DType::f32> {
  using type = float;
};
template <>
struct Storage<DType::f64> {
  using type = double;
};
template <>
struct Storage<DType::bf16> {
  using type = std::uint16_t;
};
template <>
struct Storage<DType::i32> {
  using type = std::int32_t;
};
template <>
struct Storage<DType::i64> {
  using type = std::int64_t;
};
template <>
struct Storage<DType::u16> {
  using type = std::uint16_t;
};
template <>
struct Storage<DType::u8> {
  using type = std::uint8_t;
};
template <>
struct Storage<DType::boolean> {
  using type = std::uint8_t;
};

/// Calls `f.template operator()<T>()` with the storage type of `dtype`; bf16 has no arithmetic on the host.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f.template operator()<float>();
    case DType::f64: return f.template operator()<double>();
    case DType::i32: return f.template operator()<std::int32_t>();
    case DType::i64: return f.template operator()<std::int64_t>();
    case DType::u16: return f.template operator()<std::uint16_t>();
    case DType::u8:
    case DType::boolean: return f.template operator()<std::uint8_t>();
    case DType::bf16: break;
  }
  internal_error(__FILE__, __LINE__, "bf16 has no arithmetic on the host");
}

class Tensor {
 public:
  Tensor() = default;
  /// All elements zero.
  explicit Tensor(Type type);
  /// All elements `value`, converted as a C++ cast does.
  static Tensor splat(const Type& type, double value);
  static Tensor splat_integer(const Type& type, std::int64_t value);

  const Type& type() const { return type_; }
  std::int64_t elements() const { return type_.elements(); }
  std::span<std::byte> bytes() { return bytes_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// The elements as T, which must be the storage type.
  template <class T>
  std::span<T> as() {
    NNC_CHECK(sizeof(T) == static_cast<std::size_t>(size_of(type_.dtype)), "a {} tensor read with elements of {} bytes",
              to_string(type_), sizeof(T));
    return {reinterpret_cast<T*>(bytes_.data()), static_cast<std::size_t>(elements())};
  }
  template <class T>
  std::span<const T> as() const {
    return const_cast<Tensor*>(this)->as<T>();
  }

  /// One element by row-major position, as f64 (integers beyond 2^53 lose bits) or as i64.
  double real(std::int64_t position) const;
  std::int64_t integer(std::int64_t position) const;
  void set_real(std::int64_t position, double value);
  void set_integer(std::int64_t position, std::int64_t value);

  /// The same elements with another shape of as many elements.
  Tensor reshaped(Shape shape) const;
  /// The elements converted one by one: floats to integers truncate and saturate, NaN gives 0; anything but zero is
  /// true.
  Tensor converted(DType dtype) const;

  /// Same type and same bits.
  bool operator==(const Tensor& other) const = default;
  /// True if every element has the bits of the first one; false without elements.
  bool is_splat() const;

 private:
  Type type_;
  std::vector<std::byte> bytes_;
};

}  // namespace nnc::ir
