// Accesses with bounds along the vector dimension: whole vectors without masks, parts with them, others not at all.
#include "tests/unit/jit_kernel.h"

#include <catch2/catch.hpp>

#include <string>

using namespace nnc;
using namespace nnc::ir;
using tests::at;
using tests::FusedOp;

namespace {

constexpr std::int64_t rows = 6, length = 256;

/// Two parts of a row, each from an operand of its own: the first ends where the second begins.
void join(FusedOp& op, std::int64_t border) {
  Access left = at({border, 1}), right = at({length - border, 1}, -border);
  left.bounds = {Access::everywhere, {0, border}};
  right.bounds = {Access::everywhere, {border, length}};
  const Expr x = op.read(DType::f32, left);
  op.write(x + op.read(DType::f32, right));
}

const Schedule over_row{.parallel = {0}, .chunk = 2, .vector = 1, .lanes = 16, .unroll = 2};

}  // namespace

TEST_CASE("parts of rows have their values wherever their borders are") {
  for (const std::int64_t border : {1, 2, 15, 16, 17, 31, 32, 100, 128, 240, 241, 255}) {
    INFO("border " << border);
    FusedOp op({rows, length});
    join(op, border);
    tests::check_kernel(op, over_row);
    tests::check_kernel(op, {.parallel = {0, 1}, .chunk = 320, .vector = 1, .lanes = 16});
    tests::check_kernel(op, {.parallel = {0}, .chunk = 1, .vector = 1, .lanes = 8, .unroll = 4});
  }
}

TEST_CASE("a part that lies within a vector, or in two, has its values") {
  for (const std::int64_t low : {0, 3, 14, 16, 200})
    for (const std::int64_t count : {1, 5, 16, 20}) {
      INFO("from " << low << " on " << count);
      FusedOp op({rows, length});
      Access part = at({count, 1}, -low);
      part.bounds = {Access::everywhere, {low, low + count}};
      part.fill = 7;
      op.write(op.read(DType::f32, part) * 2.0);
      tests::check_kernel(op, over_row);
      tests::check_kernel(op, {.parallel = {0, 1}, .chunk = 256, .vector = 1, .lanes = 16, .unroll = 2});
    }
}

TEST_CASE("no mask is needed where borders lie between vectors") {
  const auto text = [](std::int64_t border) {
    FusedOp op({rows, length});
    join(op, border);
    return tests::code_of(op, over_row, runtime::jit::CodeText::llvm);
  };
  CHECK(text(128).find("load <16 x float>") != std::string::npos);
  CHECK(text(128).find("@llvm.masked.load") == std::string::npos);
  CHECK(text(100).find("load <16 x float>") != std::string::npos);
  CHECK(text(100).find("@llvm.masked.load") != std::string::npos);
}
