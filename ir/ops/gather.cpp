#include "ir/ops/gather.h"
#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/scatter.h"
#include "ir/samples.h"

#include <algorithm>
#include <cstring>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

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
  if (scatter_positions(op) > highest(DType::i32) || x.shape[axis_of(op)] > highest(DType::i32))
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

/// x, the index, and the base's rows that it names, at most.
std::int64_t bytes_of_rows(const OpView& op) {
  const Type& x = op.operands[0];
  const std::int64_t rows = x.shape[axis_of(op)], row = x.bytes() / rows;
  return x.bytes() + op.operands[1].bytes() + 2 * row * std::min(rows, scatter_positions(op));
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
       .kernel =
           Routine{.parts = scatter_parts, .run = run_scatter, .scratch_bytes = scatter_scratch, .prepare = order_rows},
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
       .operands = {{"x"},
                    {.name = "index", .index_extent = [](const OpView& op) { return scatter_positions(op); }},
                    {"base"}},
       .attrs = {first_axis()},
       .infer = infer_add_rows,
       .kernel = Routine{.parts = scatter_parts,
                         .run = run_add_rows,
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
