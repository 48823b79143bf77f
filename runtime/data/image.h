// PNG and JPEG images as bytes of grey or RGB.
//
// Grey becomes RGB by repetition, RGB becomes grey as 0.299 R + 0.587 G + 0.114 B. An alpha channel is dropped, samples
// of 16 bits keep their upper 8, colour profiles are not applied: what common readers of training data give. An image
// that is damaged anywhere is refused, not filled up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime {

struct ImageSize {
  std::int64_t height = 0, width = 0;
  bool operator==(const ImageSize&) const = default;
};

struct Image {
  ImageSize size;
  int channels = 0;                  // 1 or 3
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

/// The image in a file's bytes, or nothing and a `problem`. One of another size than `expected` is not decoded.
std::optional<Image> decode_image(std::string_view file, const ImageSize& expected, std::string& problem);

/// The image with so many channels, as planes: [channels, height, width].
std::vector<std::uint8_t> planes(const Image& image, int channels);

}  // namespace nnc::runtime
