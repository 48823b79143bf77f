// What is wrong in a module's text is an error at its place, and nothing crashes the parser.
#include "ir/text.h"
#include "tests/unit/random_values.h"
#include "tests/unit/sample_module.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <regex>
#include <set>

using namespace nnc;
using namespace nnc::ir;

namespace {

std::string graph(const std::string& body) { return "nnc module 1\n" + body; }

struct Place {
  int line, column;
};

Place place_of(const std::string& text, std::size_t position) {
  const std::string before = text.substr(0, position);
  const std::size_t line_start = before.rfind('\n') == std::string::npos ? 0 : before.rfind('\n') + 1;
  return {1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
          1 + static_cast<int>(position - line_start)};
}

/// Whether each error has a place within the text and a caret that shows it.
void check_places(const Diagnostics& diagnostics, const std::string& text) {
  REQUIRE(diagnostics.failed());
  const int lines = place_of(text, text.size()).line;
  for (const Diagnostic& error : diagnostics.errors()) {
    INFO(error.message);
    CHECK(error.at.file == "test.ir");
    CHECK(error.at.line >= 1);
    CHECK(error.at.line <= lines);
    CHECK(error.at.column >= 1);
    CHECK_FALSE(error.message.empty());
  }
}

/// Parses any text: either it is wrong at a place, or it prints what comes back the same. Gives the canonical text.
std::optional<std::string> survive(const std::string& text) {
  Diagnostics diagnostics;
  const std::optional<Module> module = parse_module("test.ir", text, diagnostics);
  if (!module) {
    check_places(diagnostics, text);
    CHECK_FALSE(diagnostics.render().empty());
    return std::nullopt;
  }
  CHECK_FALSE(diagnostics.failed());
  const std::string printed = print(*module);
  Diagnostics again;
  const std::optional<Module> second = parse_module("test.ir", printed, again);
  INFO(text);
  INFO(again.render());
  REQUIRE(second.has_value());
  CHECK(print(*second) == printed);
  return printed;
}

/// The tokens of canonical text, by position and length.
std::vector<std::pair<std::size_t, std::size_t>> tokens_of(const std::string& text) {
  const std::regex token(R"re("(?:\\.|[^"\\])*"|[%@][\w.]+|-?[\w.+]+(?:e-\d+)?|[^\s])re");
  std::vector<std::pair<std::size_t, std::size_t>> tokens;
  for (std::sregex_iterator match(text.begin(), text.end(), token), end; match != end; ++match) {
    tokens.emplace_back(match->position(), match->length());
  }
  return tokens;
}

/// An error in the text `before` + `wrong` + `after`, at `wrong`, that says `message`.
struct Wrong {
  std::string before, wrong, after, message;
};

void check_wrong(const Wrong& wrong) {
  const std::string text = wrong.before + wrong.wrong + wrong.after;
  INFO(text);
  Diagnostics diagnostics;
  CHECK_FALSE(parse_module("test.ir", text, diagnostics).has_value());
  INFO(diagnostics.render());
  REQUIRE(diagnostics.errors().size() == 1);
  const Diagnostic& error = diagnostics.errors()[0];
  const Place place = place_of(text, wrong.before.size());
  CHECK(error.at.line == place.line);
  CHECK(error.at.column == place.column);
  CHECK(error.message.find(wrong.message) != std::string::npos);
}

const std::string slots = "nnc module 1\nslot parameter @fc.weight : f32[2,3]\n";
const std::string head = slots + "graph @f(%x: f32[2,3], %y: f32[3,2], %n: i32[]) {\n  ";
const std::string tail = "\n  return\n}\n";

}  // namespace

TEST_CASE("Wrong text is an error at its place") {
  const std::vector<Wrong> cases = {
      // the header
      {"", "graph", " @f() { return }", "expected 'nnc module 1'"},
      {"", "layer", " f() {}", "expected 'nnc module 1'"},
      {"nnc module ", "2", "\n", "this is version 2 of the text; version 1 can be read"},
      {"nnc module ", "x", "\n", "expected a version, found 'x'"},
      // items
      {"nnc module 1\n", "banana", " 3\n", "expected 'data', 'predict', 'batch'"},
      {"nnc module 1\nbatch 4\n", "batch", " 5\n", "'batch' is given twice"},
      {"nnc module 1\nepochs ", "0", "\n", "from 1 to"},
      {"nnc module 1\nepochs ", "99999999999999999999", "\n", "from 1 to"},
      {"nnc module 1\nstop patience ", "x", " min_delta 0.1\n", "expected the patience"},
      {"nnc module 1\nstop patience 3 min_delta ", "1e999", "\n", "expected a number"},
      {"nnc module 1\nstop patience 3 min_delta 0.1\n", "stop", " patience 3 min_delta 0.1\n", "given twice"},
      {"nnc module 1\npredict ", "batch", " 3\n", "expected 'data', found 'batch'"},
      {"nnc module 1\ndata x: i32[2] chars(", "0", ")\n", "expected the size of the vocabulary from 1"},
      {"nnc module 1\nslot ", "weight", " @x : f32[2]\n", "expected a kind of slot"},
      {"nnc module 1\nslot parameter ", "x", " : f32[2]\n", "expected the slot's path"},
      {"nnc module 1\nslot parameter @a : f32[]\nupdate @a by ", "adam", "\n", "expected a rule"},
      {slots + "update ", "@fc.wieght", " by @r\n", "unknown slot '@fc.wieght'; did you mean '@fc.weight'?"},
      {slots + "update ", "@fc.weight", " by @r\n", "unknown rule '@r'"},
      // types
      {head + "%0 = neg %x : ", "f23", "[2,3]" + tail, "unknown element type 'f23'; did you mean 'f32'?"},
      {head + "%0 = neg %x : f32[", "-2", ",3]" + tail, "expected a dimension from 1"},
      {head + "%0 = neg %x : f32[", "0", ",3]" + tail, "expected a dimension from 1"},
      {head + "%0 = neg %x : f32[", "99999999999999999999", "]" + tail, "expected a dimension from 1"},
      {head + "%0 = neg %x : f32[1048576,1048576,", "2", "]" + tail, "a tensor has at most 1099511627776 elements"},
      {head + "%0 = neg %x : f32[2,3]", "<", "0,0>" + tail, "must name each of its 2 dimensions once"},
      {head + "%0 = neg %x : f32[2,3]", "<", "0>" + tail, "must name each of its 2 dimensions once"},
      {head + "%0 = neg %x : ", "f32", "[2,4]" + tail,
       "expected f32[2,3], as neg gives of its operands, found f32[2,4]"},
      {head + "%0 = neg %x : ", "i32", "[2,3]" + tail, "expected f32[2,3], as neg gives of its operands, found i32"},
      {head + "%0 = neg %x : f32[2,3], ", "f32", "[2]" + tail, "2 types for 1 result"},
      // operations
      {head + "%0 = ", "sumn", " %x : f32[]" + tail, "unknown operation 'sumn'; did you mean 'sum'?"},
      {head + "%0 = ", "=", " %x : f32[]" + tail, "expected the name of an operation, found '='"},
      {head + "%0 = neg ", "%z", " : f32[2,3]" + tail, "undefined value '%z'"},
      {head + "%0 = neg ", "%0", " : f32[2,3]" + tail, "undefined value '%0'"},
      {head + "", "%x", " = neg %x : f32[2,3]" + tail, "redefinition of '%x'"},
      {head + "%0 = add %x, %x, ", "%x", " : f32[2,3]" + tail, "add takes 2 operands, found 3"},
      {head + "%0 = ", "add", " %x : f32[2,3]" + tail, "add takes 2 operands, found 1"},
      {head + "%0 = ", "add", " %x, %y : f32[2,3]" + tail, "add: the shapes [2,3] and [3,2] do not broadcast"},
      {head + "%0 = ", "add", " %x, %n : f32[2,3]" + tail, "add: the element types differ"},
      {head + "%0 = neg %x, ", "@fc.weight", " : f32[2,3]" + tail, "neg takes 0 slots, found 1"},
      {head + "%0 = neg %x, ", "0.5", " : f32[2,3]" + tail, "neg takes 0 constants, found 1"},
      {head + "%0 = ", "constant", " : f32[]" + tail, "constant takes 1 constant, found 0"},
      {head + "%0 = slot ", "@fc.bias", " : f32[2,3]" + tail, "unknown slot '@fc.bias'"},
      {head + "%0 = ", "slot", " @fc.weight : f32[2,4]" + tail, "slot '@fc.weight' is f32[2,3], found f32[2,4]"},
      {head + "%0 = ", "neg", " %x () {\n yield\n } : f32[2,3]" + tail, "neg has 0 regions, found 1"},
      {head + "%0, %1 = neg %x : ", "f32", "[2,3]" + tail, "1 type for 2 results"},
      // attributes
      {head + "%0 = sum %x {", "axes", " = [1]} : f32[2]" + tail, "sum has no attribute 'axes'; did you mean 'axis'?"},
      {head + "%0 = sum %x {axis = [1], ", "axis", " = [1]} : f32[2]" + tail, "attribute 'axis' is given twice"},
      {head + "%0 = sum %x {axis = ", "[2]", "} : f32[2]" + tail, "`axis` has 2, but f32[2,3] has 2 dimensions"},
      {head + "%0 = sum %x {axis = ", "[0, 0]", "} : f32[2]" + tail, "`axis` names an axis twice"},
      {head + "%0 = sum %x {keepdim = ", "1", "} : f32[2]" + tail, "`keepdim` must be true or false"},
      {head + "%0 = sum %x {axis = [", "0.5", "]} : f32[2]" + tail, "expected an integer, found '0.5'"},
      {head + "%0 = sum %x {axis = ", "}", " : f32[2]" + tail, "expected a value"},
      {head + "%0 = ", "permute", " %x : f32[3,2]" + tail, "`order` is missing"},
      {head + "%0 = reshape %x {", "shape", " = [6]} : f32[6]" + tail, "reshape has no attribute 'shape'"},
      {head + "%0 = permute %x {order = [0, ", "18446744073709551616", "]} : f32[3,2]" + tail,
       "expected an integer from"},
      // constants
      {head + "%0 = constant ", "[1, 2, 3]", " : i32[2]" + tail, "expected the 2 elements of i32[2], found 3"},
      {head + "%0 = constant ", "[[1, 2], [3, 4]]", " : i32[4]" + tail,
       "expected the 4 elements of i32[4], found [2,2]"},
      {head + "%0 = constant [[1, 2], ", "[3]", "] : i32[3]" + tail, "this list has 1 items, the ones before it 2"},
      {head + "%0 = constant [[1, 2], ", "3", "] : i32[3]" + tail, "lists and numbers are mixed"},
      {head + "%0 = constant ", "0.5", " : i32[]" + tail, "expected an element of type i32, found '0.5'"},
      {head + "%0 = constant ", "256", " : u8[]" + tail, "expected an element of type u8, found '256'"},
      {head + "%0 = constant ", "1e39", " : f32[]" + tail, "expected an element of type f32, found '1e39'"},
      {head + "%0 = constant ", "1", " : bool[]" + tail, "expected an element of type bool, found '1'"},
      {head + "%0 = constant ", "nan(0x0)", " : f32[]" + tail, "expected an element of type f32"},
      {head + "%0 = constant ", "0.0", " : f32[1048576,1048576]" + tail, "a constant has at most 1073741824 bytes"},
      // locations, roles
      {head + "%0 = neg %x : f32[2,3] loc(\"a.nn\":", "x", ":2)" + tail, "expected a line, found 'x'"},
      {head + "%0 = neg %x : f32[2,3] loc(\"a.nn\":1:", "99999999999", ")" + tail, "expected a column from 0"},
      {head + "%0 = neg %x : f32[2,3] loc(", "\"a.nn", ":1:2)" + tail, "this string is not closed on its line"},
      {head + "%0 = neg %x : f32[2,3] grad ", "@fc", tail, "unknown slot '@fc'"},
      // results
      {head + "return loss = ", "%z", "\n}\n", "undefined value '%z'"},
      {head + "return ", "%x", "\n}\n", "expected a result"},
      {head + "return loss = %x, ", "loss", " = %x\n}\n", "result 'loss' stands twice"},
      {head + "return ", "@fc.weight", " = %y\n}\n", "'@fc.weight' is f32[2,3], its new value f32[3,2]"},
      {head + "", "}", "\n", "expected an operation or 'return', found '}'"},
      {head + "return", "", "", "expected"},
      // graphs
      {"nnc module 1\ngraph ", "f", "() { return }\n", "expected a name"},
      {"nnc module 1\ngraph @train", "@0", "() { return }\n", "expected a batch size from 1"},
      {"nnc module 1\ngraph @train", "@x", "() { return }\n", "expected a batch size"},
      {"nnc module 1\ngraph @f(", "x", ": f32[]) { return }\n", "expected a parameter"},
      {"nnc module 1\ngraph @f(%x: f32[], ", "%x", ": f32[]) { return }\n", "redefinition of '%x'"},
      {"nnc module 1\ngraph @f() { return }\ngraph ", "@f", "() { return }\n", "graph '@f' stands twice"},
      // characters
      {head + "%0 = neg %x ", "$", " : f32[2,3]" + tail, "unexpected character '$'"},
      {head + "%0 = neg %x ", "\xc3\xa9", " : f32[2,3]" + tail, "unexpected character '\xc3\xa9'"},
      {head + "%0 = neg %x ", std::string(3, '\0'), " : f32[2,3]" + tail, "unexpected byte 0x00"},
      {head + "%0 = neg ", "%", " : f32[2,3]" + tail, "expected a name after '%'"},
  };
  for (const Wrong& wrong : cases) check_wrong(wrong);
}

TEST_CASE("A caret shows where the text is wrong") {
  Diagnostics diagnostics;
  CHECK_FALSE(parse_module("test.ir", head + "%0 = neg %xx : f32[2,3]" + tail, diagnostics).has_value());
  CHECK(diagnostics.render().find("test.ir:4:12: error: undefined value '%xx'; did you mean '%x'?\n"
                                  "     4 |   %0 = neg %xx : f32[2,3]\n"
                                  "       |            ^~~\n") == 0);
}

TEST_CASE("Several errors are reported in one run, without false ones") {
  Diagnostics diagnostics;
  const std::string text =
      "nnc module 1\n"
      "slot banana @b : f32[2]\n"            // 2: a kind that does not exist
      "graph @f(%x: f32[2], %n: i32[]) {\n"  //
      "  %0 = bad %x : f32[2]\n"             // 4: an unknown operation
      "  %1 = add %0, %x : f32[2]\n"         // uses its result
      "  %2 = add %1 %x : f32[2]\n"          // 6: a comma is missing
      "  %3 = neg %2 : f32[2]\n"             // uses its result
      "  %4 = scan %x {length = 2, carries = 1, scanned = 0} (%s: i32[], %h: f32[2]) {\n"
      "    %5 = neg %x : f32[2]\n"                // 9: outside of the region
      "    %6 = neg : : f32[2]\n"                 // 10: a colon too many
      "    yield %h\n"                            //
      "  } : f32[2]\n"                            //
      "  %7 = add %4, %n : f32[2]\n"              // 13: other element types
      "  return a = %3, b = %nothing, a2 = %7\n"  // 14: undefined
      "}\n"
      "graph @g() {\n"
      "  return loss =\n"  // 18: a value is missing
      "}\n"
      "rule @r() { return } }\n";  // 19: a brace too many
  CHECK_FALSE(parse_module("test.ir", text, diagnostics).has_value());
  INFO(diagnostics.render());
  std::vector<int> lines;
  for (const Diagnostic& error : diagnostics.errors()) lines.push_back(error.at.line);
  CHECK(lines == std::vector<int>{2, 4, 6, 9, 10, 13, 14, 18, 19});
}

TEST_CASE("Any one token changed is an error with a place or another module") {
  const std::string text(tests::sample_module);
  const auto tokens = tokens_of(text);
  REQUIRE(tokens.size() > 800);
  const std::vector<std::string> others = {"",      "%nope", "@nope", "nope",
                                           "7",     "-1",    "0.5",   "9223372036854775807",
                                           "\"s\"", "true",  "f64",   "(",
                                           ")",     "{",     "}",     "[",
                                           "]",     ",",     ":",     "=",
                                           "<",     ">",     "...",   "nan",
                                           "loc",   "grad",  "0",     "99999999999999999999"};
  std::size_t errors = 0;
  std::size_t modules = 0;
  const auto tried = static_cast<std::size_t>(tests::fewer_with_sanitizers(static_cast<int>(tokens.size())));
  for (std::size_t i = 0; i < tried; ++i) {
    const auto [position, length] = tokens[i * tokens.size() / tried];
    const std::string token = text.substr(position, length);
    std::vector<std::string> replacements = others;
    replacements.push_back(token + " " + token);
    for (const std::string& replacement : replacements) {
      if (replacement == token) continue;
      std::string mutated = text;
      mutated.replace(position, length, replacement);
      const std::optional<std::string> printed = survive(mutated);
      printed ? ++modules : ++errors;
      // Only names of values and the spelling of a number may change without changing the module.
      if (printed && *printed == text) {
        if (token == "0.0" && replacement == "0") continue;
        if (token == "1" && replacement == "-1") continue;  // the same axis
        INFO("'" << token << "' became '" << replacement << "' at line " << place_of(text, position).line);
        CHECK(token[0] == '%');
        CHECK(replacement[0] == '%');
      }
    }
  }
  CHECK(errors > 20 * modules);
  CHECK(modules > tried / 8);
}

TEST_CASE("Each attribute corrupted is an error on its line") {
  const std::string text(tests::sample_module);
  const std::regex attribute(R"re([{ ](\w+) = ([^,}\[%]+|\[[^\]]*\])(?=[,}]))re");
  int count = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), attribute), end; match != end; ++match) {
    const auto name = static_cast<std::size_t>(match->position(1));
    const auto value = static_cast<std::size_t>(match->position(2));
    const bool string = match->str(2)[0] == '"';
    const auto fails_at = [&](std::size_t position, std::size_t length, const std::string& replacement) {
      std::string mutated = text;
      mutated.replace(position, length, replacement);
      INFO(match->str() << " became " << replacement);
      Diagnostics diagnostics;
      CHECK_FALSE(parse_module("test.ir", mutated, diagnostics).has_value());
      REQUIRE_FALSE(diagnostics.errors().empty());
      CHECK(diagnostics.errors()[0].at.line == place_of(text, position).line);
    };
    fails_at(name, match->length(1), "nope");
    fails_at(value, match->length(2), string ? "17" : "\"text\"");
    if (match->str(2).find('.') == std::string::npos) fails_at(value, match->length(2), "-77");
    fails_at(value, match->length(2), "[77, 77, 77]");
    ++count;
  }
  CHECK(count >= 18);
}

TEST_CASE("Each op's result type corrupted is an error") {
  const std::string text(tests::sample_module);
  // Ops whose type says what they make are wrong only to what uses them.
  const std::regex type(R"re(= (?!slot|constant|cast|reshape|random)\w+ %[^:(]* : (\w+)\[)re");
  int count = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), type), end; match != end; ++match) {
    std::string mutated = text;
    mutated.replace(static_cast<std::size_t>(match->position(1)), static_cast<std::size_t>(match->length(1)),
                    match->str(1) == "u16" ? "u8" : "u16");
    Diagnostics diagnostics;
    INFO(match->str());
    CHECK_FALSE(parse_module("test.ir", mutated, diagnostics).has_value());
    REQUIRE_FALSE(diagnostics.errors().empty());
    CHECK(diagnostics.errors()[0].at.line == place_of(text, static_cast<std::size_t>(match->position(1))).line);
    CHECK(diagnostics.errors()[0].message.find("expected") != std::string::npos);
    ++count;
  }
  CHECK(count >= 9);
}

TEST_CASE("Text cut off anywhere does not crash the parser") {
  const std::string text(tests::sample_module);
  for (std::size_t size = 0; size < text.size(); size += 3) survive(text.substr(0, size));
}

TEST_CASE("Random bytes do not crash the parser") {
  const std::string text(tests::sample_module);
  std::mt19937 random(7);
  for (int round = 0; round < 1500; ++round) {
    std::string mutated = text;
    for (int change = 0; change < 1 + round % 7; ++change) {
      const std::size_t at = random() % mutated.size();
      if (random() % 2 == 0) {
        mutated[at] = static_cast<char>(random());
      } else {
        mutated.replace(at, random() % 20, text.substr(random() % text.size(), random() % 20));
      }
    }
    survive(mutated);
  }
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 2000, ' ');
    for (char& byte : bytes) byte = static_cast<char>(random());
    survive("nnc module 1\n" + bytes);
    survive(bytes + "x");
  }
}

TEST_CASE("Deep and long text does not crash the parser") {
  const auto repeated = [](const std::string& part, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += part;
    return text;
  };
  const std::string scan = "%a = scan %x {length = 1, carries = 1, scanned = 0} (%s: i32[], %x: f32[]) {\n";
  CHECK_FALSE(survive(graph("graph @f(%x: f32[]) {\n" + repeated(scan, 20000))));
  CHECK_FALSE(survive(graph("graph @f(%x: f32[]) {\n" + repeated(scan, 20000) + "yield %x\n" +
                            repeated("} : f32[]\nyield %a\n", 20000))));
  CHECK(survive(graph("graph @f(%x: f32[]) {\n" + repeated(scan, 60) + "yield %x\n" +
                      repeated("} : f32[]\nyield %a\n", 59) + "} : f32[]\nreturn r = %a\n}")));
  CHECK_FALSE(survive(graph("graph @f() {\n%0 = constant " + repeated("[", 100000))));
  CHECK_FALSE(survive(
      graph("graph @f() {\n%0 = constant " + repeated("[", 100) + "1" + repeated("]", 100) + " : f32[1]\nreturn\n}")));
  CHECK_FALSE(survive(graph("graph @f(%x: f32[" + repeated("1,", 100000) + "1]) { return }")));
  CHECK_FALSE(survive(graph(repeated("(", 200000))));
  CHECK_FALSE(survive(graph("graph @f() {\n" + repeated("%0 = nope %1 : f32[]\n", 20000) + "return\n}")));
  CHECK_FALSE(survive(graph("graph @" + std::string(100000, 'x'))));
  std::string chain = "%0 = neg %x : f32[2]\n";
  for (int i = 1; i < 20000; ++i) chain += fmt::format("%{} = neg %{} : f32[2]\n", i, i - 1);
  CHECK(survive(graph("graph @f(%x: f32[2]) {\n" + chain + "return r = %19999\n}")));
}
