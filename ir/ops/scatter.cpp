#include "ir/ops/scatter.h"

#include "ir/alignment.h"
#include "ir/check.h"
#include "ir/ops/gather.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace nnc::ir {

namespace {

/// Elements of the result that a part works on, roughly.
constexpr std::int64_t part_elements = 4096;

/// Of a row that is fetched ahead, bytes.
constexpr std::int64_t fetched_at_once = 2048;

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
    size = scatter_positions(op);
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

}  // namespace

std::int64_t scatter_positions(const OpView& op) {
  return op.operands.size() > 2 ? op.operands[2].shape[axis_of(op)] : op.integer("size");
}

std::int64_t scatter_parts(const OpView& op) { return ScatterPlan(op).parts; }

std::int64_t scatter_scratch(const OpView& op) {
  const ScatterPlan plan(op);
  return plan.by_row ? (plan.size + 1 + plan.n) * static_cast<std::int64_t>(sizeof(std::int32_t)) : 0;
}

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

void run_scatter(const Routine::Args& args, std::int64_t begin, std::int64_t end) {
  const ScatterPlan plan(*args.op);
  visit_dtype(args.op->results[0].dtype, [&]<class T>() {
    if (plan.by_row) return add_rows<T>(args, plan, begin, end);
    visit_dtype(args.op->operands[1].dtype, [&]<class I>() {
      for (std::int64_t part = begin; part < end; ++part) add_columns<T, I>(args, plan, part);
    });
  });
}

void run_add_rows(const Routine::Args& args, std::int64_t begin, std::int64_t end) {
  const ScatterPlan plan(*args.op);
  visit_dtype(args.op->results[0].dtype, [&]<class T>() { add_to_rows<T>(args, plan, begin, end); });
}

}  // namespace nnc::ir
