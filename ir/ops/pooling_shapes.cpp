#include "ir/ops/pooling.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

bool last(const OpView& op) { return op.flag("channels_last"); }

/// With more padding than that, a window could lie outside of the image altogether.
std::string check_padding(const Window& window) {
  for (std::size_t d = 0; d < window.rank(); ++d) {
    const std::int64_t span = (window.kernel[d] - 1) * window.dilation[d] + 1;
    if (2 * window.low[d] > span)
      return fmt::format("padding of {} is more than half of a window of {}", window.low[d], span);
  }
  return "";
}

Pooling pooling_over(const OpView& op, const Image& image, const Shape& input) {
  Windows windows = windows_over(op, input, op.integers("kernel"), op.integers("kernel"));
  if (windows.error.empty()) windows.error = check_padding(windows.window);
  return {std::move(windows.error), std::move(windows.window), image.batch, image.channels};
}

}  // namespace

Pooling pooling_of(const OpView& op) {
  if (std::string error = check_image(op.operands[0]); !error.empty()) return {std::move(error), {}};
  const Image x = image_of(op.operands[0], last(op));
  return pooling_over(op, x, x.spatial);
}

Pooling pooling_backward_of(const OpView& op) {
  if (std::string error = check_image(op.operands[0]); !error.empty()) return {std::move(error), {}};
  const Image y = image_of(op.operands[0], last(op));
  const Integers extents = per_dimension(op.integers("extents"), y.spatial.size(), 0);
  if (extents.empty() || std::ranges::any_of(extents, [](std::int64_t extent) { return extent < 1; }))
    return {fmt::format("`extents` is {}, expected a positive number for each of {} spatial dimensions",
                        to_string(op.integers("extents")), y.spatial.size()),
            {}};
  Pooling p = pooling_over(op, y, extents);
  if (p.error.empty() && p.window.output != y.spatial)
    p.error = fmt::format("extents {} have windows {}, expected {}", to_string(extents), to_string(p.window.output),
                          to_string(y.spatial));
  return p;
}

}  // namespace nnc::ir
