#include "ir/ops/window.h"

#include <fmt/format.h>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

/// Beyond any real use; products of a few of them stay within 64 bits.
constexpr std::int64_t largest = std::int64_t{1} << 24;

/// How many elements a window spans in one dimension.
std::int64_t span_of(std::int64_t kernel, std::int64_t dilation) { return (kernel - 1) * dilation + 1; }

std::string check_range(std::string_view name, const Integers& values, std::int64_t least) {
  for (const std::int64_t value : values)
    if (value < least || value > largest)
      return fmt::format("`{}` has {}, expected at least {}{}", name, value, least,
                         value > largest ? fmt::format(" and at most {}", largest) : "");
  return "";
}

bool has_attr(const OpView& op, std::string_view name) {
  for (const AttrDef& attr : op.def->attrs)
    if (attr.name == name) return true;
  return false;
}

}  // namespace

Image image_of(const Type& type, bool channels_last) {
  Image image;
  image.batch = type.shape[0];
  const auto first = type.shape.begin() + (channels_last ? 1 : 2), last = type.shape.end() - (channels_last ? 1 : 0);
  image.spatial.assign(first, last);
  image.channels = channels_last ? type.shape.back() : type.shape[1];
  const std::int64_t positions = image.positions();
  image.batch_stride = image.channels * positions;
  image.channel_stride = channels_last ? 1 : positions;
  image.position_stride = channels_last ? image.channels : 1;
  return image;
}

Shape image_shape(std::int64_t batch, std::int64_t channels, const Shape& spatial, bool channels_last) {
  Shape shape{batch};
  if (!channels_last) shape.push_back(channels);
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  if (channels_last) shape.push_back(channels);
  return shape;
}

std::vector<AttrDef> window_attrs(std::vector<AttrDef> further) {
  std::vector<AttrDef> attrs{{"stride", AttrKind::integers, Attr(Integers{})},
                             {"low", AttrKind::integers, Attr(Integers{})},
                             {"high", AttrKind::integers, Attr(Integers{})},
                             {"channels_last", AttrKind::boolean, Attr(false)}};
  attrs.insert(attrs.end(), further.begin(), further.end());
  return attrs;
}

Integers per_dimension(const Integers& given, std::size_t rank, std::int64_t absent) {
  if (given.size() == rank) return given;
  if (given.size() == 1) return Integers(rank, given[0]);
  return given.empty() ? Integers(rank, absent) : Integers{};
}

std::string check_image(const Type& type) {
  if (!is_float(type.dtype)) return fmt::format("expected floats, found {}", to_string(type));
  if (type.rank() < 3 || type.rank() > 5)
    return fmt::format("expected an image of 1 to 3 spatial dimensions behind batch and channels, found {}",
                       to_string(type));
  return "";
}

// With `ceil`, a window that lies partly behind what `high` adds counts too, if it begins within the image or what
// `low` adds; `high` becomes what the last window needs.
Windows windows_over(const OpView& op, const Shape& input, const Integers& kernel, const Integers& stride_absent) {
  Windows windows;
  Window& window = windows.window;
  const std::size_t rank = input.size();
  window.input = input;
  const auto attribute = [&](std::string_view name, std::int64_t absent) {
    const Integers& given = op.integers(name);
    Integers spread = per_dimension(given, rank, absent);
    if (spread.empty() && windows.error.empty())
      windows.error = fmt::format("`{}` has {} numbers for {} spatial dimensions", name, given.size(), rank);
    return spread;
  };
  window.kernel = per_dimension(kernel, rank, 0);
  if (window.kernel.empty())
    windows.error = fmt::format("`kernel` has {} numbers for {} spatial dimensions", kernel.size(), rank);
  window.stride = op.integers("stride").empty() && !stride_absent.empty() ? per_dimension(stride_absent, rank, 1)
                                                                          : attribute("stride", 1);
  window.low = attribute("low", 0);
  window.high = attribute("high", 0);
  window.dilation = has_attr(op, "dilation") ? attribute("dilation", 1) : Integers(rank, 1);
  const bool ceil = has_attr(op, "ceil") && op.flag("ceil");
  for (const auto& [name, values, least] :
       {std::tuple{"kernel", &window.kernel, 1}, std::tuple{"stride", &window.stride, 1},
        std::tuple{"low", &window.low, 0}, std::tuple{"high", &window.high, 0},
        std::tuple{"dilation", &window.dilation, 1}})
    if (windows.error.empty()) windows.error = check_range(name, *values, least);
  if (!windows.error.empty()) return windows;

  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t span = span_of(window.kernel[d], window.dilation[d]), stride = window.stride[d];
    const std::int64_t padded = input[d] + window.low[d] + window.high[d];
    if (padded < span) {
      windows.error = fmt::format("a window of {} does not fit spatial dimension {}, which has {}{}", span, d, input[d],
                                  padded == input[d] ? "" : fmt::format(" and with padding {}", padded));
      return windows;
    }
    std::int64_t count = (padded - span) / stride + 1;
    if (ceil && (padded - span) % stride != 0 && count * stride < input[d] + window.low[d]) ++count;
    if (ceil) window.high[d] = std::max<std::int64_t>((count - 1) * stride + span - input[d] - window.low[d], 0);
    window.output.push_back(count);
  }
  return windows;
}

std::vector<std::int64_t> coordinates_of(std::int64_t position, const Shape& shape) {
  Integers at(shape.size());
  for (std::size_t d = shape.size(); d-- > 0; position /= shape[d]) at[d] = position % shape[d];
  return at;
}

Integers element_at(const Window& window, const Integers& of_window, const Integers& in_window) {
  Integers at(window.rank());
  for (std::size_t d = 0; d < at.size(); ++d) {
    at[d] = of_window[d] * window.stride[d] - window.low[d] + in_window[d] * window.dilation[d];
    if (at[d] < 0 || at[d] >= window.input[d]) return {};
  }
  return at;
}

std::vector<std::int64_t> window_positions(const Window& window) {
  const std::int64_t elements = window.elements(), windows = element_count(window.output);
  Integers positions;
  positions.reserve(static_cast<std::size_t>(elements * windows));
  for (std::int64_t k = 0; k < elements; ++k) {
    const Integers in_window = coordinates_of(k, window.kernel);
    for (std::int64_t w = 0; w < windows; ++w) {
      const Integers at = element_at(window, coordinates_of(w, window.output), in_window);
      std::int64_t position = at.empty() ? -1 : 0;
      for (std::size_t d = 0; d < at.size(); ++d) position = position * window.input[d] + at[d];
      positions.push_back(position);
    }
  }
  return positions;
}

}  // namespace nnc::ir
