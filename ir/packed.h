// Weights of matrix products in the order in which libraries read them: in tiles. A library that is given a weight as it
// is stored copies it so, in every product; products that share a weight can share the copy.
//
//   %w' = pack %w : f32[16,16,16,64]                    element (i, j) of a weight [k, n] is element
//   %y  = packed_matmul %x, %w' : f32[32,1024]          [j / columns, i / rows, i % rows, j % columns]
#pragma once

#include "ir/op.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace nnc::ir {

inline constexpr std::string_view pack_name = "pack", packed_matmul_name = "packed_matmul";

/// Of a tile; its columns may be any of these, wider ones are read faster.
inline constexpr std::int64_t packed_rows = 16;
inline constexpr std::array<std::int64_t, 4> packed_columns = {64, 48, 32, 16};

/// A product with one matrix, of whole tiles, that may be packed.
struct PackableProduct {
  bool transposed;  // the matrix is stored as [n, k]
  std::int64_t k, n;
};
/// Nothing for an op that is no such product in f32.
std::optional<PackableProduct> packable_product(const OpView& op);

/// [n / columns, k / rows, rows, columns].
Shape packed_shape(const PackableProduct& product, std::int64_t columns);

}  // namespace nnc::ir
