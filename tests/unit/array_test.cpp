// NumPy's arrays and archives (runtime/data/npy.h), from files that NumPy wrote (tests/fixtures/make_data.py).
#include "runtime/data/dataset.h"
#include "runtime/random.h"
#include "tests/unit/data_field.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

#include <functional>

using namespace nnc;
using Catch::Contains;
using test::field;
using test::TempDirectory;

namespace {

const std::string fixtures = std::string(NNC_SOURCE_DIR) + "/tests/fixtures/data/";
const ir::DataField image = field("image", ir::DType::u8, {2, 3});
const ir::DataField label = field("label", ir::DType::u8);

runtime::Dataset opened(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  auto data = runtime::open_data(path, fields, diagnostics);
  INFO(path << "\n" << diagnostics.render());
  REQUIRE(data);
  CHECK_FALSE(data->validation);
  return std::move(data->train);
}

std::string error_of(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  CHECK_FALSE(runtime::open_data(path, fields, diagnostics));
  CHECK(diagnostics.count() == 1);
  return diagnostics.render();
}

std::string fixture(const std::string& name) { return TempDirectory::read_bytes(fixtures + name); }

/// The first place of `part` in a fixture, replaced by as many bytes.
std::string with(const std::string& bytes, const std::string& part, const std::string& other) {
  const std::size_t at = bytes.find(part);
  REQUIRE(at != std::string::npos);
  REQUIRE(part.size() == other.size());
  return std::string(bytes).replace(at, part.size(), other);
}

}  // namespace

TEST_CASE("arrays of every kind, byte order, element order and version are read") {
  struct Case {
    const char* file;
    ir::DType dtype;
    std::function<double(int)> element;
  };
  const std::vector<Case> cases = {
      {"u8.npy", ir::DType::u8, [](int i) { return i; }},
      {"u8.npy", ir::DType::f32, [](int i) { return i; }},
      {"f32_v2.npy", ir::DType::f32, [](int i) { return i / 2.0; }},
      {"f64_big_v3.npy", ir::DType::f32, [](int i) { return i / 4.0; }},
      {"f64_big_v3.npy", ir::DType::f64, [](int i) { return i / 4.0; }},
      {"i32_fortran.npy", ir::DType::i32, [](int i) { return i - 9; }},
      {"i64_big_fortran.npy", ir::DType::i64, [](int i) { return i * 0x1p40; }},
      {"u16_big.npy", ir::DType::u16, [](int i) { return i * 1000.0; }},
      {"i16.npy", ir::DType::i32, [](int i) { return i - 12; }},
      {"u32.npy", ir::DType::i64, [](int i) { return i * 1e8; }},
      {"bool.npy", ir::DType::boolean, [](int i) { return i % 3 == 0; }},
  };
  for (const Case& c : cases) {
    const auto data = opened(fixtures + c.file, {field("x", c.dtype, {2, 3})});
    CHECK(data.examples() == 4);
    const ir::Tensor& values = data.columns()[0].values;
    CHECK(values.type().dtype == c.dtype);
    for (int i = 0; i < 24; ++i) {
      INFO(c.file << " element " << i);
      CHECK(values.real(i) == c.element(i));
    }
  }
}

TEST_CASE("arrays that are not a field's are one error") {
  const ir::DataField f32 = field("x", ir::DType::f32, {2, 3});
  CHECK_THAT(error_of(fixtures + "nan.npy", {f32}),
             Contains("nan.npy: error: field `x`: example 3 has nan, which is not a finite number"));
  CHECK_THAT(error_of(fixtures + "nan.npy", {image}), Contains("example 3 has nan"));
  CHECK_THAT(error_of(fixtures + "f32_v2.npy", {image}), Contains("example 1 has 0.5, which is not a whole number"));
  CHECK_THAT(error_of(fixtures + "u16_big.npy", {image}), Contains("example 1 has 1000, which is outside u8's"));
  CHECK_THAT(error_of(fixtures + "half.npy", {f32}), Contains("its elements are `<f2`, expected bool, i1"));
  CHECK_THAT(error_of(fixtures + "records.npy", {f32}), Contains("its elements are records"));
  CHECK_THAT(error_of(fixtures + "scalar.npy", {f32}), Contains("it is a single value"));
  CHECK_THAT(error_of(fixtures + "empty.npy", {f32}), Contains("its shape is [0,2,3]: there are no elements"));
  CHECK_THAT(error_of(fixtures + "u8.npy", {field("x", ir::DType::u8, {3, 2})}),
             Contains("field `x` is u8[3,2], but an example of the file has the shape [2,3]"));
  CHECK_THAT(error_of(fixtures + "u8.npy", {image, label}), Contains("fills one field, but the model has 2"));
}

TEST_CASE("broken arrays are one error that says what was expected and found") {
  const TempDirectory dir;
  const std::string good = fixture("u8.npy");
  const auto error = [&](const std::string& bytes) {
    const std::string text = error_of(dir.write("x.npy", bytes), {image});
    CHECK_THAT(text, Contains(dir.path("x.npy: error: ")));
    return text;
  };
  CHECK_THAT(error(""), Contains("the file is empty"));
  CHECK_THAT(error("text"), Contains("expected an array of NumPy"));
  CHECK_THAT(error(good.substr(0, 6)), Contains("the file ends within its header"));
  CHECK_THAT(error(good.substr(0, 60)), Contains("the file ends within its header"));
  CHECK_THAT(error(good.substr(0, good.size() - 1)), Contains("its header says [4,2,3], 24 bytes, but there are 23"));
  CHECK_THAT(error(good + "x"), Contains("its header says [4,2,3], 24 bytes, but there are 25"));
  CHECK_THAT(error(with(good, "NUMPY\x01", "NUMPY\x04")), Contains("the version 4.0, expected 1.0, 2.0 or 3.0"));
  CHECK_THAT(error(with(good, "|u1", "<c8")), Contains("its elements are `<c8`"));
  CHECK_THAT(error(with(good, "|u1", "|O8")), Contains("its elements are `|O8`"));
  CHECK_THAT(error(with(good, "descr", "dexcr")), Contains("unknown key `dexcr`"));
  CHECK_THAT(error(with(good, "False", "Fa(se")), Contains("its header is no dictionary, at `Fa(se"));
  CHECK_THAT(error(with(good, "'shape': (4, 2, 3), }", "                     ")),
             Contains("its header is no dictionary") || Contains("not all of"));
  CHECK_THAT(error(with(good, "(4, 2, 3), }   ", "(-4, 2, 3), }  ")), Contains("its header is no dictionary"));
  // Sizes whose product does not fit.
  CHECK_THAT(error(with(good, "(4, 2, 3), }                       ", "(4611686018427387904, 4294967296),}")),
             Contains("has too many elements"));
  CHECK_THAT(error(with(good, "(4, 2, 3), }                       ", "(99999999999999999999999,), }      ")),
             Contains("a dimension beyond 64 bits"));
  const std::string truth = fixture("bool.npy");
  CHECK_THAT(error_of(dir.write("x.npy", truth.substr(0, truth.size() - 2) + "\x07" + truth.back()),
                      {field("x", ir::DType::boolean, {2, 3})}),
             Contains("element 22 is a bool of 7, expected 0 or 1"));
}

TEST_CASE("an archive fills fields by name, stored and deflated") {
  const auto stored = opened(fixtures + "stored.npz", {label, image});
  CHECK(stored.examples() == 4);
  CHECK(stored.columns()[0].values.integer(3) == 3);
  CHECK(stored.columns()[1].values.integer(23) == 23);
  const auto deflated = opened(fixtures + "deflated.npz", {image, label});
  CHECK(deflated.examples() == 8);
  CHECK(deflated.columns()[0].values.integer(6) == 0);
  CHECK(deflated.columns()[0].values.integer(47) == 23);
  CHECK(deflated.columns()[1].values.integer(7) == 1);
  CHECK_THAT(error_of(fixtures + "stored.npz", {image, field("labl", ir::DType::u8)}),
             Contains("no array for field `labl`; did you mean `label`? The file has `image`, `label`, `other`"));
}

TEST_CASE("arrays without names fill fields in order") {
  const auto data = opened(fixtures + "by_order.npz", {image, label});
  CHECK(data.columns()[0].values.integer(23) == 23);
  CHECK(data.columns()[1].values.integer(3) == 3);
  CHECK_THAT(error_of(fixtures + "by_order.npz", {image}), Contains("no array for field `image`"));
}

TEST_CASE("broken archives are one error") {
  const TempDirectory dir;
  const std::string good = fixture("stored.npz"), packed = fixture("deflated.npz");
  const auto error = [&](const std::string& bytes) {
    const std::string text = error_of(dir.write("x.npz", bytes), {image});
    CHECK_THAT(text, Contains(dir.path("x.npz: error: ")));
    return text;
  };
  CHECK_THAT(error_of(fixtures + "uneven.npz", {image, label}),
             Contains("field `label` has 3 examples, but field `image` has 4"));
  CHECK_THAT(error("text"), Contains("expected a zip archive"));
  CHECK_THAT(error(good.substr(0, good.size() - 1)), Contains("no directory at its end: it is truncated"));
  CHECK_THAT(error(good.substr(1)), Contains("does not lie in the file") || Contains("is corrupted"));
  const std::size_t element = good.find(std::string("\x0a\x0b\x0c", 3));
  std::string flipped = good;
  flipped[element] = static_cast<char>(flipped[element] ^ 1);
  CHECK_THAT(error(flipped), Contains("array `image`: its checksum is ") && Contains("it is corrupted"));

  // The directory's entry of the first member: its mark, then method at 10, size at 24, header at 42.
  const auto entry = [&](std::string bytes, std::size_t at, char value) {
    bytes[bytes.find("PK\x01\x02") + at] = value;
    return bytes;
  };
  CHECK_THAT(error(entry(good, 10, 12)), Contains("compressed by method 12"));
  CHECK_THAT(error(entry(good, 8, 1)), Contains("it is encrypted"));
  CHECK_THAT(error(entry(good, 24, 1)), Contains("its two sizes differ"));
  CHECK_THAT(error(entry(good, 42, 1)), Contains("its header, at byte 1, is corrupted"));
  CHECK_THAT(error(entry(packed, 24, 1)),
             Contains("it says that it has 1 bytes, but there are more") || Contains("bytes, but there are"));
  CHECK_THAT(error(entry(packed, 27, 0x7f)), Contains("compressed ones cannot hold"));
  CHECK_THAT(error(entry(packed, 23, 0x7f)), Contains("do not lie in the file"));
  CHECK_THAT(error(with(good, "image.npy", "other.npy")), Contains("another name than"));
}

TEST_CASE("no corruption of an archive crashes the reader") {
  runtime::Random random(5, 1);
  int rejected = 0;
  const TempDirectory dir;
  for (const char* name : {"stored.npz", "deflated.npz", "i32_fortran.npy"}) {
    const std::string good = fixture(name);
    const std::string path = dir.path(std::string("x") + (good[0] == 'P' ? ".npz" : ".npy"));
    for (int round = 0; round < 400; ++round) {
      std::string bytes = good;
      for (std::uint64_t edits = random.below(3) + 1; edits > 0; --edits) {
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      }
      if (random.below(8) == 0) bytes.resize(random.below(bytes.size()) + 1);
      dir.write(path.substr(path.rfind('/') + 1), bytes);
      ir::Diagnostics diagnostics;
      const bool npy = path.ends_with(".npy");
      const auto data = npy ? runtime::open_data(path, {field("x", ir::DType::i32, {2, 3})}, diagnostics)
                            : runtime::open_data(path, {image, label}, diagnostics);
      CHECK(data.has_value() != diagnostics.failed());
      rejected += data ? 0 : 1;
    }
  }
  CHECK(rejected > 300);
}
