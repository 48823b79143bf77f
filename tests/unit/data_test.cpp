#include "ir/check.h"
#include "runtime/data/dataset.h"
#include "runtime/data/file.h"
#include "runtime/random.h"
#include "tests/unit/data_field.h"
#include "tests/unit/temp_directory.h"

#include <zlib.h>
#include <catch2/catch.hpp>

#include <cstring>
#include <numeric>

using namespace nnc;
using Catch::Contains;
using runtime::Dataset;
using test::field;
using test::TempDirectory;

namespace {

const ir::DataField image = field("image", ir::DType::u8, {2, 3});
const ir::DataField label = field("label", ir::DType::u8);

/// An IDX file; `code` is its element type, `elements` its raw bytes.
std::string idx(int code, const std::vector<std::uint32_t>& dims, const std::string& elements) {
  std::string out{'\0', '\0', static_cast<char>(code), static_cast<char>(dims.size())};
  for (const std::uint32_t dim : dims) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(dim >> shift & 0xff);
  }
  return out + elements;
}

std::string gzip(const std::string& bytes) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, bytes.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// Bytes first, first + 1, ...
std::string ramp(std::size_t count, int first = 0) {
  std::string out(count, '\0');
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<char>(first + static_cast<int>(i));
  return out;
}

/// Four images of 2 x 3 and their labels.
const std::string images = idx(8, {4, 2, 3}, ramp(24));
const std::string labels = idx(8, {4}, ramp(4, 5));

void write_train(const TempDirectory& dir, const std::string& image_bytes, const std::string& label_bytes) {
  dir.write("train-images-idx3-ubyte", image_bytes);
  dir.write("train-labels-idx1-ubyte", label_bytes);
}

/// What opening `path` reports; fails if it succeeds.
std::string error_of(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  CHECK_FALSE(runtime::open_data(path, fields, diagnostics));
  CHECK(diagnostics.failed());
  return diagnostics.render();
}

std::string only_error(const std::string& path, const std::vector<ir::DataField>& fields) {
  const std::string text = error_of(path, fields);
  CHECK(text.find("error: ") == text.rfind("error: "));
  return text;
}

runtime::OpenedData opened(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  auto data = runtime::open_data(path, fields, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(data);
  REQUIRE_FALSE(diagnostics.failed());
  return std::move(*data);
}

const std::vector<std::int64_t> two_and_zero{2, 0};

}  // namespace

TEST_CASE("an IDX directory gives its columns by field name, plain and gzip") {
  const TempDirectory plain, packed;
  write_train(plain, images, labels);
  packed.write("train-images-idx3-ubyte.gz", gzip(images));
  packed.write("train-labels-idx1-ubyte.gz", gzip(labels));
  for (const TempDirectory* dir : {&plain, &packed}) {
    const auto data = opened(dir->path(), {label, image});
    CHECK(data.train.examples() == 4);
    CHECK_FALSE(data.validation);
    std::vector<ir::Tensor> batch;
    data.train.gather(two_and_zero, batch);
    REQUIRE(batch.size() == 2);
    CHECK(ir::to_string(batch[0].type()) == "u8[2]");
    CHECK(batch[0].integer(0) == 7);
    CHECK(batch[0].integer(1) == 5);
    CHECK(ir::to_string(batch[1].type()) == "u8[2,2,3]");
    CHECK(batch[1].integer(0) == 12);
    CHECK(batch[1].integer(11) == 5);
  }
}

TEST_CASE("an IDX directory's t10k files validate; a model may take one column only") {
  const TempDirectory dir;
  write_train(dir, images, labels);
  dir.write("t10k-labels.idx1-ubyte", idx(8, {2}, ramp(2, 40)));
  const auto data = opened(dir.path(), {label});
  REQUIRE(data.validation);
  CHECK(data.validation->examples() == 2);
  CHECK(data.validation->columns()[0].values.integer(1) == 41);

  ir::Diagnostics diagnostics;
  const auto valid = runtime::open_validation(dir.path(), {label}, Dataset(), diagnostics);
  REQUIRE(valid);
  CHECK(valid->examples() == 2);
  const auto without = runtime::open_data(dir.path(), {label, image}, diagnostics, /*want_validation=*/false);
  REQUIRE(without);
  CHECK_FALSE(without->validation);
  CHECK_THAT(only_error(dir.path(), {label, image}), Contains("field `image` needs a file t10k-images-idx3-ubyte"));
}

TEST_CASE("open_validation takes train files where there are no t10k files") {
  const TempDirectory dir;
  write_train(dir, images, labels);
  ir::Diagnostics diagnostics;
  const auto valid = runtime::open_validation(dir.path(), {label}, Dataset(), diagnostics);
  REQUIRE(valid);
  CHECK(valid->examples() == 4);
}

TEST_CASE("IDX elements are cast where that loses nothing") {
  const TempDirectory dir;
  dir.write("train-labels-idx1-ubyte", idx(8, {2}, std::string("\x00\xff", 2)));
  const auto real = opened(dir.path(), {field("label", ir::DType::f32)});
  CHECK(real.train.columns()[0].values.real(1) == 255);
  CHECK(opened(dir.path(), {field("label", ir::DType::i64)}).train.columns()[0].values.integer(1) == 255);
  CHECK_THAT(
      only_error(dir.path(), {field("label", ir::DType::boolean)}),
      Contains("train-labels-idx1-ubyte: error: field `label`: example 2 has 255, which is outside bool's 0 to 1"));

  dir.write("train-labels-idx1-ubyte", idx(9, {2}, std::string("\x80\x7f", 2)));  // signed bytes
  CHECK(opened(dir.path(), {field("label", ir::DType::i32)}).train.columns()[0].values.integer(0) == -128);
  CHECK_THAT(only_error(dir.path(), {label}), Contains("example 1 has -128, which is outside u8's 0 to 255"));

  dir.write("train-labels-idx1-ubyte", idx(11, {2}, std::string("\xff\xfe\x01\x00", 4)));  // big-endian i16
  const auto shorts = opened(dir.path(), {field("label", ir::DType::i32)});
  CHECK(shorts.train.columns()[0].values.integer(0) == -2);
  CHECK(shorts.train.columns()[0].values.integer(1) == 256);

  dir.write("train-labels-idx1-ubyte", idx(13, {2}, std::string("\x40\x00\x00\x00\x3f\x00\x00\x00", 8)));  // 2, 0.5
  CHECK(opened(dir.path(), {field("label", ir::DType::f64)}).train.columns()[0].values.real(1) == 0.5);
  CHECK_THAT(only_error(dir.path(), {label}), Contains("example 2 has 0.5, which is not a whole number, as u8 needs"));

  dir.write("train-labels-idx1-ubyte", idx(14, {1}, std::string("\x7f\xf0\0\0\0\0\0\0", 8)));  // infinity
  CHECK_THAT(only_error(dir.path(), {field("label", ir::DType::f32)}), Contains("which is not a finite number"));
}

TEST_CASE("broken IDX files are one error that names the file, what was expected and found") {
  const TempDirectory dir;
  const auto with_images = [&](const std::string& bytes) {
    dir.write("train-images-idx3-ubyte", bytes);
    dir.write("train-labels-idx1-ubyte", labels);
    const std::string text = only_error(dir.path(), {image, label});
    CHECK_THAT(text, Contains(dir.path("train-images-idx3-ubyte: error: ")));
    return text;
  };
  CHECK_THAT(with_images(""), Contains("the file is empty"));
  CHECK_THAT(with_images(images.substr(0, 3)), Contains("the file ends within it"));
  CHECK_THAT(with_images(images.substr(0, 10)), Contains("the file ends within it"));
  CHECK_THAT(with_images(images.substr(0, images.size() - 1)),
             Contains("the header says [4,2,3] and more") || Contains("[4,2,3], 24 bytes, but there are 23"));
  CHECK_THAT(with_images(images + "x"), Contains("[4,2,3], 24 bytes, but there are more"));
  CHECK_THAT(with_images("PNG" + images.substr(3)), Contains("found the bytes 50 4e 47 03"));
  CHECK_THAT(with_images(idx(10, {4, 2, 3}, ramp(24))), Contains("expected an IDX header"));
  CHECK_THAT(with_images(idx(8, {0, 2, 3}, "")), Contains("the header says [0]: there are no elements"));
  CHECK_THAT(with_images(idx(8, {0xffffffff, 0xffffffff, 0xffffffff}, "")), Contains("more than the file holds"));
  CHECK_THAT(with_images(idx(8, {4, 3, 2}, ramp(24))),
             Contains("field `image` is u8[2,3], but an example of the file has the shape [3,2]"));
}

TEST_CASE("images and labels must be equally many") {
  const TempDirectory dir;
  write_train(dir, images, idx(8, {3}, ramp(3)));
  CHECK_THAT(only_error(dir.path(), {image, label}),
             Contains(dir.path("train-labels-idx1-ubyte: error: 3 examples, but ")) &&
                 Contains("train-images-idx3-ubyte has 4"));
}

TEST_CASE("broken gzip files are one error") {
  const TempDirectory dir;
  std::string noise(24 * 400, '\0');
  runtime::Random random(1, 1);
  for (char& c : noise) c = static_cast<char>(random.below(256));
  const std::string packed = gzip(idx(8, {1600, 2, 3}, noise));
  const std::string path = dir.path("train-images-idx3-ubyte.gz");
  const auto error = [&](const std::string& bytes) {
    dir.write("train-images-idx3-ubyte.gz", bytes);
    const std::string text = only_error(dir.path(), {image});
    CHECK_THAT(text, Contains(path + ": error: "));
    return text;
  };
  CHECK_THAT(error(packed.substr(0, packed.size() / 2)),
             Contains("the header says [1600,2,3], 9600 bytes, but there are ") && Contains("stream is truncated"));
  CHECK_THAT(error(packed.substr(0, packed.size() - 4)), Contains("the gzip stream is truncated"));
  CHECK_THAT(error(packed.substr(0, 12)), Contains("the gzip stream is truncated"));
  std::string flipped = packed;
  flipped[flipped.size() - 6] = static_cast<char>(flipped[flipped.size() - 6] ^ 1);  // of the checksum
  CHECK_THAT(error(flipped), Contains("the gzip stream is corrupted (incorrect data check)"));
  CHECK_THAT(error(images), Contains("not a gzip file, as its name says"));
  CHECK_THAT(error(packed + "trailing"), Contains("corrupted"));
  CHECK_THAT(error(gzip(idx(8, {1600, 2, 3}, noise + "x"))), Contains("but there are more"));
  CHECK_THAT(error(gzip(idx(8, {4000000, 2, 3}, noise))), Contains("more than the file holds"));
}

TEST_CASE("a gzip file of several members is read as one") {
  const TempDirectory dir;
  dir.write("train-images-idx3-ubyte.gz", gzip(images.substr(0, 20)) + gzip(images.substr(20)));
  CHECK(opened(dir.path(), {image}).train.columns()[0].values.integer(23) == 23);
}

TEST_CASE("a decompression bomb is cut at the limit") {
  const runtime::Inflated bomb = runtime::inflate(gzip(std::string(1 << 20, 'x')), 100, runtime::Wrapping::gzip);
  CHECK(bomb.bytes == std::string(100, 'x'));
  CHECK(bomb.more);
}

TEST_CASE("the path tells the format; others are errors that list what is supported") {
  const TempDirectory dir;
  const std::string list =
      "expected a directory with IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, plain "
      "or .gz), CIFAR-10's binary files (data_batch_1.bin) or a folder of images for each class; a .csv, .npy or .npz "
      "file; a text file for a field of chars; a token file (u16) for one of tokens; found ";
  CHECK_THAT(only_error(dir.path("none"), {image}), Contains("none: error: cannot read it: No such file or directory"));
  CHECK_THAT(only_error(dir.path(), {image}), Contains(list + "an empty directory"));
  CHECK_THAT(only_error(dir.write("shakespeare.txt", "x"), {image}), Contains(list + "a file of another kind"));
  CHECK_THAT(only_error(dir.path(), {image}), Contains(list + "a directory with files of another kind"));
  CHECK_THAT(only_error(dir.write("data_batch_1.bin", "x"), {image}), Contains(list + "a file of another kind"));
  CHECK_THAT(only_error(dir.write("train-images-idx3-ubyte", images), {image}),
             Contains(list + "an IDX file: name its directory"));
  CHECK_THAT(only_error("/dev/null", {image}), Contains(list + "a device, pipe or socket"));
  const TempDirectory folders;
  std::filesystem::create_directory(folders.path("x.csv"));
  CHECK_THAT(only_error(folders.path("x.csv"), {image}), Contains(list + "an empty directory"));
}

TEST_CASE("fields that the data has no column for") {
  const TempDirectory dir;
  write_train(dir, images, labels);
  CHECK_THAT(only_error(dir.path(), {field("labels", ir::DType::u8)}),
             Contains("no column for field `labels`: an IDX directory has `image` and `label`; did you mean `label`?"));
  ir::DataField text = field("text", ir::DType::i32, {8});
  text.source = ir::DataField::Source::chars;
  CHECK_THAT(only_error(dir.path(), {text}), Contains("field `text` is chars, which a text file fills"));
  CHECK_THAT(only_error(dir.path(), {field("image", ir::DType::bf16, {2, 3})}), Contains("is bf16"));
  const TempDirectory test_only;
  test_only.write("t10k-labels-idx1-ubyte", labels);
  CHECK_THAT(only_error(test_only.path(), {label}),
             Contains("field `label` needs a file train-labels-idx1-ubyte or the same with .gz, found none"));
}

TEST_CASE("values outside what the model indexes are an error with the example") {
  const TempDirectory dir;
  write_train(dir, images, labels);  // labels 5, 6, 7, 8
  const auto data = opened(dir.path(), {image, label});
  ir::Diagnostics diagnostics;
  CHECK(runtime::check_ranges(data.train, {{"label", 9}}, dir.path(), diagnostics) == ir::Status::ok);
  CHECK(runtime::check_ranges(data.train, {{"label", 8}}, dir.path(), diagnostics) == ir::Status::failed);
  CHECK(diagnostics.render() == dir.path("train-labels-idx1-ubyte") +
                                    ": error: field `label`: example 4 is 8, but the model has 8 classes (values 0 to "
                                    "7)\n");
}

TEST_CASE("a part of a split still knows its examples' numbers in the file") {
  const TempDirectory dir;
  write_train(dir, images, labels);
  const auto data = opened(dir.path(), {image, label});
  const auto [rest, part] = data.train.split({1, 3});
  CHECK(rest.examples() == 2);
  CHECK(part.examples() == 2);
  CHECK(rest.columns()[1].values.integer(1) == 7);
  CHECK(part.columns()[1].values.integer(0) == 6);
  CHECK(part.columns()[0].values.integer(6) == 18);
  ir::Diagnostics diagnostics;
  CHECK(runtime::check_ranges(rest, {{"label", 7}}, "", diagnostics) == ir::Status::failed);
  CHECK(runtime::check_ranges(part, {{"label", 8}}, "", diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains("example 3 is 7") && Contains("example 4 is 8"));
  const auto [again, last] = part.split({1});
  CHECK(last.number_in_file(0) == 3);
  CHECK(again.number_in_file(0) == 1);
}

TEST_CASE("negative indices are outside every range") {
  ir::Tensor values(ir::Type{ir::DType::i32, {2}, {}});
  values.set_integer(1, -1);
  const Dataset data({{field("label", ir::DType::i32), values}}, 2);
  ir::Diagnostics diagnostics;
  CHECK(runtime::check_ranges(data, {{"label", 10}}, "here", diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains("here: error: field `label`: example 2 is -1"));
}

TEST_CASE("synthetic data stays in its ranges and depends on the seed alone") {
  ir::DataField chars = field("text", ir::DType::i32, {7});
  chars.vocabulary = 5;
  const std::vector<ir::DataField> fields{image,
                                          label,
                                          field("x", ir::DType::f32, {3}),
                                          chars,
                                          field("flag", ir::DType::boolean),
                                          field("id", ir::DType::i64)};
  const Dataset data = runtime::synthetic(fields, {{"label", 3}}, 200, 7);
  CHECK(data.examples() == 200);
  const auto extremes = [&](std::size_t column) {
    const ir::Tensor& values = data.columns()[column].values;
    std::pair<double, double> out{values.real(0), values.real(0)};
    for (std::int64_t i = 0; i < values.elements(); ++i) {
      out = {std::min(out.first, values.real(i)), std::max(out.second, values.real(i))};
    }
    return out;
  };
  CHECK(extremes(0) == std::pair(0.0, 255.0));
  CHECK(extremes(1) == std::pair(0.0, 2.0));
  CHECK(extremes(2).first >= 0);
  CHECK(extremes(2).first < 0.1);
  CHECK(extremes(2).second < 1);
  CHECK(extremes(2).second > 0.9);
  CHECK(extremes(3) == std::pair(0.0, 4.0));
  CHECK(extremes(4) == std::pair(0.0, 1.0));
  CHECK(extremes(5).first < -1e17);
  CHECK(extremes(5).second > 1e17);
  const Dataset same = runtime::synthetic(fields, {{"label", 3}}, 200, 7);
  const Dataset other = runtime::synthetic(fields, {{"label", 3}}, 200, 8);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    CHECK(data.columns()[i].values == same.columns()[i].values);
    CHECK_FALSE(data.columns()[i].values == other.columns()[i].values);
  }
}

TEST_CASE("no corruption of an IDX directory crashes the reader") {
  const TempDirectory dir;
  const std::string packed = gzip(images);
  runtime::Random random(20, 1);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    const bool zipped = round % 2 == 1;
    std::string bytes = zipped ? packed : images;
    for (std::uint64_t edits = random.below(4) + 1; edits > 0; --edits) {
      const std::size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0: bytes.resize(at + 1); break;
        case 1: bytes.insert(at, 1, static_cast<char>(random.below(256))); break;
        default: bytes[at] = static_cast<char>(random.below(256)); break;
      }
    }
    std::filesystem::remove(dir.path("train-images-idx3-ubyte"));
    std::filesystem::remove(dir.path("train-images-idx3-ubyte.gz"));
    dir.write(zipped ? "train-images-idx3-ubyte.gz" : "train-images-idx3-ubyte", bytes);
    ir::Diagnostics diagnostics;
    const auto data = runtime::open_data(dir.path(), {image}, diagnostics);
    CHECK(data.has_value() != diagnostics.failed());
    if (data) {
      ++accepted;
      // Nothing but elements may have changed: the shape is checked.
      CHECK(data->train.columns()[0].values.type() == ir::Type{ir::DType::u8, {data->train.examples(), 2, 3}, {}});
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 2000);
}
