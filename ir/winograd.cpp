#include "ir/winograd.h"

#include "ir/ops/convolution.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace nnc::ir {

namespace {

/// Coefficients, lowest degree first, of the product of x - p over all points but one.
std::vector<double> product_without(const std::vector<double>& points, std::size_t left_out) {
  std::vector<double> polynomial{1};
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i == left_out) continue;
    polynomial.push_back(0);
    for (std::size_t k = polynomial.size(); k-- > 0;)
      polynomial[k] = (k > 0 ? polynomial[k - 1] : 0) - points[i] * polynomial[k];
  }
  return polynomial;
}

}  // namespace

// n = window + 1 points p_i, the last of them infinity; N_i is the product of p_i - p_j over the other finite points.
//
//             row i of B^T, the coefficients of        row i of G         column i of A^T
//   finite    the product of x - p_j over the others   p_i^k / N_i        p_i^k
//   infinity  the product of x - p_j over all          1 for the last k   1 for the last k
WinogradMatrices winograd_matrices(int window) {
  // Numbers that f32 has, in pairs of which sums are shared; of the ones tried for 5 x 5 those that round least: half as
  // much as 1, -1, 2, -2.
  const auto taps = static_cast<std::size_t>(window), n = taps + 1;
  const std::vector<double> points =
      window == 3 ? std::vector<double>{0, 1, -1} : std::vector<double>{0, 0.75, -0.75, 1.5, -1.5};
  WinogradMatrices matrices;
  matrices.output.assign(WinogradTiles::written, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i) {
    const bool is_infinity = i == points.size();
    std::vector<double> input = product_without(points, i);
    input.resize(n);
    std::vector<double> weight(taps);
    double norm = 1;
    for (std::size_t j = 0; j < points.size(); ++j)
      if (j != i && !is_infinity) norm *= points[i] - points[j];
    for (std::size_t k = 0; k < taps; ++k)
      weight[k] = is_infinity ? (k + 1 == taps ? 1 : 0) : std::pow(points[i], k) / norm;
    double sign = 1;
    if (*std::ranges::find_if(input, [](double x) { return x != 0; }) < 0) sign = -1;
    for (double& x : input) x *= sign;
    if (!is_infinity)
      for (double& x : weight) x *= sign;
    matrices.input.push_back(std::move(input));
    matrices.weight.push_back(std::move(weight));
    for (std::size_t k = 0; k < WinogradTiles::written; ++k)
      matrices.output[k][i] =
          is_infinity ? (k + 1 == WinogradTiles::written ? sign : 0) : std::pow(points[i], static_cast<double>(k));
  }
  return matrices;
}

std::int64_t WinogradTiles::sums() const {
  constexpr std::int64_t most_bytes = 4 << 20, most = 16;
  std::int64_t count = 2;
  while (count < most && 2 * count * weight_bytes() <= most_bytes) count *= 2;
  return count;
}

Coefficients transposed(const Coefficients& matrix) {
  Coefficients result(matrix[0].size());
  for (const std::vector<double>& row : matrix)
    for (std::size_t j = 0; j < row.size(); ++j) result[j].push_back(row[j]);
  return result;
}

std::optional<WinogradTiles> winograd_tiles(const OpView& op) {
  if (std::ranges::find(op.def->attrs, winograd_attr, &AttrDef::name) == op.def->attrs.end()) return {};
  if (!op.flag(channels_last_attr) || op.operands[0].rank() != 4) return {};
  const ConvolutionCall call = convolution_call(op);
  const Convolution& c = call.shape;
  const auto all_are = [](const std::vector<std::int64_t>& numbers, std::int64_t x) {
    return std::ranges::all_of(numbers, [&](std::int64_t number) { return number == x; });
  };
  const Window& w = c.window;
  if (!c.error.empty() || c.groups != 1 || !all_are(w.stride, 1) || !all_are(w.dilation, 1)) return {};
  const std::int64_t window = w.kernel[0];
  if ((window != 3 && window != 5) || !all_are(w.kernel, window)) return {};
  const auto pair = [](const std::vector<std::int64_t>& numbers) -> std::array<std::int64_t, 2> {
    return {numbers[0], numbers[1]};
  };
  WinogradTiles tiles{.is_f32 = op.operands[0].dtype == DType::f32 && op.get<DType>("accumulate") == DType::f32,
                      .window = static_cast<int>(window),
                      .batch = c.batch,
                      .channels = c.channels,
                      .outputs = c.outputs,
                      .input = pair(w.input),
                      .output = pair(w.output),
                      .low = pair(w.low)};
  if (call.gives == ConvolutionCall::Part::weight) tiles.result = WinogradTiles::Result::weight;
  if (call.gives != ConvolutionCall::Part::x) return tiles;
  // x is the sum over mirrored windows of y, with so many zeros around it that each window has a place.
  tiles.transposed = true;
  std::swap(tiles.channels, tiles.outputs);
  std::swap(tiles.input, tiles.output);
  for (std::int64_t& zeros : tiles.low) zeros = window - 1 - zeros;
  return tiles;
}

}  // namespace nnc::ir
