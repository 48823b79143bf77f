// Tiles, whose elements are transposed in registers, and what kernels fetch ahead.
#include "tests/unit/jit_kernel.h"

#include <catch2/catch.hpp>

using namespace nnc;
using namespace nnc::ir;
using tests::at;
using tests::check_kernel;
using tests::FusedOp;

namespace {

std::string llvm_text(const FusedOp& op, const Schedule& schedule) {
  return tests::code_of(op, schedule, runtime::jit::CodeText::llvm);
}

}  // namespace

TEST_CASE("tiles are transposed in registers") {
  for (const std::int64_t rows : {8, 16, 37})
    for (const std::int64_t columns : {16, 50}) {
      INFO(rows << " x " << columns);
      FusedOp op({rows, columns});
      const Expr x = op.read(DType::f32, at({columns, 1}));
      const Expr y = op.read(DType::f32, at({1, rows}));
      const Expr bias = op.read(DType::f32, at({0, 1}), {1, columns});
      op.write(x + y * bias, {1, rows});
      op.write(x - y);
      op.write(op.builder().cast(x, DType::u8), {1, rows});
      op.write(op.builder().sum(x + y, {0}, true));
      op.write(op.builder().sum(x * y, {1}, true));
      for (const int lanes : {4, 8, 16}) {
        // Either one in the lanes; what is in them parallel, or a loop within a position.
        check_kernel(op,
                     {.parallel = {0}, .chunk = lanes * 2, .vector = 0, .lanes = lanes, .tile = 1, .streamed = {0, 1}});
        check_kernel(op, {.parallel = {1}, .chunk = lanes, .vector = 1, .lanes = lanes, .tile = 0, .streamed = {0, 2}});
        check_kernel(op, {.parallel = {}, .chunk = 1, .vector = 1, .lanes = lanes, .tile = 0});
      }
    }
}

TEST_CASE("the loop of the tile is outside that of the vectors") {
  for (const std::int64_t rows : {16, 37, 200})
    for (const std::int64_t columns : {16, 50}) {
      INFO(rows << " x " << columns);
      FusedOp op({3, rows, columns});
      const Expr x = op.read(DType::f32, at({rows * columns, columns, 1}));
      const Expr bias = op.read(DType::f32, at({0, 1, 0}), {1, rows, 1});
      op.write(x * bias, {rows * columns, 1, rows});
      for (const int lanes : {4, 8, 16})
        for (const bool prefetch : {false, true})
          check_kernel(op, {.parallel = {0, 1},
                            .chunk = lanes * 3,
                            .vector = 1,
                            .lanes = lanes,
                            .tile = 2,
                            .tile_outside = true,
                            .streamed = {0},
                            .prefetch = prefetch});
      const Schedule inside{.parallel = {0, 1}, .chunk = 48, .vector = 1, .lanes = 16, .tile = 2};
      Schedule outside = inside;
      outside.tile_outside = true;
      CHECK((llvm_text(op, outside) == llvm_text(op, inside)) == (columns == 16));  // a single tile has no loop
    }
}

TEST_CASE("rows are normalized over the dimension that is the tile") {
  FusedOp op({37, 50});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({50, 1}));
  const Expr most = b.op("max", {x}, {{"axis", std::int64_t{1}}, {"keepdim", true}});
  const Expr e = apply("exp", x - most);
  op.write(e / b.sum(e, {1}, true), {1, 37});
  op.write(b.op("argmax", {x}, {{"axis", std::int64_t{1}}, {"keepdim", true}}));
  for (const int lanes : {8, 16})
    check_kernel(op, {.parallel = {0}, .chunk = 32, .vector = 0, .lanes = lanes, .tile = 1}, {.tolerance = 2e-6});
}

TEST_CASE("a schedule with a tile or streams that cannot be is refused") {
  FusedOp op({8, 16});
  op.write(op.read(DType::f32, at({16, 1})));
  const Schedule tiled{.parallel = {0}, .chunk = 8, .vector = 0, .lanes = 8, .tile = 1};
  CHECK(op.fault(tiled) == "");
  const auto with = [&](auto change) {
    Schedule schedule = tiled;
    change(schedule);
    return op.fault(schedule);
  };
  CHECK_THAT(with([](Schedule& s) { s.tile = 2; }), Catch::Contains("that the domain has not"));
  CHECK_THAT(with([](Schedule& s) { s.tile = 0; }), Catch::Contains("no inner dimension"));
  CHECK_THAT(with([](Schedule& s) { s.unroll = 2; }), Catch::Contains("no inner dimension"));
  CHECK_THAT(with([](Schedule& s) { s.vector = -1; }), Catch::Contains("no inner dimension"));
  const char* const not_outside = "a tile outside that is not the only loop within a position";
  CHECK(with([](Schedule& s) { s.tile_outside = true; }) == "");
  CHECK_THAT(
      with([](Schedule& s) { s = {.parallel = {0}, .chunk = 8, .vector = 1, .lanes = 8, .tile_outside = true}; }),
      Catch::Contains(not_outside));
  CHECK_THAT(with([](Schedule& s) {
               s = {.parallel = {}, .chunk = 1, .vector = 0, .lanes = 8, .tile = 1, .tile_outside = true};
             }),
             Catch::Contains(not_outside));
  FusedOp reduces({8, 16});
  const Expr x = reduces.read(DType::f32, at({16, 1}));
  reduces.write(reduces.builder().sum(x, {1}, true));
  FusedOp has_less({8, 16});
  has_less.write(has_less.read(DType::f32, at({16, 1})));
  has_less.write(has_less.read(DType::f32, at({1, 0}), {8, 1}));
  FusedOp has_more({8, 16, 3});
  has_more.write(has_more.read(DType::f32, at({48, 3, 1})));
  for (const FusedOp* const other : {&reduces, &has_less, &has_more}) {
    CHECK(other->fault(tiled) == "");
    Schedule outside = tiled;
    outside.tile_outside = true;
    CHECK_THAT(other->fault(outside), Catch::Contains(not_outside));
  }
  CHECK_THAT(with([](Schedule& s) { s.streamed = {1}; }), Catch::Contains("streams what is no write"));
  CHECK_THAT(with([](Schedule& s) { s.streamed = {0, 0}; }), Catch::Contains("not in ascending order"));
}

std::vector<std::size_t> places_of(const std::string& text, const std::string& word) {
  std::vector<std::size_t> places;
  for (std::size_t i = text.find(word); i != std::string::npos; i = text.find(word, i + 1)) places.push_back(i);
  return places;
}

const std::string fetch = "call void @llvm.prefetch";

TEST_CASE("a nest that stores a row fetches a later one, a line beside each vector") {
  const Schedule schedule{.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16, .unroll = 2, .prefetch = true};
  FusedOp two({64, 96});
  Builder& b = two.builder();
  const Expr x = two.read(DType::f32, at({96, 1}));
  const Expr gain = two.read(DType::f32, at({0, 1}), {1, 96});
  two.write(x * b.sum(x, {1}, true) * gain);
  const std::string text = llvm_text(two, schedule);
  const std::vector<std::size_t> fetches = places_of(text, fetch);
  const std::vector<std::size_t> stores = places_of(text, "store <16 x float>");
  REQUIRE(fetches.size() == 2);  // the gain is the same for all positions
  REQUIRE(stores.size() == 2);
  CHECK(stores[0] < fetches[0]);
  CHECK(fetches[0] < stores[1]);
  CHECK(stores[1] < fetches[1]);
  CHECK(text.find("i64 " + std::to_string(22 * 96 * 4)) != std::string::npos);  // of the rows of 384 bytes, for 8 KiB

  FusedOp three({64, 96});
  Builder& c = three.builder();
  const Expr y = three.read(DType::f32, at({96, 1}));
  const Expr most = c.op("max", {y}, {{"axis", std::int64_t{1}}, {"keepdim", true}});
  const Expr e = apply("exp", y - most);
  three.write(e / c.sum(e, {1}, true));
  const std::string softmax = llvm_text(three, schedule);
  CHECK(places_of(softmax, fetch).size() == 2);
  const std::vector<std::size_t> maxima = places_of(softmax, "call nsz <16 x float> @llvm.maximum");
  REQUIRE(!maxima.empty());
  CHECK(maxima.back() < softmax.find(fetch));
  CHECK(softmax.rfind(fetch) < softmax.find("fdiv"));
  CHECK(llvm_text(three, {.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16}).find(fetch) == std::string::npos);
}

TEST_CASE("of long rows the next but one is fetched, of longer ones the next") {
  const auto step = [](std::int64_t length) {
    FusedOp op({64, length});
    Builder& b = op.builder();
    const Expr x = op.read(DType::f32, at({length, 1}));
    op.write(x * b.sum(x, {1}, true));
    return tests::layout_of(op, {.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16}).fetch.step;
  };
  CHECK(step(64) == 32);
  CHECK(step(1024) == 2);
  CHECK(step(3072) == 2);
  CHECK(step(3088) == 1);
}

TEST_CASE("rows that an index names are fetched by what it says further on, and its last element behind the end") {
  constexpr std::int64_t rows = 64, length = 1024, table = 100;
  const Schedule schedule{.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16, .unroll = 2, .prefetch = true};
  FusedOp op({rows, length});
  op.read(DType::u16, at({1, 0}, 3), {rows, 1});
  Access row = at({0, 1});
  row.index = 0;
  row.index_stride = length;
  row.index_extent = table;
  const Expr x = op.read(DType::f32, row);
  op.write(x * 2.0);
  const std::string text = llvm_text(op, schedule);
  CHECK(places_of(text, fetch).size() == 2);
  CHECK(text.find("@llvm.umin.i64(i64 %") != std::string::npos);
  CHECK(text.find(", i64 " + std::to_string(rows - 1 + 3) + ")") != std::string::npos);
  // Of the next row but one, once for the turns of the loop; a row is 1024 elements.
  const std::size_t position = text.find("@llvm.umin.i64(i64 %") + std::string("@llvm.umin.i64(i64 ").size();
  const std::string later = text.substr(position, text.find(',', position) - position);
  CHECK(text.find(later + " = add i64 %") != std::string::npos);
  CHECK(text.substr(text.find(later + " = add i64 %"), 60).find(", " + std::to_string(3 + 2)) != std::string::npos);
  CHECK(places_of(text, "@llvm.umin.i64(i64 %").size() == 1);
  CHECK(places_of(text, ", 12\n").size() == 2);  // each by the bytes of a row
  CHECK(places_of(text, "load i16").size() == 2);
  tests::check_kernel(op, schedule, {.low = 0, .high = table});

  // One that runs backwards is not read ahead.
  FusedOp back({rows, length});
  back.read(DType::u16, at({-1, 0}, rows - 1), {rows, 1});
  back.write(back.read(DType::f32, row) * 2.0);
  CHECK(places_of(llvm_text(back, schedule), fetch).empty());
}

TEST_CASE("where no nest stores a row the last one over it fetches") {
  const Schedule schedule{.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16, .unroll = 2, .prefetch = true};
  FusedOp variance({64, 96});
  Builder& b = variance.builder();
  const Expr x = variance.read(DType::f32, at({96, 1}));
  const Expr centred = x - b.sum(x, {1}, true) / 96.0;
  variance.write(b.sum(centred * centred, {1}, true), {1, 0});
  const std::string text = llvm_text(variance, schedule);
  REQUIRE(places_of(text, fetch).size() == 2);
  CHECK(text.find("fsub <16 x float>") < text.find(fetch));
}

TEST_CASE("a flat loop fetches what comes, of operands that lie in vectors") {
  FusedOp op({9600});
  const Expr x = op.read(DType::f32, at({1}));
  const Expr backwards = op.read(DType::f32, at({-1}, 9599));
  op.write(x * backwards);
  const std::string text =
      llvm_text(op, {.parallel = {0}, .chunk = 4800, .vector = 0, .lanes = 16, .unroll = 2, .prefetch = true});
  CHECK(places_of(text, fetch).size() == 3);  // beside the two vectors of a turn, and the masked one at the end
  CHECK(text.find("i64 " + std::to_string(8 * 1024)) != std::string::npos);
}

TEST_CASE("all lines of which a turn reads the whole are fetched") {
  const auto count = [](DType dtype, int unroll) {
    FusedOp op({64, 128});
    Builder& b = op.builder();
    const Expr x = b.op("cast", {op.read(dtype, at({128, 1}))}, {{"dtype", DType::f32}});
    op.write(x * b.sum(x, {1}, true));
    return places_of(
               llvm_text(op,
                         {.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16, .unroll = unroll, .prefetch = true}),
               fetch)
        .size();
  };
  CHECK(count(DType::i64, 1) == 2);
  CHECK(count(DType::f32, 4) == 4);
  CHECK(count(DType::u8, 4) == 1);
  CHECK(count(DType::u8, 2) == 0);
}

TEST_CASE("the nest that waits for its own row does not fetch another") {
  const Schedule schedule{.parallel = {0}, .chunk = 4, .vector = 1, .lanes = 16, .prefetch = true};
  FusedOp op({64, 96});
  Builder& b = op.builder();
  const Expr x = op.read(DType::f32, at({96, 1}));
  op.write(x * 2.0);
  op.write(x - b.sum(x * 2.0, {1}, true));
  const std::string text = llvm_text(op, schedule);
  REQUIRE(places_of(text, "store <16 x float>").size() == 2);
  CHECK(places_of(text, fetch).size() == 1);
  CHECK(places_of(text, "store <16 x float>")[1] < text.find(fetch));
}

TEST_CASE("a tile fetches the lines of the next but one") {
  const auto count = [](DType dtype, const Schedule& schedule) {
    FusedOp op({96, 80});
    op.write(op.read(dtype, at({80, 1})), {1, 96});
    return places_of(llvm_text(op, schedule), fetch).size();
  };
  // Whole vectors of positions, and a masked one.
  Schedule schedule{.parallel = {0}, .chunk = 64, .vector = 0, .lanes = 16, .tile = 1, .prefetch = true};
  CHECK(count(DType::f32, schedule) == 32);
  CHECK(count(DType::u8, schedule) == 0);  // less than a line
  schedule.tile_outside = true;
  CHECK(count(DType::f32, schedule) == 32);
  schedule.prefetch = false;
  CHECK(count(DType::f32, schedule) == 0);
}
