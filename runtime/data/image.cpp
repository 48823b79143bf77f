#include "runtime/data/image.h"

#include "ir/check.h"
#include "runtime/data/file.h"
#include "runtime/data/image_codecs.h"

#include <fmt/format.h>

namespace nnc::runtime {

std::string wrong_size(const ImageSize& found, const ImageSize& expected) {
  return fmt::format("the image has {} x {} pixels (height x width), expected {} x {}", found.height, found.width,
                     expected.height, expected.width);
}

std::optional<Image> decode_image(std::string_view file, const ImageSize& expected, std::string& problem) {
  if (file.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(file, expected, problem);
  if (file.starts_with("\xff\xd8\xff")) return decode_jpeg(file, expected, problem);
  problem = fmt::format("expected a PNG or JPEG image, found a file that begins with `{}`", printable(file, 8));
  return std::nullopt;
}

std::vector<std::uint8_t> planes(const Image& image, int channels) {
  const auto area = static_cast<std::size_t>(image.size.height * image.size.width);
  NNC_CHECK(image.pixels.size() == area * static_cast<std::size_t>(image.channels), "{} bytes of {} pixels",
            image.pixels.size(), area);
  std::vector<std::uint8_t> out(area * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < area; ++i) {
    if (image.channels == 1) {
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) out[c * area + i] = image.pixels[i];
      continue;
    }
    const std::uint8_t* rgb = &image.pixels[3 * i];
    if (channels == 3) {
      for (std::size_t c = 0; c < 3; ++c) out[c * area + i] = rgb[c];
    } else {
      // The weights as multiples of 2^-16.
      out[i] = static_cast<std::uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
    }
  }
  return out;
}

}  // namespace nnc::runtime
