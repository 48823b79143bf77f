#include "ir/ops/convolution.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

std::string check_operands(const OpView& op) {
  const Type &a = op.operands[0], &b = op.operands[1];
  if (a.dtype != b.dtype)
    return fmt::format("expected two tensors of one element type, found {} and {}", to_string(a), to_string(b));
  if (std::string error = check_image(a); !error.empty()) return error;
  if (a.rank() != b.rank())
    return fmt::format("expected two tensors of one number of dimensions, found {} and {}", to_string(a), to_string(b));
  const auto accumulate = op.get<DType>("accumulate");
  if (!is_float(accumulate) || accumulate == DType::bf16)
    return fmt::format("`accumulate` must be f32 or f64, found {}", name(accumulate));
  if (op.integer("groups") < 1) return fmt::format("`groups` is {}, expected at least 1", op.integer("groups"));
  return "";
}

std::string check_groups(std::string_view what, std::int64_t channels, std::int64_t groups) {
  if (channels % groups == 0) return "";
  return fmt::format("{} {} channels do not make {} groups", channels, what, groups);
}

Convolution failed(std::string error) {
  Convolution c;
  c.error = std::move(error);
  return c;
}

bool last(const OpView& op) { return op.flag("channels_last"); }

std::string check_windows(const Convolution& c, const Shape& found) {
  if (c.window.output == found) return "";
  return fmt::format("extents {} have windows {}, expected {}", to_string(c.window.input), to_string(c.window.output),
                     to_string(found));
}

}  // namespace

Shape Convolution::weight_shape() const {
  Shape shape{outputs, group_channels()};
  shape.insert(shape.end(), window.kernel.begin(), window.kernel.end());
  return shape;
}

Convolution convolution_of(const OpView& op) {
  if (std::string error = check_operands(op); !error.empty()) return failed(std::move(error));
  const Image x = image_of(op.operands[0], last(op));
  const Shape& weight = op.operands[1].shape;
  Convolution c{"", {}, x.batch, x.channels, weight[0], op.integer("groups")};
  for (const auto& [what, channels] : {std::pair{"input", c.channels}, std::pair{"output", c.outputs}})
    if (std::string error = check_groups(what, channels, c.groups); !error.empty()) return failed(std::move(error));
  if (weight[1] != c.group_channels())
    return failed(fmt::format("the weight {} is for {} channels{}, the image {} has {}", to_string(op.operands[1]),
                              weight[1] * c.groups, c.groups == 1 ? "" : fmt::format(" in {} groups", c.groups),
                              to_string(op.operands[0]), x.channels));
  Windows windows = windows_over(op, x.spatial, {weight.begin() + 2, weight.end()});
  c.window = std::move(windows.window);
  c.error = std::move(windows.error);
  return c;
}

Convolution transposed_convolution_of(const OpView& op) {
  if (std::string error = check_operands(op); !error.empty()) return failed(std::move(error));
  const Image y = image_of(op.operands[0], last(op));
  const Shape& weight = op.operands[1].shape;
  const std::int64_t groups = op.integer("groups");
  if (std::string error = check_groups("input", y.channels, groups); !error.empty()) return failed(std::move(error));
  if (weight[0] != y.channels)
    return failed(fmt::format("the weight {} is for {} channels, the image {} has {}", to_string(op.operands[1]),
                              weight[0], to_string(op.operands[0]), y.channels));
  Convolution c{"", {}, y.batch, weight[1] * groups, weight[0], groups};
  const Integers extents = per_dimension(op.integers("extents"), y.spatial.size(), 0);
  if (extents.empty() || std::ranges::any_of(extents, [](std::int64_t extent) { return extent < 1; }))
    return failed(fmt::format("`extents` is {}, expected a positive number for each of {} spatial dimensions",
                              to_string(op.integers("extents")), y.spatial.size()));
  Windows windows = windows_over(op, extents, {weight.begin() + 2, weight.end()});
  c.window = std::move(windows.window);
  c.error = windows.error.empty() ? check_windows(c, y.spatial) : std::move(windows.error);
  return c;
}

Convolution convolution_weight_gradient_of(const OpView& op) {
  if (std::string error = check_operands(op); !error.empty()) return failed(std::move(error));
  const Image x = image_of(op.operands[0], last(op)), y = image_of(op.operands[1], last(op));
  Convolution c{"", {}, x.batch, x.channels, y.channels, op.integer("groups")};
  for (const auto& [what, channels] : {std::pair{"input", c.channels}, std::pair{"output", c.outputs}})
    if (std::string error = check_groups(what, channels, c.groups); !error.empty()) return failed(std::move(error));
  if (x.batch != y.batch)
    return failed(fmt::format("the batches of {} and {} differ", to_string(op.operands[0]), to_string(op.operands[1])));
  Windows windows = windows_over(op, x.spatial, op.integers("kernel"));
  c.window = std::move(windows.window);
  c.error = windows.error.empty() ? check_windows(c, y.spatial) : std::move(windows.error);
  return c;
}

}  // namespace nnc::ir
