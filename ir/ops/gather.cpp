#include "ir/ops/gather.h"
#include "ir/alignment.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/samples.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

std::size_t axis_of(const OpView& op) { return static_cast<std::size_t>(op.integer("axis")); }
/// The positions among which a scatter_add or an add_rows chooses.
std::int64_t rows_of(const OpView& op) {
  return op.operands.size() > 2 ? op.operands[2].shape[axis_of(op)] : op.integer("size");
}

/// The index has x's dimensions: along the axis any extent, elsewhere x's or 1.
std::string check_index(const OpView& op) {
  const Type &x = op.operands[0], &index = op.operands[1];
  if (!is_integer(index.dtype)) return fmt::format("expected integers as index, found {}", to_string(index));
  if (x.rank() == 0 || index.rank() != x.rank())
    return fmt::format("expected an index with the dimensions of {}, found {}", to_string(x), to_string(index));
  for (std::size_t d = 0; d < x.shape.size(); ++d)
    if (d != axis_of(op) && index.shape[d] != 1 && index.shape[d] != x.shape[d])
      return fmt::format("dimension {} of the index {} is neither 1 nor that of {}", d, to_string(index), to_string(x));
  return "";
}

Inferred infer_gather(const OpView& op) {
  if (std::string error = check_index(op); !error.empty()) return Inferred::fail(std::move(error));
  Type result{op.operands[0].dtype, op.operands[0].shape, {}};
  result.shape[axis_of(op)] = op.operands[1].shape[axis_of(op)];
  return {{result}, {}};
}

Inferred infer_scatter_add(const OpView& op) {
  if (std::string error = check_index(op); !error.empty()) return Inferred::fail(std::move(error));
  const Type &x = op.operands[0], &index = op.operands[1];
  const std::size_t axis = axis_of(op);
  const std::int64_t size = op.integer("size");
  if (x.dtype == DType::boolean) return Inferred::fail("expected numbers, found bool");
  if (index.shape[axis] != x.shape[axis])
    return Inferred::fail(
        fmt::format("{} has another extent along axis {} than {}", to_string(index), axis, to_string(x)));
  if (size < 1 || size > highest(DType::i32) || x.shape[axis] > highest(DType::i32))
    return Inferred::fail(fmt::format("`size` must be positive and fit i32, found {}", size));
  Type result{x.dtype, x.shape, {}};
  result.shape[axis] = size;
  return {{result}, {}};
}

Inferred infer_add_rows(const OpView& op) {
  if (std::string error = check_index(op); !error.empty()) return Inferred::fail(std::move(error));
  const Type &x = op.operands[0], &base = op.operands[2];
  Type expected{x.dtype, x.shape, {}};
  if (base.rank() == x.rank()) expected.shape[axis_of(op)] = base.shape[axis_of(op)];
  if (x.dtype == DType::boolean) return Inferred::fail("expected numbers, found bool");
  if (base.dtype != expected.dtype || base.shape != expected.shape)
    return Inferred::fail(fmt::format("expected {} as base, found {}", to_string(expected), to_string(base)));
  if (op.operands[1].shape[axis_of(op)] != x.shape[axis_of(op)] || !names_rows(op))
    return Inferred::fail(
        fmt::format("expected a position for each row of {}, found {}", to_string(x), to_string(op.operands[1])));
  if (rows_of(op) > highest(DType::i32) || x.shape[axis_of(op)] > highest(DType::i32))
    return Inferred::fail("the rows must be at most as many as fit i32");
  return {{expected}, {}};
}

/// Strides of the index over the dimensions of what it names positions for, 0 where it has extent 1.
Integers index_strides(const Type& index) {
  Integers strides = row_major_strides(index.shape);
  for (std::size_t d = 0; d < strides.size(); ++d)
    if (index.shape[d] == 1) strides[d] = 0;
  return strides;
}

std::vector<Access> gather_access(const OpView& op) {
  const std::size_t axis = axis_of(op);
  Access x{.strides = row_major_strides(op.operands[0].shape)};
  x.index = 1;
  x.index_stride = std::exchange(x.strides[axis], 0);
  x.index_extent = op.operands[0].shape[axis];
  return {x, {.strides = index_strides(op.operands[1])}};
}

/// Coordinates of the index that belongs to an element.
Integers index_place(const OpView& op, Integers at) {
  for (std::size_t d = 0; d < at.size(); ++d)
    if (op.operands[1].shape[d] == 1) at[d] = 0;
  return at;
}

// --- scatter_add: x is [outer, n, inner], the result [outer, size, inner] --------------------------------------------

/// Elements of the result that a part works on, roughly.
constexpr std::int64_t part_elements = 4096;

/// How far ahead rows are fetched that are added up, and how much at once.
constexpr std::int64_t fetched_bytes = 8192, fetched_at_once = 2048;

/// How the sums are divided. Where one index serves all of x's rows, they are ordered by it first, and each row of the
/// result belongs to one part, which reads nothing but the rows it adds: an embedding's gradient. Else each part owns
/// some inner positions of an outer one.
struct ScatterPlan {
  std::int64_t outer = 1, n = 1, inner = 1, size;
  std::int64_t stride;      // of the index along the axis
  bool by_row;              // the index varies along the axis alone
  bool inner_alike = true;  // it varies along all inner dimensions, or along none
  std::int64_t inner_stride;
  std::int64_t block;  // rows of the result, or inner positions, of a part
  std::int64_t parts;

  explicit ScatterPlan(const OpView& op) {
    const Shape &x = op.operands[0].shape, &index = op.operands[1].shape;
    const std::size_t axis = axis_of(op);
    size = rows_of(op);
    stride = 1;
    bool any = false, all = true;
    for (std::size_t d = 0; d < x.size(); ++d) {
      (d < axis ? outer : d == axis ? n : inner) *= x[d];
      if (d <= axis) continue;
      stride *= index[d];
      any = any || index[d] != 1;
      all = all && index[d] == x[d];
    }
    if (index[axis] == 1) stride = 0;
    inner_alike = all || !any;
    inner_stride = any ? 1 : 0;
    by_row = names_rows(op);
    block = by_row ? std::max<std::int64_t>(1, part_elements / inner) : std::min(inner, part_elements / 8);
    parts = by_row ? (size + block - 1) / block : outer * ((inner + block - 1) / block);
  }

  /// Where in the index an outer position begins, and how far an inner one is from there.
  static std::int64_t outer_offset(const OpView& op, std::int64_t position) {
    std::int64_t below = 1;
    for (std::size_t d = axis_of(op); d < op.operands[1].shape.size(); ++d) below *= op.operands[1].shape[d];
    return offset(op, 0, axis_of(op), position, below);
  }
  std::int64_t inner_offset(const OpView& op, std::int64_t position) const {
    return inner_alike ? position * inner_stride
                       : offset(op, axis_of(op) + 1, op.operands[0].shape.size(), position, 1);
  }

 private:
  /// Of a position among x's dimensions [first, end), whose last one has that stride in the index.
  static std::int64_t offset(const OpView& op, std::size_t first, std::size_t end, std::int64_t position,
                             std::int64_t stride) {
    std::int64_t offset = 0;
    for (std::size_t d = end; d-- > first; position /= op.operands[0].shape[d]) {
      if (op.operands[1].shape[d] != 1) offset += position % op.operands[0].shape[d] * stride;
      stride *= op.operands[1].shape[d];
    }
    return offset;
  }
};

std::int64_t checked(std::int64_t row, std::int64_t size) {
  NNC_CHECK(row >= 0 && row < size, "index {} is outside of 0..{}", row, size);
  return row;
}

/// Scratch: where the rows of each result row begin in the order, then the order.
std::int64_t scatter_scratch(const OpView& op) {
  const ScatterPlan plan(op);
  return plan.by_row ? (plan.size + 1 + plan.n) * static_cast<std::int64_t>(sizeof(std::int32_t)) : 0;
}

/// Orders x's rows by index, those of one index as they stand.
void order_rows(const Routine::Args& args) {
  const ScatterPlan plan(*args.op);
  if (!plan.by_row) return;
  auto* const ends = static_cast<std::int32_t*>(args.scratch);
  std::int32_t* const order = ends + plan.size + 1;
  visit_dtype(args.op->operands[1].dtype, [&]<class I>() {
    const I* const index = args.operand<I>(1);
    const auto row = [&](std::int64_t i) {
      return checked(static_cast<std::int64_t>(index[i * plan.stride]), plan.size);
    };
    std::fill_n(ends, plan.size + 1, 0);
    for (std::int64_t i = 0; i < plan.n; ++i) ++ends[row(i) + 1];
    std::partial_sum(ends, ends + plan.size + 1, ends);
    // Each beginning moves to its end, which is the next one's beginning.
    for (std::int64_t i = 0; i < plan.n; ++i) order[ends[row(i)]++] = static_cast<std::int32_t>(i);
  });
}

/// The rows that are added to each row of the result, as order_rows left them.
struct RowOrder {
  const std::int32_t* ends;
  const std::int32_t* order;
  std::int64_t last;   // place in the order
  std::int64_t ahead;  // so many places ahead, rows are fetched

  RowOrder(const Routine::Args& args, const ScatterPlan& plan, std::int64_t row_bytes)
      : ends(static_cast<const std::int32_t*>(args.scratch)),
        order(ends + plan.size + 1),
        last(plan.n - 1),
        ahead((fetched_bytes + row_bytes - 1) / row_bytes) {}
  std::int64_t begin(std::int64_t row) const { return row == 0 ? 0 : ends[row - 1]; }
  std::int64_t end(std::int64_t row) const { return ends[row]; }
  bool is_empty(std::int64_t row) const { return begin(row) == end(row); }
  std::int64_t at(std::int64_t place) const { return order[place]; }
  std::int64_t later(std::int64_t place) const { return order[std::min(place + ahead, last)]; }
};

/// Of two places that do not overlap, so many together that the compiler takes vectors.
template <class T>
void add_row(T* __restrict to, const T* __restrict row, std::int64_t count) {
  constexpr std::int64_t together = 32;
  std::int64_t j = 0;
  for (; j + together <= count; j += together)
    for (std::int64_t k = 0; k < together; ++k) to[j + k] = static_cast<T>(to[j + k] + row[j + k]);
  for (; j < count; ++j) to[j] = static_cast<T>(to[j] + row[j]);
}

template <class T>
void fetch(const T* from, std::int64_t count) {
  constexpr std::int64_t line = memory_alignment / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t j = 0; j < count; j += line) __builtin_prefetch(from + j);
}

/// to = the sum of the rows that belong to a row of the result, from an element on. They lie anywhere, which memory takes
/// its time for: it is asked for later ones meanwhile.
template <class T>
void sum_rows(T* to, const T* rows, const RowOrder& order, std::int64_t row, const ScatterPlan& plan,
              std::int64_t count) {
  constexpr std::int64_t together = fetched_at_once / static_cast<std::int64_t>(sizeof(T));
  if (order.is_empty(row)) std::fill_n(to, count, T{});
  for (std::int64_t i = order.begin(row); i < order.end(row); ++i) {
    const T *const added = rows + order.at(i) * plan.inner, *const later = rows + order.later(i) * plan.inner;
    for (std::int64_t j = 0; j < count; j += together) {
      const std::int64_t n = std::min(together, count - j);
      fetch(later + j, n);
      if (i == order.begin(row))
        std::copy_n(added + j, n, to + j);
      else
        add_row(to + j, added + j, n);
    }
  }
}

template <class T>
void add_rows(const Routine::Args& args, const ScatterPlan& plan, std::int64_t begin, std::int64_t end) {
  const RowOrder order(args, plan, plan.inner * static_cast<std::int64_t>(sizeof(T)));
  for (std::int64_t row = begin * plan.block; row < std::min(end * plan.block, plan.size); ++row)
    sum_rows(args.result<T>() + row * plan.inner, args.operand<T>(0), order, row, plan, plan.inner);
}

/// A row that nothing is added to stays as it is, where the result lies over the base. The others are fetched ahead, too.
template <class T>
void add_to_rows(const Routine::Args& args, const ScatterPlan& plan, std::int64_t begin, std::int64_t end) {
  std::array<T, 512> sums;
  const RowOrder order(args, plan, plan.inner * static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t first = begin * plan.block, last = std::min(end * plan.block, plan.size);
  std::int64_t to_fetch = first;
  const auto fetch_one = [&] {
    while (to_fetch < last && order.is_empty(to_fetch)) ++to_fetch;
    if (to_fetch < last) fetch(args.operand<T>(2) + to_fetch++ * plan.inner, plan.inner);
  };
  for (std::int64_t i = 0; i < order.ahead; ++i) fetch_one();
  for (std::int64_t row = first; row < last; ++row) {
    const T* const base = args.operand<T>(2) + row * plan.inner;
    T* const to = args.result<T>() + row * plan.inner;
    if (order.is_empty(row)) {
      if (to != base) std::copy_n(base, plan.inner, to);
      continue;
    }
    fetch_one();
    for (std::int64_t j = 0; j < plan.inner; j += std::ssize(sums)) {
      const std::int64_t count = std::min<std::int64_t>(std::ssize(sums), plan.inner - j);
      sum_rows(sums.data(), args.operand<T>(0) + j, order, row, plan, count);
      if (to != base) std::copy_n(base + j, count, to + j);
      add_row(to + j, sums.data(), count);
    }
  }
}

template <class T, class I>
void add_columns(const Routine::Args& args, const ScatterPlan& plan, std::int64_t part) {
  const OpView& op = *args.op;
  const std::int64_t blocks = (plan.inner + plan.block - 1) / plan.block;
  const std::int64_t outer = part / blocks, first = part % blocks * plan.block;
  const std::int64_t last = std::min(first + plan.block, plan.inner);
  T* const to = args.result<T>() + outer * plan.size * plan.inner;
  const T* const from = args.operand<T>(0) + outer * plan.n * plan.inner;
  const I* const index = args.operand<I>(1) + ScatterPlan::outer_offset(op, outer);
  for (std::int64_t row = 0; row < plan.size; ++row)
    std::fill(to + row * plan.inner + first, to + row * plan.inner + last, T{});
  for (std::int64_t i = 0; i < plan.n; ++i)
    for (std::int64_t j = first; j < last; ++j) {
      const I row = index[i * plan.stride + plan.inner_offset(op, j)];
      T& sum = to[checked(static_cast<std::int64_t>(row), plan.size) * plan.inner + j];
      sum = static_cast<T>(sum + from[i * plan.inner + j]);
    }
}

void scatter(const Routine::Args& args, std::int64_t begin, std::int64_t end) {
  const ScatterPlan plan(*args.op);
  visit_dtype(args.op->results[0].dtype, [&]<class T>() {
    if (plan.by_row) return add_rows<T>(args, plan, begin, end);
    visit_dtype(args.op->operands[1].dtype, [&]<class I>() {
      for (std::int64_t part = begin; part < end; ++part) add_columns<T, I>(args, plan, part);
    });
  });
}

/// x, the index, and the base's rows that it names, at most.
std::int64_t bytes_of_rows(const OpView& op) {
  const Type& x = op.operands[0];
  const std::int64_t rows = x.shape[axis_of(op)], row = x.bytes() / rows;
  return x.bytes() + op.operands[1].bytes() + 2 * row * std::min(rows, rows_of(op));
}

void add_rows_to_base(const Routine::Args& args, std::int64_t begin, std::int64_t end) {
  const ScatterPlan plan(*args.op);
  visit_dtype(args.op->results[0].dtype, [&]<class T>() { add_to_rows<T>(args, plan, begin, end); });
}

double scatter_oracle(const Oracle& o) {
  const std::size_t axis = axis_of(o.op());
  double sum = 0;
  Integers at = o.at();
  for (std::int64_t i = 0; i < o.op().operands[0].shape[axis]; ++i) {
    at[axis] = i;
    const double row = o.operand(1, index_place(o.op(), at));
    if (row == static_cast<double>(o.at()[axis])) sum += o.operand(0, at);
  }
  return sum;
}

// --- checked_index ---------------------------------------------------------------------------------------------------

constexpr std::int64_t checked_part = std::int64_t{1} << 14;

std::string index_fault(const Routine::Args& args) {
  const std::int64_t below = args.op->integer("below"), count = args.op->operands[0].elements();
  std::string fault;
  visit_dtype(args.op->operands[0].dtype, [&]<class I>() {
    const I* const index = args.operand<I>(0);
    const auto is_outside = [&](I i) {
      const auto position = static_cast<std::int64_t>(i);
      return position < 0 || position >= below;
    };
    const I* const found = std::find_if(index, index + count, is_outside);
    if (found != index + count)
      fault = fmt::format("the index {} is outside of the {} positions, 0 to {}", static_cast<std::int64_t>(*found),
                          below, below - 1);
  });
  return fault;
}

void copy_index(const Routine::Args& args, std::int64_t begin, std::int64_t end) {
  const Type& type = args.op->operands[0];
  const std::int64_t first = begin * checked_part, last = std::min(end * checked_part, type.elements());
  const std::int64_t bytes = size_of(type.dtype);
  std::memcpy(args.result<std::byte>() + first * bytes, args.operand<std::byte>(0) + first * bytes,
              static_cast<std::size_t>((last - first) * bytes));
}

AttrDef first_axis() { return {"axis", AttrKind::axis, Attr(std::int64_t{0})}; }

}  // namespace

bool names_rows(const OpView& op) {
  for (std::size_t d = 0; d < op.operands[0].shape.size(); ++d)
    if ((d < axis_of(op) && op.operands[0].shape[d] != 1) || (d > axis_of(op) && op.operands[1].shape[d] != 1))
      return false;
  return true;
}

std::span<const OpDef> gather_ops() {
  static const OpDef ops[] = {
      {.name = "gather",
       .doc =
           "Elements of x at the positions along `axis` that `index` names, as PyTorch's `gather`. The index has x's "
           "dimensions, any extent along the axis, and x's or 1 elsewhere: with 1, whole rows are gathered.",
       .operands = {{"x"},
                    {.name = "index",
                     .index_extent = [](const OpView& op) { return op.operands[0].shape[axis_of(op)]; }}},
       .attrs = {first_axis()},
       .infer = infer_gather,
       .kernel = Movement{.access = gather_access},
       // each element of x gets the gradients of all places that it was gathered to
       .grad =
           [](GradCtx& g) {
             const std::int64_t axis = g.view().integer("axis");
             g.accumulate(
                 0, g.builder().op("scatter_add", {g.dy(), g.operand(1)},
                                   {{"size", g.operand(0).shape()[static_cast<std::size_t>(axis)]}, {"axis", axis}}));
           },
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             Integers at = o.at();
             at[axis_of(o.op())] = static_cast<std::int64_t>(o.operand(1, index_place(o.op(), o.at())));
             return o.operand(0, at);
           },
       .samples =
           [](Samples& s) {
             s.add({f32({5, 3}), i32({7, 1})}).range(1, 0, 5);
             s.add({f32({3, 4}), u8({3, 1})}, {{"axis", std::int64_t{1}}}).range(1, 0, 4);
             s.add({f32({2, 4, 3}), i64({1, 5, 1})}, {{"axis", std::int64_t{1}}}).range(1, 0, 4);
             s.add({f32({4, 3}), i32({2, 3})}).range(1, 0, 4);
             s.add({i32({6}), i32({4})}).range(1, 0, 6);
             s.add({f32({1, 5}), u8({1, 1})}, {{"axis", std::int64_t{1}}}).range(1, 0, 5);
             s.add({f32({5}), i64({1})}).range(1, 0, 5);
             s.add({f32({2, 3, 2, 2}), i32({1, 4, 1, 2})}, {{"axis", std::int64_t{1}}}).range(1, 0, 3);
           },
       .value_operands = {0}},

      {.name = "scatter_add",
       .doc =
           "The sum, for each position below `size` along `axis`, of the elements of x whose index names it; 0 where "
           "none does. What `gather` reads from there: the index is as it takes it. Elements are added in their order.",
       .operands = {{"x"}, {.name = "index", .index_extent = [](const OpView& op) { return op.integer("size"); }}},
       .attrs = {{"size", AttrKind::integer}, first_axis()},
       .infer = infer_scatter_add,
       .kernel = Routine{.parts = [](const OpView& op) { return ScatterPlan(op).parts; },
                         .run = scatter,
                         .scratch_bytes = scatter_scratch,
                         .prepare = order_rows},
       // d sum = sum(dx): each element gets the gradient of the sum that it went to
       .grad =
           [](GradCtx& g) {
             g.accumulate(0, g.builder().op("gather", {g.dy(), g.operand(1)}, {{"axis", g.view().integer("axis")}}));
           },
       .precision = Precision::accumulated,
       .oracle = scatter_oracle,
       .samples =
           [](Samples& s) {
             s.add({f32({7, 3}), i32({7, 1})}, {{"size", std::int64_t{5}}}).range(1, 0, 5);
             s.add({f32({9, 1200}), u16({9, 1})}, {{"size", std::int64_t{7}}}).range(1, 0, 7);
             s.add({f32({3, 4}), u8({3, 4})}, {{"size", std::int64_t{3}}, {"axis", std::int64_t{1}}}).range(1, 0, 3);
             s.add({f32({2, 5, 3}), i64({1, 5, 1})}, {{"size", std::int64_t{4}}, {"axis", std::int64_t{1}}})
                 .range(1, 0, 4);
             s.add({f32({2, 3, 2, 600}), i32({2, 3, 1, 600})}, {{"size", std::int64_t{4}}, {"axis", std::int64_t{1}}})
                 .range(1, 0, 4);
             s.add({i32({8}), i32({8})}, {{"size", std::int64_t{3}}}).range(1, 0, 3);
           },
       .flops = [](const OpView& op) { return is_float(op.operands[0].dtype) ? op.operands[0].elements() : 0; },
       .elsewhere = {"scatter"}},

      {.name = "add_rows",
       .doc = "The base; to each of its rows along `axis` the rows of x are added whose index names it, as one sum in "
              "their order.",
       .operands = {{"x"}, {.name = "index", .index_extent = [](const OpView& op) { return rows_of(op); }}, {"base"}},
       .attrs = {first_axis()},
       .infer = infer_add_rows,
       .kernel = Routine{.parts = [](const OpView& op) { return ScatterPlan(op).parts; },
                         .run = add_rows_to_base,
                         .scratch_bytes = scatter_scratch,
                         .prepare = order_rows,
                         .over = Routine::Over{2, bytes_of_rows}},
       .grad =
           [](GradCtx& g) {
             g.accumulate(0, g.builder().op("gather", {g.dy(), g.operand(1)}, {{"axis", g.view().integer("axis")}}));
             g.accumulate(2, g.dy());
           },
       .precision = Precision::accumulated,
       .oracle = [](const Oracle& o) { return o.operand(2, o.at()) + scatter_oracle(o); },
       .samples =
           [](Samples& s) {
             // what nearly cancels is as exact as its parts, not as their sum
             s.add({f32({7, 3}), i32({7, 1}), f32({5, 3})}).range(0, 0.5, 2).range(1, 0, 5).range(2, 0.5, 2);
             s.add({f32({3, 600}), u16({3, 1}), f32({2, 600})}).range(0, 0.5, 2).range(1, 0, 2).range(2, 0.5, 2);
             s.add({f32({1, 5, 3}), i64({1, 5, 1}), f32({1, 4, 3})}, {{"axis", std::int64_t{1}}})
                 .range(0, -2, -0.5)
                 .range(1, 0, 4)
                 .range(2, -2, -0.5);
             s.add({i32({8}), i32({8}), i32({3})}).range(1, 0, 3);
             s.add({i32({9, 1200}), u16({9, 1}), i32({7, 1200})}).range(1, 0, 7);  // several parts
           },
       .flops = [](const OpView& op) { return is_float(op.operands[0].dtype) ? op.operands[0].elements() : 0; }},

      {.name = "checked_index",
       .doc = "x, of which each element is at least 0 and below `below`; anything else ends the run with an error.",
       .operands = {{"x"}},
       .attrs = {{"below", AttrKind::integer}},
       .infer = [](const OpView& op) -> Inferred {
         if (!is_integer(op.operands[0].dtype))
           return Inferred::fail(fmt::format("expected integers, found {}", to_string(op.operands[0])));
         if (op.integer("below") < 1) return Inferred::fail("`below` must be positive");
         return {{op.operands[0]}, {}};
       },
       .kernel =
           Routine{
               .parts = [](const OpView& op) { return (op.operands[0].elements() + checked_part - 1) / checked_part; },
               .run = copy_index,
               .fault = index_fault},
       .grad = no_gradient("its result is a position"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return o.operand(0, o.at()); },
       .samples =
           [](Samples& s) {
             s.add({i32({7, 2})}, {{"below", std::int64_t{5}}}).range(0, 0, 5);
             s.add({u8({3})}, {{"below", std::int64_t{2}}}).range(0, 0, 2);
             s.add({i64({5, 4000})}, {{"below", std::int64_t{9}}}).range(0, 0, 9);
           },
       .flops = [](const OpView&) { return std::int64_t{0}; },
       .callable = false,
       .value_operands = {0},
       .result_count = [](const OpView& op, std::size_t) { return op.integer("below"); }},
  };
  return ops;
}

}  // namespace nnc::ir
