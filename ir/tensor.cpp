#include "ir/tensor.h"

#include "ir/convert.h"

#include <algorithm>

namespace nnc::ir {

Tensor::Tensor(Type type) : type_(std::move(type)), bytes_(static_cast<std::size_t>(type_.bytes())) {}

Tensor Tensor::splat(const Type& type, double value) {
  Tensor tensor(type);
  if (type.dtype == DType::bf16) {
    std::ranges::fill(tensor.as<std::uint16_t>(), bf16_bits(static_cast<float>(value)));
    return tensor;
  }
  visit_dtype(type.dtype, [&]<class T>() {
    const T element = type.dtype == DType::boolean ? static_cast<T>(value != 0) : convert_number<T>(value);
    std::ranges::fill(tensor.as<T>(), element);
  });
  return tensor;
}

Tensor Tensor::splat_integer(const Type& type, std::int64_t value) {
  Tensor tensor(type);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) tensor.set_integer(i, value);
  return tensor;
}

double Tensor::real(std::int64_t position) const {
  if (type_.dtype == DType::bf16) return bf16_value(as<std::uint16_t>()[static_cast<std::size_t>(position)]);
  return visit_dtype(type_.dtype,
                     [&]<class T>() { return static_cast<double>(as<T>()[static_cast<std::size_t>(position)]); });
}

std::int64_t Tensor::integer(std::int64_t position) const {
  if (type_.dtype == DType::bf16) return convert_number<std::int64_t>(real(position));
  return visit_dtype(type_.dtype, [&]<class T>() {
    return convert_number<std::int64_t>(as<T>()[static_cast<std::size_t>(position)]);
  });
}

void Tensor::set_real(std::int64_t position, double value) {
  if (type_.dtype == DType::bf16) {
    as<std::uint16_t>()[static_cast<std::size_t>(position)] = bf16_bits(static_cast<float>(value));
    return;
  }
  visit_dtype(type_.dtype, [&]<class T>() {
    as<T>()[static_cast<std::size_t>(position)] =
        type_.dtype == DType::boolean ? static_cast<T>(value != 0) : convert_number<T>(value);
  });
}

void Tensor::set_integer(std::int64_t position, std::int64_t value) {
  if (type_.dtype == DType::bf16) return set_real(position, static_cast<double>(value));
  visit_dtype(type_.dtype, [&]<class T>() {
    as<T>()[static_cast<std::size_t>(position)] =
        type_.dtype == DType::boolean ? static_cast<T>(value != 0) : static_cast<T>(value);
  });
}

Tensor Tensor::reshaped(Shape shape) const {
  NNC_CHECK(element_count(shape) == elements(), "{} reshaped to {}", to_string(type_), to_string(shape));
  Tensor result = *this;
  result.type_.shape = std::move(shape);
  return result;
}

Tensor Tensor::converted(DType dtype) const {
  if (dtype == type_.dtype) return *this;
  Tensor result(Type{dtype, type_.shape, {}});
  if (dtype == DType::bf16 || type_.dtype == DType::bf16) {
    for (std::int64_t i = 0; i < elements(); ++i) result.set_real(i, real(i));
    return result;
  }
  visit_dtype(type_.dtype, [&]<class From>() {
    visit_dtype(dtype, [&]<class To>() {
      std::ranges::transform(as<From>(), result.as<To>().begin(), [&](From value) {
        return dtype == DType::boolean ? static_cast<To>(value != 0) : convert_number<To>(value);
      });
    });
  });
  return result;
}

bool Tensor::is_splat() const {
  const auto size = static_cast<std::size_t>(size_of(type_.dtype));
  if (bytes_.size() < size) return false;
  for (std::size_t at = size; at < bytes_.size(); at += size)
    if (std::memcmp(bytes_.data(), bytes_.data() + at, size) != 0) return false;
  return true;
}

}  // namespace nnc::ir
