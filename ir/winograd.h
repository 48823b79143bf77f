// Convolutions of dense windows by tiles: Winograd's F(2 x 2, 3 x 3) and F(2 x 2, 5 x 5), as A. Lavin and S. Gray have
// them in "Fast Algorithms for Convolutional Neural Networks" (2015), section 4. A tile d of 4 x 4 (6 x 6) positions of
// the image that is read gives 2 x 2 positions y of the one that is written, with 16 (36) products where sums over
// windows need 36 (100):
//
//   y = A^T ((G w G^T) * (B^T d B)) A     the gradient of w is the sum over tiles of   G^T ((A dy A^T) * (B^T d B)) G
#pragma once

#include "ir/op.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace nnc::ir {

/// The flag of the records that can be computed so.
inline constexpr std::string_view winograd_attr = "winograd";

struct WinogradTiles {
  static constexpr int written = 2;

  enum class Result : std::uint8_t { image, weight };
  Result result = Result::image;
  bool is_f32 = true;  // elements and sums; there is code for no others
  int window = 3;      // or 5
  /// The weight is [channels, outputs, window, window], and its windows are mirrored.
  bool transposed = false;
  std::int64_t batch = 0;
  /// Of the image that is read, and of the one that is written; for a weight's gradient both are read.
  std::int64_t channels = 0, outputs = 0;
  std::array<std::int64_t, 2> input{}, output{};  // height, width
  std::array<std::int64_t, 2> low{};              // zeros before the image that is read

  int read() const { return window + written - 1; }
  int products() const { return read() * read(); }
  std::array<std::int64_t, 2> grid() const { return {(output[0] + 1) / written, (output[1] + 1) / written}; }
  std::int64_t tiles() const { return batch * grid()[0] * grid()[1]; }
  /// Of the weight, transformed.
  std::int64_t weight_elements() const { return products() * channels * outputs; }
  /// Parts in which the gradient of a weight is summed, if there are tiles for so many.
  std::int64_t sums() const;
  std::int64_t weight_bytes() const { return weight_elements() * size_of(DType::f32); }

  auto operator<=>(const WinogradTiles&) const = default;
};

/// By rows.
using Coefficients = std::vector<std::vector<double>>;
struct WinogradMatrices {
  Coefficients input;   // B^T; the first number of a row that is not 0 is positive
  Coefficients weight;  // G
  Coefficients output;  // A^T
};
/// Of a window of 3 or 5, by interpolation at window points and infinity (Toom and Cook).
WinogradMatrices winograd_matrices(int window);
Coefficients transposed(const Coefficients& matrix);

/// How a convolution or one of its gradients is computed by tiles; nothing for an op that cannot be: images not channels
/// last, groups, windows not 3 x 3 or 5 x 5, or not dense.
std::optional<WinogradTiles> winograd_tiles(const OpView& op);

}  // namespace nnc::ir
