// Random fused ops under random legal schedules, against their evaluation. Elements are small whole numbers, so that
// sums are exact in any order and every result has to be the same.
//
// NNC_SEEDS=N runs seeds [0, N) instead of the usual ones; NNC_JIT_SEED=N runs seed N alone and prints its op.
#include "ir/analysis.h"
#include "ir/evaluate.h"
#include "ir/op.h"
#include "ir/program_memory.h"
#include "ir/text.h"
#include "tests/unit/jit_kernel.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <numeric>

using namespace nnc;
using namespace nnc::ir;
using tests::FusedOp;
using tests::Random;

namespace {

constexpr double limit = 9;  // elements of the body stay within

class RandomOp {
 public:
  explicit RandomOp(Random& random) : random_(random), op_(random_domain()) {}

  FusedOp& make() {
    const int reads = 1 + below(4);
    for (int i = 0; i < reads; ++i) add_read();
    if (chance(4)) {
      for (int i = below(4); i > 0; --i) add_elementwise(any_of(values_));
      add_chain();
    } else {
      for (int i = below(12); i >= 0; --i) add_op();
    }
    const int writes = 1 + below(3);
    for (int i = 0; i < writes; ++i) add_write();
    return op_;
  }

  Schedule schedule() {
    const int rank = static_cast<int>(op_.domain().size());
    for (int attempt = 0; attempt < 20; ++attempt) {
      Schedule schedule;
      const bool rows = chance(3);  // of the last dimension
      for (int d = 0; d < rank; ++d)
        if (rows ? d + 1 < rank : chance(2)) schedule.parallel.push_back(d);
      std::ranges::shuffle(schedule.parallel, random_);
      schedule.chunk = 1 + below(60);
      if (chance(12)) schedule.chunk = 1000000;
      if (!chance(10)) {
        std::vector<int> vectors;
        for (int d = 0; d < rank; ++d)
          if (!is_in(schedule.parallel, d)) vectors.push_back(d);
        if (!schedule.parallel.empty()) vectors.push_back(schedule.parallel.back());
        schedule.vector = vectors[static_cast<std::size_t>(below(static_cast<int>(vectors.size())))];
        schedule.lanes = 1 << (1 + below(4));
        schedule.unroll = chance(2) ? 1 : 1 + below(4);
        if (const int tile = below(rank); chance(2) && tile != schedule.vector && !is_in(schedule.parallel, tile)) {
          schedule.tile = tile;
          schedule.unroll = 1;
          schedule.tile_outside = chance(2);
          if (!op_.fault(schedule).empty()) schedule.tile_outside = false;
        }
        schedule.pipelined = true;
        if (!op_.fault(schedule).empty() || chance(4)) schedule.pipelined = false;
        schedule.split_late = true;
        if (!op_.fault(schedule).empty() || chance(2)) schedule.split_late = false;
        for (int r = 0; r < static_cast<int>(op_.writes().size()); ++r)
          if (chance(3)) schedule.streamed.push_back(r);
        schedule.prefetch = chance(2);
      }
      if (op_.fault(schedule).empty()) return schedule;
    }
    return {.parallel = {}, .chunk = 1, .vector = rank - 1, .lanes = 8};
  }

  /// Results that may lie over an operand under the schedule, each over another one.
  std::vector<std::pair<int, int>> in_place(const Schedule& schedule) const {
    const Kernel kernel = op_.kernel(schedule);
    std::vector<std::pair<int, int>> pairs;
    for (std::size_t r = 0; r < op_.results().size(); ++r)
      for (std::size_t p = 0; p < op_.reads().size(); ++p) {
        const bool taken = std::ranges::find(pairs, static_cast<int>(p), &std::pair<int, int>::second) != pairs.end();
        if (!taken && may_share(kernel.op, p, r)) {
          pairs.emplace_back(static_cast<int>(r), static_cast<int>(p));
          break;
        }
      }
    return pairs;
  }

 private:
  static bool is_in(const std::vector<int>& dimensions, int d) {
    return std::ranges::find(dimensions, d) != dimensions.end();
  }
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool chance(int of) { return below(of) == 0; }
  template <class T>
  const T& any_of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }

  Shape random_domain() {
    Shape domain;
    const int rank = 1 + below(4);
    for (int d = 0; d < rank; ++d) {
      const int longest = rank == 1 ? 200 : rank == 2 ? 50 : 20;
      domain.push_back(chance(8) ? 1 : 1 + below(longest));
    }
    return domain;
  }
  /// The domain with some dimensions at 1.
  Shape random_frame() {
    Shape frame = op_.domain();
    for (std::int64_t& extent : frame)
      if (chance(4)) extent = 1;
    return frame;
  }

  /// Dense strides over a frame's dimensions in a random order, 0 elsewhere.
  std::vector<std::int64_t> random_dense(const Shape& frame) {
    std::vector<std::size_t> order;
    for (std::size_t d = 0; d < frame.size(); ++d)
      if (frame[d] != 1) order.push_back(d);
    if (chance(2)) std::ranges::shuffle(order, random_);
    std::vector<std::int64_t> strides(frame.size(), 0);
    std::int64_t next = 1;
    for (std::size_t i = order.size(); i-- > 0;) {
      strides[order[i]] = next;
      next *= frame[order[i]];
    }
    return strides;
  }

  void add_read() {
    static const std::vector<DType> types{DType::f32, DType::f32, DType::f32, DType::f32, DType::f64,
                                          DType::i32, DType::i64, DType::u8,  DType::u16, DType::boolean};
    const Shape frame = random_frame();
    Access access{.strides = random_dense(frame)};
    if (chance(3)) vary(access, frame);
    if (chance(4)) bound(access, frame);
    if (chance(4)) gather(access, frame);
    values_.push_back(op_.read(any_of(types), access, frame));
  }

  /// Slices, steps, flips and broadcasts.
  void vary(Access& access, const Shape& frame) {
    for (std::size_t d = 0; d < frame.size(); ++d) {
      if (access.strides[d] == 0 || !chance(2)) continue;
      switch (below(3)) {
        case 0: access.strides[d] *= 1 + below(3); break;
        case 1:
          access.offset += access.strides[d] * (frame[d] - 1);
          access.strides[d] = -access.strides[d];
          break;
        default: access.strides[d] = 0;
      }
    }
    access.offset += below(5);
  }

  /// The operand begins where the bounds do.
  void bound(Access& access, const Shape& frame) {
    access.bounds.assign(frame.size(), Access::everywhere);
    for (std::size_t d = 0; d < frame.size(); ++d) {
      if (frame[d] == 1 || access.strides[d] < 0 || chance(2)) continue;
      const std::int64_t first = below(static_cast<int>(frame[d]));
      const std::int64_t end = first + 1 + below(static_cast<int>(frame[d] - first));
      access.bounds[d] = {first, end};
      access.offset -= access.strides[d] * first;
    }
    access.fill = below(5);
  }

  void gather(Access& access, const Shape& frame) {
    std::int64_t rows = access.offset + 1;
    for (std::size_t d = 0; d < frame.size(); ++d) {
      if (access.strides[d] < 0) return;
      rows += access.strides[d] * ((access.is_bounded(d) ? access.bounds[d].second : frame[d]) - 1);
    }
    Shape index = frame;
    for (std::int64_t& extent : index)
      if (chance(2)) extent = 1;
    const std::vector<DType> types{DType::i32, DType::i64, DType::u8, DType::u16};
    access.index = static_cast<int>(op_.reads().size());
    access.index_stride = rows;
    access.index_extent = 3;
    values_.push_back(op_.read(any_of(types), {.strides = random_dense(index)}, index));
  }

  /// Reductions over the last dimension, of rows that need the one before: as many stages, and rows kept for later ones.
  void add_chain() {
    Builder& b = op_.builder();
    std::vector<Expr> rows{b.cast(op_.read(DType::f32, {.strides = random_dense(op_.domain())}), DType::f32)};
    const auto axis = static_cast<std::int64_t>(op_.domain().size()) - 1;
    for (int i = 2 + below(3); i > 0; --i) {
      const Expr made = b.op(any_of(std::vector{"sum", "max", "min", "argmax"}), {any_of(rows)},
                             {{"axis", std::vector{axis}}, {"keepdim", true}});
      reductions_.push_back(made);
      add_values(any_of(rows) + b.cast(made, DType::f32));
      if (chance(2)) add_values(b.cast(any_of(values_), DType::f32) + values_.back());
      rows.push_back(values_.back());
      if (chance(2)) rows.push_back(apply("floor", values_.back() / 2.0));
    }
    op_.write(rows.back(), random_dense(op_.domain()));
    if (op_.domain().size() == 1) return;
    // A split reduction where the first dimension is parallel; several nests may read what it needs.
    for (int i = below(3); i > 0; --i) {
      Shape frame = op_.domain();
      frame[0] = 1;
      op_.write(b.op(any_of(std::vector{"sum", "max", "min", "argmax"}), {any_of(rows)},
                     {{"axis", std::vector<std::int64_t>{0}}, {"keepdim", true}}),
                random_dense(frame));
    }
  }

  void add_op() {
    const Expr x = any_of(values_);
    switch (below(8)) {
      case 0: return add_reduction(x);
      case 1:
        return add_values(op_.builder().cast(x, any_of(std::vector{DType::f32, DType::i32, DType::f64, DType::u8})));
      case 2: return add_coordinate(x);
      default: add_elementwise(x);
    }
  }

  void add_values(Expr made) {
    if (made.dtype() == DType::boolean) return values_.push_back(made);
    // Products and sums come back to small numbers.
    Builder& b = op_.builder();
    const Expr low =
        b.constant(is_float(made.dtype()) || made.dtype() == DType::i32 || made.dtype() == DType::i64 ? -limit : 0.0,
                   made.dtype());
    values_.push_back(b.op("minimum", {b.op("maximum", {made, low}), b.constant(limit, made.dtype())}));
  }

  void add_reduction(Expr x) {
    if (x.dtype() == DType::boolean) x = op_.builder().cast(x, DType::i32);
    std::vector<std::int64_t> axes;
    for (std::int64_t d = 0; d < static_cast<std::int64_t>(x.shape().size()); ++d)
      if (chance(2)) axes.push_back(d);
    const std::vector<const char*> names{"sum", "sum", "max", "min", "argmax", "argmin"};
    const Expr made = op_.builder().op(any_of(names), {x}, {{"axis", axes}, {"keepdim", true}});
    reductions_.push_back(made);
    if (!chance(3)) add_values(made);
  }

  void add_coordinate(Expr x) {
    Builder& b = op_.builder();
    const auto rank = static_cast<std::int64_t>(op_.domain().size());
    const std::int64_t d = below(static_cast<int>(rank));
    const std::int64_t size = op_.domain()[static_cast<std::size_t>(d)];
    const Expr along = b.op("iota", {}, {{"size", size}, {"trailing", rank - 1 - d}});
    if (x.dtype() == DType::i32) return add_values(x + along);
    values_.push_back(b.cast(along, DType::f32) < 5.0);
  }

  void add_elementwise(Expr x) {
    Builder& b = op_.builder();
    Expr y = any_of(values_);
    if (chance(8) && x.dtype() == DType::boolean) return values_.push_back(b.op("not", {x}));
    const DType type = x.dtype() == DType::boolean ? any_of(std::vector{DType::f32, DType::i32}) : x.dtype();
    x = b.cast(x, type);
    y = b.cast(y, type);
    switch (below(7)) {
      case 0: return add_values(x + y);
      case 1: return add_values(x - y);
      case 2: return add_values(x * y);
      case 3: return values_.push_back(b.op("maximum", {x, y}));
      case 4: return values_.push_back(chance(2) ? x > y : x == y);
      case 5: {
        const Expr condition = b.cast(any_of(values_), DType::boolean);
        return values_.push_back(where(condition, x, y));
      }
      default:
        // A division, which row buffers keep.
        if (type == DType::u8 || type == DType::u16) return add_values(x + x);
        if (!is_float(type)) return add_values(-x);
        values_.push_back(apply("floor", x / 2.0));
        if (chance(2)) values_.push_back(values_.back() + y);
        // A sum of two numbers within the limit may leave it.
        if (chance(2)) add_values(values_.back());
    }
  }

  void add_write() {
    const Expr value = !reductions_.empty() && chance(2) ? any_of(reductions_) : any_of(values_);
    Shape frame(op_.domain().size(), 1);
    const Shape shape = value.shape();
    std::ranges::copy(shape, frame.end() - static_cast<std::ptrdiff_t>(shape.size()));
    if (chance(3)) return add_parts(value);
    op_.write(value, random_dense(frame));
  }

  /// A result of the value and others like it, or itself again.
  void add_parts(Expr value) {
    std::vector<Expr> parts{value};
    for (const auto& values : {values_, reductions_})
      for (const Expr& other : values)
        if (other.type() == value.type() && parts.size() < 4 && chance(2)) parts.push_back(other);
    if (parts.size() == 1) parts.push_back(value);
    std::vector<std::size_t> order(op_.domain().size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::shuffle(order, random_);
    op_.write_parts(parts, any_of(order), order);
  }

  Random& random_;
  FusedOp op_;
  std::vector<Expr> values_, reductions_;
};

struct Met {
  int lag = 0;        // positions that the last nest of a pipeline is behind the first
  bool late = false;  // whether a split reduction is in another nest for being late
};

Met run_seed(std::uint64_t seed, bool print) {
  Met met;
  Random random(seed);
  RandomOp made(random);
  const FusedOp& op = made.make();
  for (int i = 0; i < 2; ++i) {
    const Schedule schedule = made.schedule();
    Graph graph{.name = "seed", .batch = 0, .param_names = {}, .body = op.block(schedule), .results = {}};
    for (std::size_t p = 0; p < op.operands().size(); ++p) graph.param_names.push_back("x" + std::to_string(p));
    for (std::size_t r = 0; r < op.results().size(); ++r)
      graph.results.push_back({.kind = GraphResult::Kind::value, .name = "y" + std::to_string(r)});
    const std::string text = ir::print(graph);
    if (print) std::cout << text << std::endl;
    INFO("seed " << seed << "\n" << text);
    REQUIRE(op.fault(schedule) == "");
    const std::vector<KernelNest> nests = tests::layout_of(op, schedule).nests;
    for (const KernelNest& nest : nests) met.lag = std::max(met.lag, nest.lag);
    Schedule early = schedule;
    early.split_late = false;
    met.late = met.late || nests != tests::layout_of(op, early).nests;
    const std::vector<Tensor> operands = tests::whole_operands(op, -4, 5, random);
    const std::vector<Tensor> expected = evaluate(graph.body, operands, nullptr);
    tests::RunOptions options;
    if (random() % 4 == 0) options.cpu = runtime::jit::avx2_cpu();
    if (random() % 2 == 0) options.in_place = made.in_place(schedule);
    const std::vector<Tensor> results = tests::run_kernel(op, schedule, operands, options);
    for (std::size_t r = 0; r < results.size(); ++r) {
      INFO("result " << r);
      for (std::int64_t e = 0; e < results[r].elements(); ++e) {
        INFO("element " << e);
        if (results[r].real(e) != expected[r].real(e)) {
          CHECK(results[r].real(e) == expected[r].real(e));
          break;
        }
      }
    }
  }
  return met;
}

}  // namespace

TEST_CASE("random kernels under random schedules") {
  if (const char* seed = std::getenv("NNC_JIT_SEED")) {
    run_seed(std::strtoull(seed, nullptr, 10), true);
    return;
  }
  const int count = tests::seed_count(250);
  int deep = 0, late = 0;
  for (int seed = 0; seed < count; ++seed) {
    const Met met = run_seed(static_cast<std::uint64_t>(seed), false);
    deep += met.lag > 1 ? 1 : 0;
    late += met.late ? 1 : 0;
  }
  CHECK(deep >= count / 50);
  CHECK(late >= count / 100);
}
