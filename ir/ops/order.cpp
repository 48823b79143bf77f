#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/rows.h"
#include "ir/samples.h"

#include <algorithm>
#include <numeric>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

Rows rows_of(const OpView& op) { return {op.operands[0].shape, op.integer("axis")}; }

/// Values and their positions, along the axis `count` of them.
Inferred infer_ordered(const OpView& op, std::int64_t count) {
  const Type& x = op.operands[0];
  const auto axis = static_cast<std::size_t>(op.integer("axis"));
  if (x.dtype == DType::boolean) return Inferred::fail("expected numbers, found bool");
  if (count < 1 || count > x.shape[axis])
    return Inferred::fail(
        fmt::format("{} of the {} positions of {} are asked for", count, x.shape[axis], to_string(x)));
  if (x.shape[axis] > highest(DType::i32))
    return Inferred::fail(fmt::format("{} has more positions than i32 holds", to_string(x)));
  Type values{x.dtype, x.shape, {}};
  values.shape[axis] = count;
  return {{values, Type{DType::i32, values.shape, {}}}, {}};
}

/// A NaN is larger than any number, as in PyTorch.
template <class T>
bool less(T a, T b) {
  return a < b || (b != b && a == a);
}

/// Scratch: the positions of a row, for each part.
std::int64_t order_scratch(const OpView& op) {
  const Rows rows = rows_of(op);
  return rows.parts() * rows.n * static_cast<std::int64_t>(sizeof(std::int32_t));
}
std::int64_t order_parts(const OpView& op) { return rows_of(op).parts(); }

/// The first `count` positions of each row in the order of their values; equal ones stay in theirs.
template <class T>
void order_rows(const Routine::Args& args, std::int64_t part, std::int64_t count, bool descending) {
  const Rows rows = rows_of(*args.op);
  auto* const positions = static_cast<std::int32_t*>(args.scratch) + part * rows.n;
  for (std::int64_t row = rows.first_of(part); row < rows.first_of(part + 1); ++row) {
    const T* const x = args.operand<T>(0) + rows.begin(row);
    const auto before = [&](std::int32_t i, std::int32_t j) {
      const T a = x[i * rows.inner], b = x[j * rows.inner];
      if (descending ? less(b, a) : less(a, b)) return true;
      if (descending ? less(a, b) : less(b, a)) return false;
      return i < j;
    };
    std::iota(positions, positions + rows.n, 0);
    if (count == rows.n)
      std::sort(positions, positions + rows.n, before);
    else
      std::partial_sort(positions, positions + count, positions + rows.n, before);
    const std::int64_t begin = rows.begin(row, count);
    for (std::int64_t i = 0; i < count; ++i) {
      args.result<T>(0)[begin + i * rows.inner] = x[positions[i] * rows.inner];
      args.result<std::int32_t>(1)[begin + i * rows.inner] = positions[i];
    }
  }
}

void order(const Routine::Args& args, std::int64_t begin, std::int64_t end, std::int64_t count, bool descending) {
  visit_dtype(args.op->operands[0].dtype, [&]<class T>() {
    for (std::int64_t part = begin; part < end; ++part) order_rows<T>(args, part, count, descending);
  });
}

/// The gradient of a value goes to the position that it came from.
void order_gradient(GradCtx& g) {
  const std::int64_t axis = g.view().integer("axis");
  g.accumulate(0, g.builder().op("scatter_add", {g.dy(0), g.result(1)},
                                 {{"size", g.operand(0).shape()[static_cast<std::size_t>(axis)]}, {"axis", axis}}));
}

/// Only the second result counts.
std::int64_t positions(const OpView& op, std::size_t result) { return result == 1 ? rows_of(op).n : 0; }

/// The value with `rank` others before it, or its position: found by counting.
double order_oracle(const Oracle& o, bool descending) {
  const auto axis = static_cast<std::size_t>(o.op().integer("axis"));
  Integers at = o.at(), other = o.at();
  const std::int64_t n = o.op().operands[0].shape[axis];
  for (at[axis] = 0; at[axis] < n; ++at[axis]) {
    const double x = o.operand(0, at);
    std::int64_t before = 0;
    for (other[axis] = 0; other[axis] < n; ++other[axis]) {
      const double y = o.operand(0, other);
      before += (descending ? y > x : y < x) || (y == x && other[axis] < at[axis]);
    }
    if (before == o.at()[axis]) return o.result() == 0 ? x : static_cast<double>(at[axis]);
  }
  return -1;
}

const AttrDef last_axis{"axis", AttrKind::axis, Attr(std::int64_t{-1})};

}  // namespace

std::span<const OpDef> order_ops() {
  static const OpDef ops[] = {
      {.name = "sort",
       .doc =
           "The elements along `axis` in ascending order, or descending, and their positions, i32. Equal elements stay "
           "in their order; NaN is larger than any number.",
       .operands = {{"x"}},
       .attrs = {last_axis, {"descending", AttrKind::boolean, Attr(false)}},
       .infer =
           [](const OpView& op) {
             return infer_ordered(op, op.operands[0].shape[static_cast<std::size_t>(op.integer("axis"))]);
           },
       .kernel = Routine{.parts = order_parts,
                         .run =
                             [](const Routine::Args& args, std::int64_t begin, std::int64_t end) {
                               order(args, begin, end, rows_of(*args.op).n, args.op->flag("descending"));
                             },
                         .scratch_bytes = order_scratch},
       .grad = order_gradient,
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return order_oracle(o, o.op().flag("descending")); },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 7})}).keep_apart();
             s.add({f32({40, 2})}, {{"axis", std::int64_t{0}}, {"descending", true}}).keep_apart().range(-10, 10);
             s.add({f32({2, 5, 3})}, {{"axis", std::int64_t{1}}}).keep_apart();
             s.add({i32({4, 9})}, {{"descending", true}}).range(0, 4);  // with ties
           },
       .result_count = positions},

      {.name = "top_k",
       .doc = "The k largest elements along `axis`, the largest first, or the smallest, and their positions, i32. Of "
              "equal "
              "elements the first ones are taken; NaN is larger than any number.",
       .operands = {{"x"}},
       .attrs = {{"k", AttrKind::integer}, last_axis, {"largest", AttrKind::boolean, Attr(true)}},
       .infer = [](const OpView& op) { return infer_ordered(op, op.integer("k")); },
       .kernel = Routine{.parts = order_parts,
                         .run =
                             [](const Routine::Args& args, std::int64_t begin, std::int64_t end) {
                               order(args, begin, end, args.op->integer("k"), args.op->flag("largest"));
                             },
                         .scratch_bytes = order_scratch},
       .grad = order_gradient,
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return order_oracle(o, o.op().flag("largest")); },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 7})}, {{"k", std::int64_t{2}}}).keep_apart();
             s.add({f32({6, 2})}, {{"k", std::int64_t{3}}, {"axis", std::int64_t{0}}, {"largest", false}}).keep_apart();
             s.add({i32({4, 9})}, {{"k", std::int64_t{5}}}).range(0, 4);  // with ties
           },
       .result_count = positions},
  };
  return ops;
}

}  // namespace nnc::ir
