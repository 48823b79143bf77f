// Questions about blocks, and the document of the ops.
#include "ir/analysis.h"

#include "ir/doc.h"
#include "ir/op.h"
#include "ir/text.h"

#include <catch2/catch.hpp>

using namespace nnc;
using namespace nnc::ir;

namespace {

Module parsed(std::string_view text) {
  Diagnostics diagnostics;
  std::optional<Module> module = parse_module("test.ir", text, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  return *std::move(module);
}

}  // namespace

TEST_CASE("Dependence follows operands, through regions too") {
  const Module module = parsed(
      "nnc module 1\n"
      "graph @f(%x: f32[2], %y: f32[2]) {\n"
      "  %0 = neg %x : f32[2]\n"
      "  %1 = neg %y : f32[2]\n"
      "  %2, %3 = scan %1, %0 {length = 2, carries = 1, scanned = 0} (%4: i32[], %5: f32[2], %6: f32[2]) {\n"
      "    yield %5, %4\n"
      "  } : f32[2], i32[2]\n"
      "  %7 = neg %1 : f32[2]\n"
      "  return a = %2\n"
      "}\n");
  const Block& block = module.graphs[0].body;
  // x, y, %0, %1, %2, %3, %7
  CHECK(depends_on(block, {ValueId{0}}) == std::vector<bool>{true, false, true, false, true, true, false});
  CHECK(depends_on(block, {ValueId{2}, ValueId{6}}) == std::vector<bool>{false, false, true, false, true, true, true});
  CHECK(depends_on(block, {}) == std::vector<bool>(7, false));
  CHECK(needed_for(block, {ValueId{6}}) == std::vector<bool>{false, true, false, true, false, false, true});
  CHECK(needed_for(block, {ValueId{5}}) == std::vector<bool>{true, true, true, true, false, true, false});
}

TEST_CASE("A field's range is read off what it indexes") {
  const Module module = parsed(
      "nnc module 1\n"
      "data image: u8[2]\n"
      "data label: u8[] below 7\n"
      "data other: i32[] below 12\n"
      "predict data other: i32[] below 12\n"
      "graph @train@4(%image: u8[4,2], %label: u8[4], %other: i32[4]) {\n"
      "  %0 = cast %label : i32[4]\n"
      "  %1 = reshape %0 : i32[4,1]\n"
      "  %2 = equals_index %1 {size = 10} : bool[4,10]\n"
      "  %3 = add %other, %0 : i32[4]\n"
      "  %4 = reshape %3 : i32[4,1]\n"
      "  %5 = equals_index %4 {size = 5} : bool[4,5]\n"
      "  return\n"
      "}\n"
      "graph @eval@4(%image: u8[4,2], %label: u8[4], %other: i32[4]) {\n"
      "  %0 = reshape %label : u8[4,1]\n"
      "  %1 = equals_index %0 {size = 7} : bool[4,7]\n"
      "  return\n"
      "}\n"
      "graph @predict@4(%other: i32[4]) {\n"
      "  %0 = reshape %other : i32[4,1]\n"
      "  %1 = equals_index %0 {size = 12} : bool[4,12]\n"
      "  return\n"
      "}\n");
  // The smallest of several; arithmetic (%3) proves nothing.
  CHECK(index_ranges(module) == std::map<std::string, std::int64_t>{{"label", 7}, {"other", 12}});
}

TEST_CASE("A field of which some elements are left out is held to its range where it is used alone") {
  const Module module = parsed(
      "nnc module 1\n"
      "data label: i32[]\n"
      "graph @train@4(%label: i32[4]) {\n"
      "  %0 = constant 255 : i32[]\n"
      "  %1 = eq %label, %0 : bool[4]\n"
      "  %2 = constant 0 : i32[]\n"
      "  %3 = where %1, %2, %label : i32[4]\n"
      "  %4 = reshape %3 : i32[4,1]\n"
      "  %5 = equals_index %4 {size = 10} : bool[4,10]\n"
      "  return\n"
      "}\n");
  CHECK(index_ranges(module).empty());
  CHECK(index_ranges(module, /*chosen=*/true) == std::map<std::string, std::int64_t>{{"label", 10}});
  const std::vector<IndexUse> uses = index_uses(module.graphs[0].body);
  REQUIRE(uses.size() == 1);
  CHECK(uses[0].elements.params.empty());
  CHECK(uses[0].elements.chosen == std::set<std::size_t>{0});
}

TEST_CASE("A field's range is read off what it indexes in loops") {
  // By its rows, by a value of outside, as a carry, by what a loop in the loop yields; what a step adds to proves nothing.
  const Module module = parsed(
      "nnc module 1\n"
      "data rows: i32[2] below 10\n"
      "data whole: i32[] below 9\n"
      "data first: i32[] below 8\n"
      "data inner: i32[3] below 7\n"
      "data added: i32[] below 6\n"
      "graph @train@4(%rows: i32[4,2], %whole: i32[4], %first: i32[4], %inner: i32[4,3], %added: i32[4]) {\n"
      "  %0 = permute %rows {order = [1, 0]} : i32[2,4]\n"
      "  %1 = permute %inner {order = [1, 0]} : i32[3,4]\n"
      "  %2, %3, %4 = scan %first, %added, %0, %whole, %1 {length = 2, carries = 2, scanned = 1} "
      "(%5: i32[], %6: i32[4], %7: i32[4], %8: i32[4], %9: i32[4], %10: i32[3,4]) {\n"
      "    %11 = reshape %8 : i32[4,1]\n"
      "    %12 = equals_index %11 {size = 10} : bool[4,10]\n"
      "    %13 = reshape %9 : i32[4,1]\n"
      "    %14 = equals_index %13 {size = 9} : bool[4,9]\n"
      "    %15 = reshape %6 : i32[4,1]\n"
      "    %16 = equals_index %15 {size = 8} : bool[4,8]\n"
      "    %17 = scan %10 {length = 3, carries = 0, scanned = 1} (%18: i32[], %19: i32[4]) {\n"
      "      yield %19\n"
      "    } : i32[3,4]\n"
      "    %20 = add %7, %5 : i32[4]\n"
      "    yield %6, %20, %17\n"
      "  } : i32[4], i32[4], i32[2,3,4]\n"
      "  %21 = reshape %4 : i32[24,1]\n"
      "  %22 = equals_index %21 {size = 7} : bool[24,7]\n"
      "  %23 = reshape %3 : i32[4,1]\n"
      "  %24 = equals_index %23 {size = 6} : bool[4,6]\n"
      "  return\n"
      "}\n");
  CHECK(index_ranges(module) ==
        std::map<std::string, std::int64_t>{{"rows", 10}, {"whole", 9}, {"first", 8}, {"inner", 7}, {"added", 6}});
  const std::vector<IndexUse> uses = index_uses(module.graphs[0].body);
  REQUIRE(uses.size() == 5);
  for (const IndexUse& use : uses) CHECK(use.elements.below(use.extent) == (use.extent != 6));
}

TEST_CASE("Integers of ops are within what their records say") {
  const Module module = parsed(
      "nnc module 1\n"
      "data x: f32[5]\n"
      "data flag: bool[]\n"
      "graph @train@4(%x: f32[4,5], %flag: bool[4]) {\n"
      "  %0 = argmax %x {axis = 1, keepdim = true} : i32[4,1]\n"
      "  %1 = equals_index %0 {size = 5} : bool[4,5]\n"
      "  %2, %3 = top_k %x {k = 1} : f32[4,1], i32[4,1]\n"
      "  %4 = equals_index %3 {size = 5} : bool[4,5]\n"
      "  %5 = iota {size = 4, trailing = 1} : i32[4,1]\n"
      "  %6 = equals_index %5 {size = 4} : bool[4,4]\n"
      "  %7 = constant [[0], [3], [-1], [2]] : i32[4,1]\n"
      "  %8 = equals_index %7 {size = 4} : bool[4,4]\n"
      "  %9 = cast %2 : i32[4,1]\n"
      "  %10 = equals_index %9 {size = 5} : bool[4,5]\n"
      "  %11 = cast %1 : i32[4,5]\n"
      "  %12 = reshape %11 : i32[20,1]\n"
      "  %13 = equals_index %12 {size = 2} : bool[20,2]\n"
      "  %14 = equals_index %0 {size = 4} : bool[4,4]\n"
      "  return\n"
      "}\n");
  std::vector<bool> proved;
  for (const IndexUse& use : index_uses(module.graphs[0].body))
    proved.push_back(use.elements.below(use.extent) && use.elements.params.empty());
  CHECK(proved == std::vector<bool>{true, true, true, false, false, true, false});
}

TEST_CASE("The document has every op with its operands, attributes and gradient") {
  const std::string document = ops_document();
  for (const OpDef* def : all_ops()) {
    INFO(*def->name);
    const std::size_t section = document.find("\n## " + std::string(*def->name) + "\n");
    REQUIRE(section != std::string::npos);
    const std::string text = document.substr(section, document.find("\n## ", section + 4) - section);
    CHECK(text.find(*def->doc) != std::string::npos);
    for (const OperandDef& operand : *def->operands) CHECK(text.find(operand.name) != std::string::npos);
    for (const AttrDef& attr : def->attrs)
      CHECK(text.find("- `" + std::string(attr.name) + "`: ") != std::string::npos);
    CHECK(text.find("- Gradient: ") != std::string::npos);
    CHECK(text.find(def->grad->reason) != std::string::npos);
  }
}
