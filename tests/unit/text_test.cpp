// The text form of modules: what is printed comes back, whatever its spacing and names.
#include "ir/text.h"
#include "ir/op.h"
#include "ir/verify.h"
#include "tests/unit/sample_module.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <regex>

using namespace nnc;
using namespace nnc::ir;

namespace {

/// Parses text that has to be right.
Module parsed(const std::string& text) {
  Diagnostics diagnostics;
  std::optional<Module> module = parse_module("test.ir", text, diagnostics);
  INFO(text);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  return *std::move(module);
}

std::string canonical(const std::string& text) { return print(parsed(text)); }

std::string graph(const std::string& ops, const std::string& params = "") {
  return fmt::format("nnc module 1\n\ngraph @f({}) {{\n{}  return\n}}\n", params, ops);
}

/// A module with one constant.
std::string constant_text(const Tensor& tensor) {
  Module module;
  Graph& graph = module.graphs.emplace_back();
  graph.name = "f";
  Op op;
  op.def = find_op("constant");
  op.attrs = {tensor};
  graph.body.append(op, {tensor.type()});
  return print(module);
}

const Tensor& constant_of(const Module& module) {
  return std::get<Tensor>(module.graphs.at(0).body.ops().at(0).attrs.at(0));
}

void check_bits(const Tensor& tensor) {
  const std::string text = constant_text(tensor);
  INFO(text);
  const Module module = parsed(text);
  CHECK(constant_of(module) == tensor);
  CHECK(print(module) == text);
}

template <class Bits>
Tensor random_bits(DType dtype, std::mt19937_64& random) {
  Tensor tensor(Type{dtype, {64}, {}});
  for (Bits& element : tensor.as<Bits>()) element = static_cast<Bits>(random());
  return tensor;
}

}  // namespace

TEST_CASE("A module with every construct comes back as it was printed") {
  const std::string text(tests::sample_module);
  const std::string once = canonical(text);
  CHECK(once == text);
  CHECK(canonical(once) == once);
}

TEST_CASE("The parts of a module are read into their places") {
  const Module module = parsed(std::string(tests::sample_module));
  const Recipe& recipe = module.recipe;
  REQUIRE(recipe.data.size() == 4);
  CHECK(recipe.data[0] == DataField{"image", {DType::u8, {2, 3}, {}}, DataField::Source::column, 0});
  CHECK(recipe.data[2] == DataField{"text", {DType::i32, {8}, {}}, DataField::Source::chars, 65});
  CHECK(recipe.data[3] == DataField{"ids", {DType::u16, {8}, {}}, DataField::Source::tokens, 50257});
  CHECK(recipe.predict_data.size() == 1);
  CHECK(recipe.batch == 4);
  CHECK(recipe.epochs == 30);
  CHECK(recipe.steps == 2000);
  CHECK(recipe.stop == Stop{3, 0.001});
  CHECK(recipe.metrics == std::vector<std::string>{"accuracy", "error"});
  REQUIRE(module.find_slot("fixed") != nullptr);
  CHECK(*module.find_slot("fixed") == Slot{"fixed", {DType::bf16, {3}, {}}, SlotKind::parameter, true});
  CHECK(module.find_slot("key")->kind == SlotKind::setting);
  REQUIRE(module.updates.size() == 2);
  CHECK(module.updates[0] == Update{"fc.weight", "adam.0", {"optimizer.fc.weight.m"}});

  const Graph* train = module.find_graph("train", 4);
  REQUIRE(train != nullptr);
  CHECK(train->param_names == std::vector<std::string>{"image", "label", "text", "ids"});
  CHECK(train->results[0] == GraphResult{GraphResult::Kind::value, "loss"});
  CHECK(train->results[1] == GraphResult{GraphResult::Kind::slot, "fc.weight"});
  CHECK(train->results[3] == GraphResult{GraphResult::Kind::gradient, "fc.weight"});
  const Op& cast = train->body.ops().at(3);
  CHECK(cast.location.chains() == std::vector<CallChain>{{{"a.nn", 19, 16}}, {{"b.nn", 2, 3}}});
  const Op& reshape = train->body.ops().at(4);
  CHECK(train->body.type(reshape.results[0]).layout == std::vector<int>{1, 0});
  const Op& matmul = train->body.ops().at(5);
  CHECK(std::get<bool>(view(train->body, matmul).attr("transpose_b")));
  CHECK_FALSE(std::get<bool>(view(train->body, matmul).attr("transpose_a")));
  CHECK(std::get<DType>(view(train->body, matmul).attr("accumulate")) == DType::f64);
  CHECK(matmul.role == Role{Role::Kind::gradient, ""});
  CHECK(train->body.ops().at(8).role == Role{Role::Kind::gradient, "fc.weight"});
  CHECK(train->body.ops().at(9).role == Role{Role::Kind::clip, ""});
  CHECK(train->body.ops().at(9).location.point() == SourcePoint{"we\"ird\x01\n.nn", 7, 12});
  CHECK(train->body.ops().at(10).role == Role{Role::Kind::update, "fc.weight"});
  const Op& scan = train->body.ops().at(11);
  REQUIRE(scan.regions.size() == 1);
  CHECK(scan.results.size() == 2);
  CHECK(scan.regions[0].params().size() == 4);
  REQUIRE(scan.regions[0].ops().size() == 2);
  CHECK(scan.regions[0].ops()[1].regions.size() == 1);
  CHECK(module.find_graph("init")->body.ops().at(2).location.chains().at(0).size() == 2);
}

TEST_CASE("Renamed values, comments and white space come back canonical") {
  const std::string text(tests::sample_module);
  const std::regex token(R"re("(?:\\.|[^"\\])*"|%[\w.]+|\n| +)re");
  std::string noisy;
  std::size_t at = 0;
  int count = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), token), end; match != end; ++match) {
    noisy += text.substr(at, static_cast<std::size_t>(match->position()) - at);
    const std::string found = match->str();
    at = static_cast<std::size_t>(match->position() + match->length());
    // Renaming by a rule keeps equal names equal and different ones different.
    if (found[0] == '%') noisy += "%v." + found.substr(1) + "_";
    if (found[0] == '"') noisy += found;
    if (found == "\n") noisy += count % 3 == 0 ? "  // %0 = \"remark\" {\n\n" : "\r\n";
    if (found[0] == ' ') noisy += count % 5 == 0 ? "\n\t " : "   ";
    ++count;
  }
  noisy += text.substr(at);
  REQUIRE(noisy != text);
  CHECK(canonical(noisy) == text);
}

TEST_CASE("Values are named after parameters, slots and positions") {
  SECTION("a name that is taken gets a suffix") {
    const std::string text = canonical(
        "nnc module 1 slot parameter @x : f32[2] slot counter @x.1 : i64[] slot counter @0 : i64[]"
        "graph @f(%x: f32[2]) { %a = slot @x : f32[2] %b = slot @x.1 : i64[] %c = neg %a : f32[2] %d = slot @0 : i64[]"
        "  %e = slot @x : f32[2] return y = %c }");
    CHECK(text.find("  %x.1 = slot @x : f32[2]\n"
                    "  %x.1.1 = slot @x.1 : i64[]\n"
                    "  %0 = neg %x.1 : f32[2]\n"
                    "  %0.1 = slot @0 : i64[]\n"
                    "  %1 = slot @x : f32[2]\n"
                    "  return y = %0\n") != std::string::npos);
    CHECK(canonical(text) == text);
  }
  SECTION("states of a rule with equal last components differ") {
    const std::string text = canonical(
        "nnc module 1 slot parameter @w : f32[] slot optimizer @a.m : f32[] slot optimizer @b.m : f32[]\n"
        "update @w by @r (@a.m, @b.m)\n"
        "rule @r(%0: f32[], %1: f32[], %2: f32[], %3: f32[]) { return a = %0, b = %2, c = %3 }");
    CHECK(text.find("rule @r(%param: f32[], %grad: f32[], %m: f32[], %m.1: f32[])") != std::string::npos);
    CHECK(canonical(text) == text);
  }
  SECTION("other graphs keep the names of their parameters") {
    CHECK(canonical("nnc module 1 graph @f(%3: f32[], %b.c: f32[]) { %z = add %3, %b.c : f32[] return r = %z }") ==
          "nnc module 1\n\ngraph @f(%3: f32[], %b.c: f32[]) {\n  %0 = add %3, %b.c : f32[]\n  return r = %0\n}\n");
  }
}

TEST_CASE("Attributes with their absent value are not printed") {
  const std::string params = "%x: f32[2,3], %y: f32[3,2]";
  CHECK(canonical(graph("%0 = matmul %x, %y {transpose_a = false} : f32[2,2]\n", params)).find('{', 45) ==
        canonical(graph("%0 = matmul %x, %y : f32[2,2]\n", params)).find('{', 45));
  CHECK(canonical(graph("%0 = sum %x {axis = [-1, 0], keepdim = false} : f32[]\n", params)) ==
        canonical(graph("%0 = sum %x : f32[]\n", params)));
  CHECK(canonical(graph("%0 = sum %x {axis = [-1]} : f32[2]\n", params)).find("{axis = [1]}") != std::string::npos);
}

TEST_CASE("Elements of constants keep their bits") {
  std::mt19937_64 random(20240229);
  for (int round = 0; round < 40; ++round) {
    check_bits(random_bits<std::uint32_t>(DType::f32, random).converted(DType::f32));
    check_bits(random_bits<std::uint64_t>(DType::f64, random));
    check_bits(random_bits<std::uint16_t>(DType::bf16, random));
    check_bits(random_bits<std::int32_t>(DType::i32, random));
    check_bits(random_bits<std::int64_t>(DType::i64, random));
    check_bits(random_bits<std::uint16_t>(DType::u16, random));
    check_bits(random_bits<std::uint8_t>(DType::u8, random));
  }
  using Limits = std::numeric_limits<float>;
  for (const float value : {0.0F, -0.0F, 1.0F, Limits::denorm_min(), Limits::min(), Limits::max(), -Limits::max(),
                            Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), 0.1F, 16777216.0F, 1e10F}) {
    Tensor tensor(Type{DType::f32, {}, {}});
    tensor.as<float>()[0] = value;
    check_bits(tensor);
  }
  for (const std::uint64_t bits :
       {std::uint64_t{1}, std::uint64_t{0x7ff8000000000000}, std::uint64_t{0xfff8000000000000},
        std::uint64_t{0x7ff0000000000001}, std::uint64_t{0x7fefffffffffffff}}) {
    Tensor tensor(Type{DType::f64, {}, {}});
    tensor.as<double>()[0] = std::bit_cast<double>(bits);
    check_bits(tensor);
  }
  for (const bool value : {false, true})
    check_bits(Tensor::splat_integer(Type{DType::boolean, {3}, {}}, value ? 1 : 0));
}

TEST_CASE("A decimal between two floats is rounded once") {
  // Just above the middle of 1 and the next f32; rounded to f64 first, it would be the middle and go down to 1.
  const Module module = parsed(graph("%0 = constant 1.00000005960464478 : f32[]\n"));
  CHECK(constant_of(module).as<float>()[0] == 1.0F + std::numeric_limits<float>::epsilon());
}

TEST_CASE("Constants are one element or a list") {
  CHECK(canonical(graph("%0 = constant [7, 7] : i32[2]\n")) == canonical(graph("%0 = constant 7 : i32[2]\n")));
  CHECK(canonical(graph("%0 = constant [1, 2, 3, 4] : i32[2,2]\n")).find("[[1, 2], [3, 4]]") != std::string::npos);
  CHECK(canonical(graph("%0 = constant 3 : f32[]\n")).find("constant 3.0 : f32[]") != std::string::npos);
}

TEST_CASE("Long constants are left out on demand, and do not come back") {
  std::string elements = "0";
  for (int i = 1; i < 17; ++i) elements += fmt::format(", {}", i);
  const Module module = parsed(graph("%0 = constant [" + elements + "] : i32[17]\n%1 = constant 1 : i32[17]\n"));
  const std::string text = print(module, {.elide_constants = true});
  CHECK(text.find("constant ... : i32[17]") != std::string::npos);
  CHECK(text.find("constant 1 : i32[17]") != std::string::npos);
  CHECK(print(module).find(elements) != std::string::npos);
  Diagnostics diagnostics;
  CHECK_FALSE(parse_module("test.ir", text, diagnostics).has_value());
  CHECK(diagnostics.render().find("left out in printing") != std::string::npos);
}

TEST_CASE("Floats print in the fewest digits, always as floats") {
  CHECK(float_text(1.0) == "1.0");
  CHECK(float_text(-0.0) == "-0.0");
  CHECK(float_text(0.1) == "0.1");
  CHECK(float_text(0.1F) == "0.1");
  CHECK(float_text(1e300) == "1e+300");
  CHECK(float_text(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(float_text(std::numeric_limits<float>::quiet_NaN()) == "nan");
  CHECK(float_text(5e-324) == "5e-324");
}

TEST_CASE("An op is described with its attributes and types") {
  const Module module = parsed(std::string(tests::sample_module));
  const Block& block = module.find_graph("train", 4)->body;
  CHECK(describe(block.ops().at(5)) == "matmul %8, %4 {transpose_b = true, accumulate = f64}");
  CHECK(describe(block, block.ops().at(5)) == "matmul %8, %4 {transpose_b = true, accumulate = f64} : f32[4,5]");
  CHECK(describe(block, block.ops().at(4)) == "reshape %7 : f32[4,6]<1,0>");
}
