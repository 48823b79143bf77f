#include "runtime/data/dataset.h"
#include "runtime/random.h"
#include "tests/unit/data_field.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

using namespace nnc;
using Catch::Contains;
using test::field;
using test::TempDirectory;

namespace {

const std::vector<ir::DataField> fields{field("label", ir::DType::u8), field("x", ir::DType::f32, {2})};

class Csv {
 public:
  explicit Csv(std::string_view text) : path_(dir_.write("t.csv", text)) {}

  runtime::Dataset data(const std::vector<ir::DataField>& wanted = fields) const {
    ir::Diagnostics diagnostics;
    auto out = runtime::open_data(path_, wanted, diagnostics);
    INFO(diagnostics.render());
    REQUIRE(out);
    REQUIRE_FALSE(diagnostics.failed());
    return std::move(out->train);
  }
  const std::string& path() const { return path_; }
  /// The errors, with the path shortened to its name.
  std::string errors(const std::vector<ir::DataField>& wanted = fields) const {
    ir::Diagnostics diagnostics;
    CHECK_FALSE(runtime::open_data(path_, wanted, diagnostics));
    return shortened(diagnostics);
  }
  std::string shortened(const ir::Diagnostics& diagnostics) const {
    std::string text = diagnostics.render();
    for (auto at = text.find(path_); at != std::string::npos; at = text.find(path_))
      text.replace(at, path_.size(), "t.csv");
    return text;
  }

 private:
  TempDirectory dir_;
  std::string path_;
};

std::vector<double> numbers(const ir::Tensor& tensor) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) out.push_back(tensor.real(i));
  return out;
}

using Numbers = std::vector<double>;

}  // namespace

TEST_CASE("a CSV gives scalar fields their columns and the vector field the rest, in header order") {
  const auto data = Csv("b,label,a\n1.5,3,-2e3\n+.5,255,4\n").data();
  REQUIRE(data.examples() == 2);
  CHECK(ir::to_string(data.columns()[0].values.type()) == "u8[2]");
  CHECK(ir::to_string(data.columns()[1].values.type()) == "f32[2,2]");
  CHECK(numbers(data.columns()[0].values) == Numbers{3, 255});
  CHECK(numbers(data.columns()[1].values) == Numbers{1.5, -2000, 0.5, 4});
}

TEST_CASE("quoted cells, CRLF, lone CR, empty lines, blanks, a byte order mark and a missing last line end") {
  const auto data =
      Csv("\xef\xbb\xbf\"a\"\"x\"\"\", \"label\" ,\"b,\r\nc\"\r\n\r\n \"1\" ,\t2 , 3\r\n  \t\r4,5,\"6\"").data();
  CHECK(numbers(data.columns()[0].values) == Numbers{2, 5});
  CHECK(numbers(data.columns()[1].values) == Numbers{1, 3, 4, 6});
}

TEST_CASE("a field takes the only column that differs from its name in case or has other signs for _") {
  const std::vector<ir::DataField> two = {field("house_age", ir::DType::u8), field("x", ir::DType::f32)};
  const auto data = Csv("X,House age\n1,2\n").data(two);
  CHECK(numbers(data.columns()[0].values) == Numbers{2});
  CHECK(numbers(data.columns()[1].values) == Numbers{1});
  CHECK(numbers(Csv("House age,house_age,X,x\n1,2,3,4\n").data(two).columns()[0].values) == Numbers{2});
  CHECK_THAT(Csv("House age,House.age,x\n1,2,3\n").errors(two), Contains("no column for field `house_age`"));
  // `ab` is the other field's.
  CHECK_THAT(Csv("ab\n1\n").errors({field("ab", ir::DType::u8), field("aB", ir::DType::u8)}),
             Contains("no column for field `aB`"));
}

TEST_CASE("columns that no field takes are not read; a field may have several dimensions") {
  CHECK(Csv("name,label\nanna,1\nbert,0\n").data({field("label", ir::DType::boolean)}).examples() == 2);
  const auto data = Csv("label,p0,p1,p2,p3\n1,2,3,4,5\n").data({field("image", ir::DType::u8, {2, 2}), fields[0]});
  CHECK(ir::to_string(data.columns()[0].values.type()) == "u8[1,2,2]");
  CHECK(numbers(data.columns()[0].values) == Numbers{2, 3, 4, 5});
}

TEST_CASE("whole numbers in any spelling fit an integer field, in all types") {
  const auto one = [](ir::DType dtype, const std::string& text) {
    return Csv("label\n" + text + "\n").data({field("label", dtype)}).columns()[0].values;
  };
  CHECK(one(ir::DType::u8, "3.0").integer(0) == 3);
  CHECK(one(ir::DType::i32, "-2e2").integer(0) == -200);
  CHECK(one(ir::DType::u16, "65535").integer(0) == 65535);
  CHECK(one(ir::DType::i64, "-9223372036854775808").integer(0) == std::numeric_limits<std::int64_t>::min());
  CHECK(one(ir::DType::boolean, "1").integer(0) == 1);
  CHECK(one(ir::DType::f64, "0.1").real(0) == 0.1);
  CHECK(one(ir::DType::f32, "0.1").real(0) == 0.1F);
  CHECK(one(ir::DType::f32, "1e-60").real(0) == 0);
  CHECK(one(ir::DType::f32, "123456789").real(0) == 123456789.0F);
}

TEST_CASE("a missing column shows the header, the near name and the columns there are") {
  CHECK(Csv("lable,a,b\n1,2,3\n").errors() ==
        "t.csv:1:1: error: no column for field `label`; did you mean `lable`? The header has `lable`, `a`, `b`\n"
        "     1 | lable,a,b\n"
        "       | ^~~~~~~~~\n");
  CHECK_THAT(Csv("u,v,w\n1,2,3\n").errors(),
             Contains("error: no column for field `label`. The header has `u`, `v`, `w`\n"));
  CHECK_THAT(Csv("label;a;b\n1;2;3\n").errors(), Contains("The header has `label;a;b`: a comma separates columns"));
  CHECK_THAT(Csv("label\ta\n1\t2\n").errors(), Contains("The header has `label a`: a comma separates columns"));
  CHECK_THAT(Csv("5.1,3.5,1\n4.9,3,2\n").errors(), Contains("the first line has the names of the columns"));
  CHECK_THAT(Csv("1,2,1\n3,4,2\n").errors(),
             Contains("`1` is there twice; the first line has the names of the columns"));
  CHECK_THAT(Csv("\xFF\xFEl\x80,\xC3\xBC\xC2\x85\n1,2\n").errors(),
             Contains("The header has `??l?`, `\xC3\xBC??`") && Contains("1 | ??l?,\xC3\xBC??\n"));
}

TEST_CASE("the vector field needs as many columns as it has elements") {
  CHECK_THAT(
      Csv("label,a,b,c\n1,2,3,4\n").errors(),
      Contains("t.csv:1:1: error: field `x` is f32[2] and takes 2 columns, but no other field names 3: `a`, `b`, `c`"));
  CHECK_THAT(Csv("a,b\n1,2\n").errors({field("x", ir::DType::f32, {1}), field("y", ir::DType::f32, {1})}),
             Contains("t.csv: error: fields `x` and `y` both have dimensions"));
  CHECK_THAT(Csv("label,a,a\n1,2,3\n").errors(), Contains("t.csv:1:9: error: column `a` is there twice"));
}

TEST_CASE("in validation data the vector field takes the training data's columns by name") {
  const auto training = Csv("alpha,label,beta\n1,2,3\n").data();
  CHECK(training.columns()[1].names == std::vector<std::string>{"alpha", "beta"});
  const auto [rest, part] = training.split({0});
  CHECK(part.columns()[1].names == training.columns()[1].names);

  const Csv swapped("beta,alpha,label\n30,10,2\n");
  ir::Diagnostics diagnostics;
  const auto data = runtime::open_validation(swapped.path(), fields, training, diagnostics);
  REQUIRE(data);
  CHECK(numbers(data->columns()[0].values) == Numbers{2});
  CHECK(numbers(data->columns()[1].values) == Numbers{10, 30});

  const auto errors = [&](std::string_view text) {
    const Csv csv(text);
    ir::Diagnostics found;
    CHECK_FALSE(runtime::open_validation(csv.path(), fields, training, found));
    return csv.shortened(found);
  };
  const std::string surplus =
      " is not in the training data, where field `x` takes all columns that no other field names\n";
  CHECK(errors("label,alpha,btea\n1,2,3\n") ==
        "t.csv:1:1: error: no column `beta`, which field `x` takes in the training data; did you mean `btea`?\n"
        "     1 | label,alpha,btea\n"
        "       | ^~~~~~~~~~~~~~~~\n"
        "t.csv:1:13: error: column `btea`" +
            surplus +
            "     1 | label,alpha,btea\n"
            "       |             ^~~~\n");
  CHECK(errors("label,alpha,id,beta\n1,2,3,4\n") == "t.csv:1:13: error: column `id`" + surplus +
                                                        "     1 | label,alpha,id,beta\n"
                                                        "       |             ^~\n");
  CHECK_THAT(errors("label,alpha\n1,2\n"),
             Contains("error: no column `beta`, which field `x` takes in the training data\n"));
}

TEST_CASE("text in a number, an empty cell, nan and inf are errors at their cell, several in one run") {
  CHECK(Csv("a,b,label\n1,two,3\n4,,nan\ninf,1x,0x10\n").errors() ==
        "t.csv:2:3: error: column `b` for field `x`: expected a number, found `two`\n"
        "     2 | 1,two,3\n"
        "       |   ^~~\n"
        "t.csv:3:4: error: column `label` for field `label`: `nan` is not a finite number\n"
        "     3 | 4,,nan\n"
        "       |    ^~~\n"
        "t.csv:3:3: error: column `b` for field `x`: expected a number, found nothing\n"
        "     3 | 4,,nan\n"
        "       |   ^\n"
        "t.csv:4:8: error: column `label` for field `label`: expected a number, found `0x10`\n"
        "     4 | inf,1x,0x10\n"
        "       |        ^~~~\n"
        "t.csv:4:1: error: column `a` for field `x`: `inf` is not a finite number\n"
        "     4 | inf,1x,0x10\n"
        "       | ^~~\n"
        "t.csv:4:5: error: column `b` for field `x`: expected a number, found `1x`\n"
        "     4 | inf,1x,0x10\n"
        "       |     ^~\n");
}

TEST_CASE("a value that does not fit the field's type") {
  const auto error = [](ir::DType dtype, const std::string& text) {
    return Csv("label\n0\n" + text + "\n").errors({field("label", dtype)});
  };
  CHECK_THAT(error(ir::DType::u8, "256"),
             Contains("t.csv:3:1: error: column `label` for field `label`: `256` is outside u8's 0 to 255"));
  CHECK_THAT(error(ir::DType::u8, "-1"), Contains("`-1` is outside u8's 0 to 255"));
  CHECK_THAT(error(ir::DType::u8, "0.5"), Contains("`0.5` is not a whole number, as u8 needs"));
  CHECK_THAT(error(ir::DType::boolean, "2"), Contains("`2` is outside bool's 0 to 1"));
  CHECK_THAT(error(ir::DType::i64, "9223372036854775808"), Contains("is outside i64's"));
  CHECK_THAT(error(ir::DType::f32, "1e39"), Contains("`1e39` is too large for f32"));
  CHECK_THAT(error(ir::DType::f64, "1e999"), Contains("`1e999` is too large or too small for f64"));
  CHECK_THAT(error(ir::DType::f32, "+-1"), Contains("expected a number, found `+-1`"));
}

TEST_CASE("too few and too many cells") {
  CHECK(Csv("label,a,b\n1,2\n1,2,3,44,5\n1,2,3\n").errors() ==
        "t.csv:2:4: error: expected 3 cells, as the header has, found 2\n"
        "     2 | 1,2\n"
        "       |    ^\n"
        "t.csv:3:7: error: expected 3 cells, as the header has, found 5\n"
        "     3 | 1,2,3,44,5\n"
        "       |       ^~\n");
}

TEST_CASE("broken quotes end the reading at their place") {
  CHECK_THAT(Csv("label,a,b\n1,\"2,3\n4,5,6\n").errors(), Contains("t.csv:2:3: error: this quote is not closed"));
  CHECK_THAT(Csv("label,a,b\n1,\"2\"x,3\n").errors(),
             Contains("t.csv:2:6: error: expected a comma or the end of the line after the closing quote"));
}

TEST_CASE("files without examples") {
  CHECK(Csv("").errors() == "t.csv: error: the file is empty\n");
  CHECK(Csv("\n \n").errors() == "t.csv: error: the file is empty\n");
  CHECK(Csv("label,a,b\n\n").errors() == "t.csv: error: there is a header, but no examples\n");
}

TEST_CASE("a file that is wrong in every line stops at a page of errors") {
  std::string text = "label,a,b\n";
  for (int i = 0; i < 1000; ++i) text += "x,y,z\n";
  const std::string errors = Csv(text).errors();
  CHECK_THAT(errors, Contains("t.csv:2:1") && !Contains("t.csv:20:"));
}

TEST_CASE("an example outside the model's range is shown with its cell") {
  const Csv csv("a,label,b\n0,1,0\n\n0, 12 ,0\n");
  const auto data = csv.data();
  ir::Diagnostics diagnostics;
  CHECK(runtime::check_ranges(data, {{"label", 10}}, "", diagnostics) == ir::Status::failed);
  CHECK(csv.shortened(diagnostics) ==
        "t.csv:4:4: error: field `label`: example 2 is 12, but the model has 10 classes (values 0 to 9)\n"
        "     4 | 0, 12 ,0\n"
        "       |    ^~\n");
}

TEST_CASE("no corruption of a CSV crashes the reader") {
  const std::string valid = "a,\"label\",b\r\n1.5,3,-2e3\n\"+.5\",255,4\n7,8,9\n";
  const std::string alphabet = std::string("\0\",\r\n\xff\xef 0123456789.eE+-naif", 28);
  runtime::Random random(21, 1);
  int accepted = 0, rejected = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = valid;
    for (std::uint64_t edits = random.below(5) + 1; edits > 0; --edits) {
      const std::size_t at = random.below(text.size());
      const char c = alphabet[random.below(alphabet.size())];
      switch (random.below(4)) {
        case 0: text.resize(at + 1); break;
        case 1: text.insert(at, 1, c); break;
        case 2:
          text.erase(at, 1);
          if (text.empty()) text = "a";
          break;
        default: text[at] = c; break;
      }
    }
    const TempDirectory dir;
    ir::Diagnostics diagnostics;
    const auto data = runtime::open_data(dir.write("t.csv", text), fields, diagnostics);
    CHECK(data.has_value() != diagnostics.failed());
    CHECK(diagnostics.render().size() < 100000);
    ++(data ? accepted : rejected);
  }
  CHECK(accepted > 100);
  CHECK(rejected > 100);
}
