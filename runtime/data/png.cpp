// libpng reports errors by a jump out of its call: between `setjmp` and the end of decoding nothing with a destructor is
// made, and what changes lies in one object outside.
#include "runtime/data/image_codecs.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

namespace nnc::runtime {

namespace {

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view rest;
  char message[128] = {};
  ImageSize found;
  Image image;
  std::vector<png_bytep> rows;

  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp message) {
  auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
  std::strncpy(reader->message, message, sizeof(reader->message) - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, std::size_t count) {
  auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
  if (count > reader->rest.size()) png_error(png, "the file ends within the image");
  std::memcpy(out, reader->rest.data(), count);
  reader->rest.remove_prefix(count);
}

/// Room for the rows; apart, so that no destructor runs where a jump may pass.
void make_room(PngReader& reader) {
  Image& image = reader.image;
  image.size = reader.found;
  image.channels = png_get_channels(reader.png, reader.info);
  const std::size_t row = png_get_rowbytes(reader.png, reader.info);
  image.pixels.resize(row * static_cast<std::size_t>(image.size.height));
  for (std::int64_t y = 0; y < image.size.height; ++y) {
    reader.rows.push_back(image.pixels.data() + static_cast<std::size_t>(y) * row);
  }
}

enum class Outcome { done, other_size, failed };

Outcome read(PngReader& reader, const ImageSize& expected) {
  if (setjmp(png_jmpbuf(reader.png))) return Outcome::failed;
  png_set_read_fn(reader.png, &reader, on_read);
  png_read_info(reader.png, reader.info);
  reader.found = {png_get_image_height(reader.png, reader.info), png_get_image_width(reader.png, reader.info)};
  if (!(reader.found == expected)) return Outcome::other_size;
  png_set_expand(reader.png);  // palettes to RGB, less than 8 bits to 8
  png_set_strip_16(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  make_room(reader);
  png_read_image(reader.png, reader.rows.data());
  png_read_end(reader.png, nullptr);
  return Outcome::done;
}

}  // namespace

std::optional<Image> decode_png(std::string_view file, const ImageSize& expected, std::string& problem) {
  PngReader reader;
  reader.rest = file;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) {
    problem = "no memory to decode it";
    return std::nullopt;
  }
  switch (read(reader, expected)) {
    case Outcome::done: return std::move(reader.image);
    case Outcome::other_size: problem = wrong_size(reader.found, expected); break;
    case Outcome::failed: problem = fmt::format("the PNG image is damaged: {}", reader.message); break;
  }
  return std::nullopt;
}

}  // namespace nnc::runtime
