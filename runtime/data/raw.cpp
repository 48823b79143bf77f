#include "runtime/data/raw.h"

#include "ir/check.h"

#include <bit>
#include <cstring>

namespace nnc::runtime {

namespace {

using Kind = RawType::Kind;

std::uint64_t bits_of(const char* element, const RawType& raw) {
  std::uint64_t bits = 0;
  const auto size = static_cast<std::size_t>(raw.size);
  for (std::size_t i = 0; i < size; ++i) {
    bits = bits << 8 | static_cast<unsigned char>(element[raw.big_endian ? i : size - 1 - i]);
  }
  return bits;
}

/// With the sign of an integer that has `size` bytes.
std::int64_t with_sign(std::uint64_t bits, std::int64_t size) {
  const auto unused = static_cast<unsigned>(64 - 8 * size);
  return static_cast<std::int64_t>(bits << unused) >> unused;
}

}  // namespace

ir::DType holding(const RawType& raw) {
  switch (raw.kind) {
    case Kind::boolean: return ir::DType::boolean;
    case Kind::real: return raw.size == 4 ? ir::DType::f32 : ir::DType::f64;
    case Kind::integer: return raw.size == 8 ? ir::DType::i64 : ir::DType::i32;
    case Kind::natural: break;
  }
  NNC_CHECK(raw.size < 8, "naturals of {} bytes", raw.size);
  return raw.size == 1 ? ir::DType::u8 : raw.size == 2 ? ir::DType::u16 : ir::DType::i64;
}

ir::Tensor decode(std::string_view bytes, const RawType& raw, const ir::Shape& shape) {
  ir::Tensor tensor(ir::Type{holding(raw), shape, {}});
  const ir::DType dtype = tensor.type().dtype;
  NNC_CHECK(static_cast<std::int64_t>(bytes.size()) == tensor.elements() * raw.size, "{} bytes for {}", bytes.size(),
            ir::to_string(tensor.type()));
  const bool in_order = raw.size == 1 || raw.big_endian == (std::endian::native == std::endian::big);
  if (in_order && raw.size == ir::size_of(dtype)) {
    std::memcpy(tensor.bytes().data(), bytes.data(), bytes.size());
    return tensor;
  }
  const std::int64_t count = tensor.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t bits = bits_of(bytes.data() + i * raw.size, raw);
    if (dtype == ir::DType::f64) {
      tensor.as<double>()[static_cast<std::size_t>(i)] = std::bit_cast<double>(bits);
    } else if (dtype == ir::DType::f32) {
      tensor.as<float>()[static_cast<std::size_t>(i)] = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    } else {
      tensor.set_integer(i, raw.kind == Kind::integer ? with_sign(bits, raw.size) : static_cast<std::int64_t>(bits));
    }
  }
  return tensor;
}

}  // namespace nnc::runtime
