// Arrays as their bytes lie in a file: kind, size and byte order of the elements.
#pragma once

#include "ir/tensor.h"

#include <cstdint>
#include <string_view>

namespace nnc::runtime {

struct RawType {
  enum class Kind : std::uint8_t { boolean, natural, integer, real };
  Kind kind = Kind::natural;
  std::int64_t size = 1;  // bytes: 1, 2, 4, 8; of reals 4, 8
  bool big_endian = false;
};

/// The narrowest of our types that holds all values of the raw one; naturals of 8 bytes have none.
ir::DType holding(const RawType& raw);

/// The elements of `bytes` in row-major order; there must be as many as the shape has. Bools are not checked to be 0 or
/// 1.
ir::Tensor decode(std::string_view bytes, const RawType& raw, const ir::Shape& shape);

}  // namespace nnc::runtime
