// What convolution and pooling share: windows that slide over the spatial dimensions of images.
//
// An image is [N, C, spatial..], or [N, spatial.., C] where `channels_last` says so. Per spatial dimension a window has
// `kernel` elements, `dilation` apart; window i begins at i * stride - low. What lies outside of the image, `low` before
// it and `high` behind it, counts as nothing. The attributes hold one number a dimension; one number alone is for all.
#pragma once

#include "ir/op.h"

#include <string>
#include <vector>

namespace nnc::ir {

struct Image {
  std::int64_t batch = 0, channels = 0;
  Shape spatial;
  // In elements of the dense tensor.
  std::int64_t batch_stride = 0, channel_stride = 0, position_stride = 0;

  std::int64_t positions() const { return element_count(spatial); }
};
Image image_of(const Type& type, bool channels_last);
Shape image_shape(std::int64_t batch, std::int64_t channels, const Shape& spatial, bool channels_last);

struct Window {
  Shape input, output;  // spatial extents of the image, and of the windows
  std::vector<std::int64_t> kernel, stride, low, high, dilation;

  std::size_t rank() const { return input.size(); }
  std::int64_t elements() const { return element_count(kernel); }
};

/// The attributes that all ops with windows have.
std::vector<AttrDef> window_attrs(std::vector<AttrDef> further);

/// Windows of that kernel over an image of those spatial extents. `stride_absent` is the stride where none is given.
struct Windows {
  Window window;
  std::string error;
};
Windows windows_over(const OpView& op, const Shape& input, const std::vector<std::int64_t>& kernel,
                     const std::vector<std::int64_t>& stride_absent = {});
/// One number a dimension; one alone is for all. Nothing if there are more or fewer.
std::vector<std::int64_t> per_dimension(const std::vector<std::int64_t>& given, std::size_t rank, std::int64_t absent);
/// What is wrong with an image, or nothing.
std::string check_image(const Type& type);

/// For each window element and window, row-major, [kernel elements, windows]: its position in the image's spatial
/// extents, row-major; -1 outside.
std::vector<std::int64_t> window_positions(const Window& window);

/// Coordinates, row-major.
std::vector<std::int64_t> coordinates_of(std::int64_t position, const Shape& shape);
/// The image coordinates of a window's element; empty outside of the image.
std::vector<std::int64_t> element_at(const Window& window, const std::vector<std::int64_t>& of_window,
                                     const std::vector<std::int64_t>& in_window);

}  // namespace nnc::ir
