// Texts and token files (runtime/data/text.h).
#include "runtime/checkpoint.h"
#include "runtime/data/dataset.h"
#include "tests/unit/data_field.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

using namespace nnc;
using Catch::Contains;
using runtime::Dataset;
using test::TempDirectory;

namespace {

ir::DataField sequence(ir::DataField::Source source, std::int64_t vocabulary, std::int64_t window) {
  ir::DataField out = test::field("text", ir::DType::i32, {window});
  out.source = source;
  out.vocabulary = vocabulary;
  return out;
}

ir::DataField chars(std::int64_t vocabulary, std::int64_t window) {
  return sequence(ir::DataField::Source::chars, vocabulary, window);
}

ir::DataField tokens(std::int64_t vocabulary, std::int64_t window) {
  return sequence(ir::DataField::Source::tokens, vocabulary, window);
}

std::vector<std::int64_t> ids(const Dataset& data) {
  std::vector<std::int64_t> out;
  const ir::Tensor& values = data.columns().at(0).values;
  for (std::int64_t i = 0; i < values.elements(); ++i) out.push_back(values.integer(i));
  return out;
}

Dataset opened(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  auto data = runtime::open_data(path, fields, diagnostics);
  INFO(diagnostics.render());
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

const std::string high =
    "b\n\xe9"
    "a"
    "b";

}  // namespace

TEST_CASE("a text is cut into windows of ids in the order of its bytes") {
  const TempDirectory dir;
  const Dataset data = opened(dir.write("t.txt", high), {chars(4, 2)});
  CHECK(data.examples() == 2);
  CHECK(ir::to_string(data.columns()[0].values.type()) == "i32[2,2]");
  CHECK(ids(data) == std::vector<std::int64_t>{2, 0, 3, 1});
  CHECK(data.columns()[0].symbols == std::vector<std::string>{"\n", "a", "b", "\u00e9"});
  CHECK(data.is_sequence());
  CHECK(ids(data.split({1}).second) == std::vector<std::int64_t>{3, 1});
  CHECK(data.split({1}).second.columns()[0].symbols.size() == 4);
  CHECK(runtime::symbol_tables(data) == runtime::Metadata{{"nnc.symbols.text", "[\"\\n\",\"a\",\"b\",\"\u00e9\"]"}});
}

TEST_CASE("the table comes from the whole text, the dropped end as well") {
  const TempDirectory dir;
  CHECK(ids(opened(dir.write("t.txt", "bcbca"), {chars(3, 2)})) == std::vector<std::int64_t>{1, 2, 1, 2});
}

TEST_CASE("more different characters than the vocabulary are an error at the first one too many") {
  const TempDirectory dir;
  CHECK(error_of(dir.write("t.txt", "ab\nad\nc"), {chars(4, 2)}) ==
        dir.path("t.txt") +
            ":3:1: error: field `text` is chars(4), but the text has 5 different characters; `c` is number 5\n"
            "     3 | c\n       | ^\n");
  CHECK_THAT(error_of(dir.write("t.txt", "ab\nad\n"), {chars(2, 2)}), Contains("t.txt:1:3") && Contains("0x0a is"));
}

TEST_CASE("validation text is read by the training text's table") {
  const TempDirectory dir;
  const std::vector<ir::DataField> fields{chars(4, 2)};
  const Dataset train = opened(dir.write("t.txt", high), fields);
  ir::Diagnostics diagnostics;
  const auto valid = runtime::open_validation(dir.write("v.txt", "\xe9\nba"), fields, train, diagnostics);
  REQUIRE(valid);
  CHECK(ids(*valid) == std::vector<std::int64_t>{3, 0, 2, 1});
  CHECK_FALSE(runtime::open_validation(dir.write("v.txt", "ab\nbxa"), fields, train, diagnostics));
  CHECK(diagnostics.render() == dir.path("v.txt") +
                                    ":2:2: error: the character `x` is not in the training data\n"
                                    "     2 | bxa\n       |  ^\n");
}

TEST_CASE("a text shorter than a window, an empty one, and a field too many are errors") {
  const TempDirectory dir;
  CHECK_THAT(error_of(dir.write("t.txt", "abc"), {chars(4, 4)}),
             Contains("field `text` takes windows of 4 characters, but the file has 3"));
  CHECK_THAT(error_of(dir.write("t.txt", ""), {chars(4, 4)}), Contains("the file is empty"));
  CHECK_THAT(error_of(dir.write("t.txt", "abcd"), {chars(4, 4), test::field("label", ir::DType::u8)}),
             Contains("a text fills one field, but the model has `text` and `label`"));
  CHECK_THAT(error_of(dir.write("t.csv", "text\n1\n"), {chars(4, 4)}),
             Contains("field `text` is chars, which a text file fills"));
}

TEST_CASE("a text's values out of a model's range are an error with their place") {
  const TempDirectory dir;
  const Dataset data = opened(dir.write("t.txt", "aab\nca"), {chars(4, 2)});
  ir::Diagnostics diagnostics;
  CHECK(runtime::check_ranges(data.split({0}).first, {{"text", 3}}, "", diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains("t.txt:2:1: error: field `text`: example 3 has 3"));
}

TEST_CASE("a token file is little-endian u16 below the vocabulary") {
  const TempDirectory dir;
  const std::string bytes("\x07\x00\x05\x00\x00\x01\x09\x00\x03\x00", 10);
  const Dataset data = opened(dir.write("t.bin", bytes), {tokens(300, 2)});
  CHECK(ids(data) == std::vector<std::int64_t>{7, 5, 256, 9});
  CHECK(data.is_sequence());
  CHECK(runtime::symbol_tables(data).empty());
  CHECK_THAT(error_of(dir.path("t.bin"), {tokens(256, 2)}),
             Contains("t.bin: error: field `text` is tokens(256) (values 0 to 255), but token 3 at byte 4 is 256"));
  CHECK_THAT(error_of(dir.write("t.bin", bytes.substr(1)), {tokens(300, 2)}),
             Contains("expected u16 tokens, an even number of bytes, found 9 bytes"));
  CHECK_THAT(error_of(dir.write("t.bin", bytes), {tokens(300, 6)}),
             Contains("windows of 6 tokens, but the file has 5"));
}

TEST_CASE("weights that were trained on other characters are refused") {
  const TempDirectory dir;
  const Dataset data = opened(dir.write("t.txt", "abab"), {chars(2, 2)});
  const Dataset other = opened(dir.write("u.txt", "acac"), {chars(2, 2)});
  ir::Diagnostics diagnostics;
  const std::string path = dir.path("w.safetensors");
  REQUIRE(runtime::write_safetensors(path, {}, diagnostics, runtime::symbol_tables(data)) == ir::Status::ok);
  CHECK(runtime::check_symbols(path, data, diagnostics) == ir::Status::ok);
  CHECK(runtime::check_symbols(path, other, diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains(path + ": error: its weights were trained on nnc.symbols.text") &&
                                       Contains(R"(["a","b"])") && Contains(R"(["a","c"])"));
  // Weights from elsewhere say nothing about it.
  REQUIRE(runtime::write_safetensors(path, {}, diagnostics) == ir::Status::ok);
  CHECK(runtime::check_symbols(path, other, diagnostics) == ir::Status::ok);
}
