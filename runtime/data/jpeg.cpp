// libjpeg reports errors by a jump out of its call, as libpng does (png.cpp). What it calls a warning, such as a file
// that ends early, leaves grey where the image should be: an error here.
#include "runtime/data/image_codecs.h"

#include <fmt/format.h>

#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>

namespace nnc::runtime {

namespace {

constexpr int most_scans = 100;  // of a progressive image: a small file can ask for very many

struct JpegReader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
  ImageSize found;
  Image image;
  JSAMPROW row = nullptr;

  ~JpegReader() { jpeg_destroy_decompress(&jpeg); }
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
  auto* reader = static_cast<JpegReader*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, reader->message);
  std::longjmp(reader->jump, 1);
}

void on_message(j_common_ptr jpeg, int level) {
  if (level < 0) on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  auto* reader = static_cast<JpegReader*>(jpeg->client_data);
  if (reader->jpeg.input_scan_number <= most_scans) return;
  std::snprintf(reader->message, sizeof(reader->message), "it has more than %d scans", most_scans);
  std::longjmp(reader->jump, 1);
}

/// Room for the pixels; apart, so that no destructor runs where a jump may pass.
void make_room(JpegReader& reader) {
  Image& image = reader.image;
  image.size = reader.found;
  image.channels = reader.jpeg.output_components;
  image.pixels.resize(static_cast<std::size_t>(image.size.height * image.size.width) *
                      static_cast<std::size_t>(image.channels));
}

enum class Outcome { done, other_size, other_colours, failed };

Outcome read(JpegReader& reader, std::string_view file, const ImageSize& expected) {
  jpeg_decompress_struct& jpeg = reader.jpeg;
  if (setjmp(reader.jump)) return Outcome::failed;
  jpeg_create_decompress(&jpeg);
  jpeg.client_data = &reader;
  jpeg.progress = &reader.progress;
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&jpeg, TRUE);
  reader.found = {jpeg.image_height, jpeg.image_width};
  if (!(reader.found == expected)) return Outcome::other_size;
  if (jpeg.num_components != 1 && jpeg.num_components != 3) return Outcome::other_colours;
  jpeg.out_color_space = jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  make_room(reader);
  while (jpeg.output_scanline < jpeg.output_height) {
    reader.row = reader.image.pixels.data() + static_cast<std::size_t>(jpeg.output_scanline) * jpeg.output_width *
                                                  static_cast<std::size_t>(jpeg.output_components);
    jpeg_read_scanlines(&jpeg, &reader.row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return Outcome::done;
}

}  // namespace

std::optional<Image> decode_jpeg(std::string_view file, const ImageSize& expected, std::string& problem) {
  JpegReader reader;
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.jpeg.client_data = &reader;
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.progress.progress_monitor = on_progress;
  switch (read(reader, file, expected)) {
    case Outcome::done: return std::move(reader.image);
    case Outcome::other_size: problem = wrong_size(reader.found, expected); break;
    case Outcome::other_colours:
      problem = fmt::format("the JPEG image has {} colour channels, expected 1 or 3", reader.jpeg.num_components);
      break;
    case Outcome::failed: problem = fmt::format("the JPEG image is damaged: {}", reader.message); break;
  }
  return std::nullopt;
}

}  // namespace nnc::runtime
