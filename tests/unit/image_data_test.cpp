// CIFAR-10's files and image folders; images were written and read back by Pillow (tests/fixtures/make_data.py).
#include "runtime/data/dataset.h"
#include "runtime/data/image.h"
#include "runtime/random.h"
#include "tests/unit/data_field.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace nnc;
using Catch::Contains;
using test::field;
using test::TempDirectory;

namespace {

const std::string fixtures = std::string(NNC_SOURCE_DIR) + "/tests/fixtures/data/";
const ir::DataField label = field("label", ir::DType::u8);
const ir::DataField colour = field("image", ir::DType::u8, {3, 6, 8});
const ir::DataField grey = field("image", ir::DType::f32, {6, 8});
const ir::DataField cifar_image = field("image", ir::DType::u8, {3, 32, 32});

std::string fixture(const std::string& name) { return TempDirectory::read_bytes(fixtures + name); }

runtime::OpenedData opened(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  auto data = runtime::open_data(path, fields, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(data);
  return std::move(*data);
}

std::string error_of(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  CHECK_FALSE(runtime::open_data(path, fields, diagnostics));
  CHECK(diagnostics.count() == 1);
  return diagnostics.render();
}

/// A CIFAR record: the label, then planes of the constants 10, 20, 30, the very first pixel `first`.
std::string record(int label_value, int first) {
  std::string out(1, static_cast<char>(label_value));
  for (const char value : {10, 20, 30}) out.append(1024, value);
  out[1] = static_cast<char>(first);
  return out;
}

void write(const TempDirectory& dir, const std::string& name, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(dir.path(name)).parent_path());
  dir.write(name, bytes);
}

std::vector<std::int64_t> labels(const runtime::Dataset& data, std::size_t column) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < data.examples(); ++i) out.push_back(data.columns()[column].values.integer(i));
  return out;
}

}  // namespace

TEST_CASE("CIFAR batches are read in order of their numbers; the test batch validates") {
  const TempDirectory dir;
  dir.write("data_batch_10.bin", record(3, 103));
  dir.write("data_batch_2.bin", record(2, 102) + record(9, 109));
  dir.write("test_batch.bin", record(7, 107));
  const auto data = opened(dir.path(), {cifar_image, label});
  CHECK(labels(data.train, 1) == std::vector<std::int64_t>{2, 9, 3});
  const ir::Tensor& images = data.train.columns()[0].values;
  CHECK(ir::to_string(images.type()) == "u8[3,3,32,32]");
  CHECK(images.integer(0) == 102);
  CHECK(images.integer(1024) == 20);
  CHECK(images.integer(3072 - 1) == 30);
  CHECK(images.integer(2 * 3072) == 103);
  REQUIRE(data.validation);
  CHECK(labels(*data.validation, 1) == std::vector<std::int64_t>{7});
}

TEST_CASE("broken CIFAR files are one error") {
  const TempDirectory dir;
  dir.write("data_batch_1.bin", record(3, 0) + "x");
  CHECK_THAT(
      error_of(dir.path(), {cifar_image, label}),
      Contains("data_batch_1.bin: error: expected records of 3073 bytes") && Contains("found 1 and 1 bytes more"));
  dir.write("data_batch_1.bin", record(3, 0) + record(10, 0));
  CHECK_THAT(error_of(dir.path(), {label}), Contains("record 2, at byte 3073, has the label 10, expected 0 to 9"));
  dir.write("data_batch_1.bin", record(3, 0));
  CHECK_THAT(error_of(dir.path(), {field("image", ir::DType::u8, {32, 32, 3})}),
             Contains("field `image` is u8[32,32,3], but an example of the file has the shape [3,32,32]"));
  CHECK_THAT(error_of(dir.path(), {field("labels", ir::DType::u8)}), Contains("did you mean `label`?"));
  dir.write("data_batch_1.bin", "");
  CHECK_THAT(error_of(dir.path(), {label}), Contains("the file is empty"));
  const TempDirectory test_only;
  test_only.write("test_batch.bin", record(3, 0));
  CHECK_THAT(error_of(test_only.path(), {label}), Contains("expected the training files data_batch_1.bin"));
}

TEST_CASE("images have the pixels that Pillow reads, in colour and in grey") {
  for (const char* name : {"rgb.png", "grey.png", "alpha.png", "grey_alpha.png", "palette.png", "bits.png", "rgb.jpg",
                           "grey.jpg", "progressive.jpg"}) {
    std::string problem;
    const auto image = runtime::decode_image(fixture(name), {6, 8}, problem);
    INFO(name << ": " << problem);
    REQUIRE(image);
    // Decoders of JPEG may round differently by one.
    const int most = std::string(name).ends_with(".jpg") ? 1 : 0;
    for (const int channels : {3, 1}) {
      const std::string expected = fixture(std::string(name) + (channels == 3 ? ".rgb" : ".grey"));
      const std::vector<std::uint8_t> found = runtime::planes(*image, channels);
      REQUIRE(found.size() == expected.size());
      int worst = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        worst = std::max(worst, std::abs(int{found[i]} - int{static_cast<unsigned char>(expected[i])}));
      }
      CHECK(worst <= most);
    }
  }
}

TEST_CASE("folders are classes in sorted order") {
  const TempDirectory dir;
  write(dir, "dogs/b.PNG", fixture("rgb.png"));
  write(dir, "cats/z.png", fixture("grey.png"));
  write(dir, "cats/a.jpeg", fixture("rgb.jpg"));
  write(dir, "cats/.hidden", "x");
  const auto data = opened(dir.path(), {label, colour});
  CHECK_FALSE(data.validation);
  CHECK(labels(data.train, 0) == std::vector<std::int64_t>{0, 0, 1});
  CHECK(data.train.columns()[0].symbols == std::vector<std::string>{"cats", "dogs"});
  const std::string expected = fixture("rgb.png.rgb");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(data.train.columns()[1].values.integer(static_cast<std::int64_t>(2 * 144 + i)) ==
          static_cast<unsigned char>(expected[i]));
  }
  CHECK(opened(dir.path(), {grey}).train.columns()[0].values.real(48) ==
        static_cast<unsigned char>(fixture("grey.png.grey")[0]));

  ir::Diagnostics diagnostics;
  CHECK(runtime::check_ranges(data.train, {{"label", 1}}, "", diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains("dogs/b.PNG: error: field `label`: example 3 is 1"));
}

TEST_CASE("train/ and val/ divide an image folder; val/ is labelled by the classes of train/") {
  const TempDirectory dir;
  write(dir, "train/a/1.png", fixture("rgb.png"));
  write(dir, "train/b/1.png", fixture("rgb.png"));
  write(dir, "val/b/1.png", fixture("grey.png"));
  const auto data = opened(dir.path(), {label});
  CHECK(labels(data.train, 0) == std::vector<std::int64_t>{0, 1});
  REQUIRE(data.validation);
  CHECK(labels(*data.validation, 0) == std::vector<std::int64_t>{1});
  write(dir, "val/c/1.png", fixture("grey.png"));
  CHECK_THAT(error_of(dir.path(), {label}), Contains("val/c: error: the training data has no such class"));
}

TEST_CASE("broken image folders are one error that names the file") {
  const auto error = [](const std::string& name, const std::string& bytes, const std::string& place,
                        const ir::DataField& image = colour) {
    const TempDirectory dir;
    write(dir, "a/1.png", fixture("rgb.png"));
    write(dir, name, bytes);
    const std::string text = error_of(dir.path(), {image, label});
    CHECK_THAT(text, Contains((place.empty() ? dir.path() : dir.path(place)) + ": error: "));
    return text;
  };
  const std::string png = fixture("rgb.png"), jpeg = fixture("rgb.jpg");
  CHECK_THAT(error("a/2.png", png.substr(0, png.size() / 2), "a/2.png"), Contains("the PNG image is damaged"));
  std::string flipped = png;
  flipped[50] = static_cast<char>(flipped[50] ^ 1);
  CHECK_THAT(error("a/2.png", flipped, "a/2.png"), Contains("the PNG image is damaged"));
  CHECK_THAT(error("a/2.jpg", jpeg.substr(0, jpeg.size() / 2), "a/2.jpg"), Contains("the JPEG image is damaged"));
  CHECK_THAT(error("a/2.jpg", jpeg.substr(0, jpeg.size() - 30), "a/2.jpg"), Contains("the JPEG image is damaged: "));
  CHECK_THAT(error("a/2.jpg", fixture("cmyk.jpg"), "a/2.jpg"), Contains("has 4 colour channels, expected 1 or 3"));
  CHECK_THAT(error("a/2.png", "GIF89a", "a/2.png"), Contains("expected a PNG or JPEG image"));
  CHECK_THAT(error("a/2.png", "", "a/2.png"), Contains("the file is empty"));
  CHECK_THAT(error("a/notes.txt", "x", "a/notes.txt"), Contains("expected a .png, .jpg or .jpeg file"));
  CHECK_THAT(error("a/more/1.png", png, "a/more"), Contains("found a directory"));
  CHECK_THAT(error("1.png", png, "1.png"), Contains("an image beside the folders has no class"));
  CHECK_THAT(error("b/.hidden", "x", "b"), Contains("the class has no images"));
  CHECK_THAT(error("a/2.png", png, "", field("image", ir::DType::u8, {4, 6, 8})), Contains("with 1 or 3 channels"));

  // Each image of another size is an error.
  const TempDirectory dir;
  write(dir, "a/1.png", png);
  write(dir, "a/2.png", png);
  ir::Diagnostics diagnostics;
  CHECK_FALSE(runtime::open_data(dir.path(), {field("image", ir::DType::u8, {3, 8, 6}), label}, diagnostics));
  CHECK(diagnostics.count() == 2);
  CHECK_THAT(diagnostics.render(),
             Contains("a/2.png: error: the image has 6 x 8 pixels (height x width), expected 8 x 6"));
}

TEST_CASE("no corruption of an image crashes the reader") {
  runtime::Random random(11, 1);
  int rejected = 0;
  for (const char* name : {"rgb.png", "palette.png", "rgb.jpg", "progressive.jpg"}) {
    const std::string good = fixture(name);
    for (int round = 0; round < 400; ++round) {
      std::string bytes = good;
      for (std::uint64_t edits = random.below(3) + 1; edits > 0; --edits) {
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      }
      if (random.below(8) == 0) bytes.resize(random.below(bytes.size()) + 1);
      std::string problem;
      const auto image = runtime::decode_image(bytes, {6, 8}, problem);
      CHECK(image.has_value() == problem.empty());
      rejected += image ? 0 : 1;
    }
  }
  CHECK(rejected > 400);
}
