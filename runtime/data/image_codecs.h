// What image.cpp asks of the two libraries.
#pragma once

#include "runtime/data/image.h"

namespace nnc::runtime {

std::optional<Image> decode_png(std::string_view file, const ImageSize& expected, std::string& problem);
std::optional<Image> decode_jpeg(std::string_view file, const ImageSize& expected, std::string& problem);

/// What is wrong with an image of this size.
std::string wrong_size(const ImageSize& found, const ImageSize& expected);

}  // namespace nnc::runtime
