// Of a table only the rows that are named are touched.
#include "ir/builder.h"
#include "ir/op.h"

#include <sys/mman.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

using namespace nnc::ir;

namespace {

/// A row to each page of memory. Those that are closed end the process when they are read or written.
class Pages {
 public:
  explicit Pages(std::int64_t rows) : rows_(rows) {
    void* const memory = mmap(nullptr, bytes(rows), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    first_ = static_cast<float*>(memory);
  }
  Pages(const Pages&) = delete;
  ~Pages() { munmap(first_, bytes(rows_)); }

  float* row(std::int64_t i) { return first_ + i * row_elements(); }
  void close(std::int64_t i) { REQUIRE(mprotect(row(i), bytes(1), PROT_NONE) == 0); }
  static std::int64_t row_elements() { return sysconf(_SC_PAGESIZE) / static_cast<std::int64_t>(sizeof(float)); }

 private:
  static std::size_t bytes(std::int64_t rows) {
    return static_cast<std::size_t>(rows * row_elements()) * sizeof(float);
  }
  float* first_ = nullptr;
  std::int64_t rows_;
};

}  // namespace

TEST_CASE("rows are added to those of a table that are named, and no other row is touched") {
  constexpr std::int64_t size = 64;
  const std::int64_t width = Pages::row_elements();
  const std::vector<std::int32_t> index = {7, 63, 7, 0, 20};
  const auto count = static_cast<std::int64_t>(index.size());
  Block block;
  Builder builder(block);
  const Expr x = builder.expr(block.add_param({DType::f32, {count, width}, {}}));
  const Expr places = builder.expr(block.add_param({DType::i32, {count, 1}, {}}));
  const Expr base = builder.expr(block.add_param({DType::f32, {size, width}, {}}));
  builder.op("add_rows", {x, places, base});
  const OpView op = view(block, block.ops().back());
  const auto* const routine = op.def->as<Routine>();
  REQUIRE(routine != nullptr);

  Pages table(size);
  const std::set<std::int32_t> named(index.begin(), index.end());
  for (std::int32_t row = 0; row < size; ++row) {
    std::fill_n(table.row(row), width, static_cast<float>(row));
    if (!named.contains(row)) table.close(row);
  }
  std::vector<float> rows;
  for (std::int64_t i = 0; i < count; ++i)
    rows.insert(rows.end(), static_cast<std::size_t>(width), static_cast<float>(i + 1));
  std::vector<std::byte> scratch(static_cast<std::size_t>(scratch_bytes(*routine, op)) + 64);
  const void* const operands[] = {rows.data(), index.data(), table.row(0)};
  void* const results[] = {table.row(0)};
  const Routine::Args args{&op, operands, results, scratch.data()};
  routine->prepare(args);
  (*routine->run)(args, 0, (*routine->parts)(op));

  const auto is_all = [&](std::int64_t row, float value) {
    return std::all_of(table.row(row), table.row(row) + width, [&](float element) { return element == value; });
  };
  CHECK(is_all(0, 0 + 4));
  CHECK(is_all(7, 7 + 1 + 3));
  CHECK(is_all(20, 20 + 5));
  CHECK(is_all(63, 63 + 2));
}
