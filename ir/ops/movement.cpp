#include "ir/ops/movement.h"
#include "ir/builder.h"
#include "ir/fused.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/transpose.h"
#include "ir/samples.h"
#include "ir/simplify.h"

#include <algorithm>
#include <numeric>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

std::vector<Access> read_all(const OpView& op) { return {{.strides = row_major_strides(op.results[0].shape)}}; }

bool same_type(const SimplifyCtx& c) { return c.view().operands[0] == c.view().results[0]; }

/// Operand coordinates of a row-major position.
Integers coordinates(std::int64_t position, const Shape& shape) {
  Integers at(shape.size());
  for (std::size_t d = shape.size(); d-- > 0; position /= shape[d]) at[d] = position % shape[d];
  return at;
}

std::string check_rank(const OpView& op, std::string_view attr) {
  if (op.integers(attr).size() == op.operands[0].shape.size()) return "";
  return fmt::format("`{}` has {} entries for {}", attr, op.integers(attr).size(), to_string(op.operands[0]));
}

Inferred infer_permute(const OpView& op) {
  if (std::string error = check_rank(op, "order"); !error.empty()) return Inferred::fail(std::move(error));
  Type result{op.operands[0].dtype, {}, {}};
  Integers sorted = op.integers("order");
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<std::int64_t>(i))
      return Inferred::fail(fmt::format("`order` must name each dimension of {} once", to_string(op.operands[0])));
  for (std::int64_t d : op.integers("order")) result.shape.push_back(op.operands[0].shape[static_cast<std::size_t>(d)]);
  return {{result}, {}};
}

Inferred infer_broadcast_to(const OpView& op) {
  const Shape& to = op.integers("shape");
  if (const auto shape = broadcast(op.operands[0].shape, to); !shape || *shape != to)
    return Inferred::fail(fmt::format("{} does not broadcast to {}", to_string(op.operands[0]), to_string(to)));
  return {{Type{op.operands[0].dtype, to, {}}}, {}};
}

/// A slice along one dimension: `count` positions from `start` on, `step` apart.
struct Part {
  std::int64_t start, step, count;

  /// The lowest of the positions, and how far apart they are.
  std::int64_t lowest() const { return step > 0 ? start : start + (count - 1) * step; }
  std::int64_t distance() const { return step > 0 ? step : -step; }
};

/// Of an op whose attributes have been checked; steps that are not given are 1.
Part part_of(const OpView& op, std::size_t d) {
  const Integers& steps = op.integers("step");
  Part part{op.integers("start")[d], steps.empty() ? 1 : steps[d], 0};
  const std::int64_t length = op.integers("stop")[d] - part.start;
  part.count = (length * (part.step > 0 ? 1 : -1) + part.distance() - 1) / part.distance();
  return part;
}

Inferred infer_slice(const OpView& op) {
  for (std::string_view attr : {"start", "stop"})
    if (std::string error = check_rank(op, attr); !error.empty()) return Inferred::fail(std::move(error));
  const Integers& steps = op.integers("step");
  if (!steps.empty())
    if (std::string error = check_rank(op, "step"); !error.empty()) return Inferred::fail(std::move(error));
  Type result{op.operands[0].dtype, {}, {}};
  for (std::size_t d = 0; d < op.operands[0].shape.size(); ++d) {
    const std::int64_t start = op.integers("start")[d], stop = op.integers("stop")[d], extent = op.operands[0].shape[d];
    const std::int64_t step = steps.empty() ? 1 : steps[d];
    const bool up = step > 0 && step <= highest(DType::i32) && start >= 0 && start < stop && stop <= extent;
    const bool down = step < 0 && step >= lowest(DType::i32) && stop >= -1 && stop < start && start < extent;
    if (!up && !down)
      return Inferred::fail(fmt::format("{}..{}{} is no part of dimension {} of {}", start, stop,
                                        step == 1 ? "" : fmt::format(" in steps of {}", step), d,
                                        to_string(op.operands[0])));
    result.shape.push_back(part_of(op, d).count);
  }
  return {{result}, {}};
}

/// The gradient at the positions of the slice, 0 at the others. Dimensions that were walked downwards are turned; where
/// positions are s apart, each element gets s - 1 zeros behind it.
void slice_gradient(GradCtx& g) {
  Builder& b = g.builder();
  Expr dy = g.dy();
  const Shape counts = dy.shape(), extents = g.operand(0).shape();
  Integers start(counts.size(), 0), stop = counts, step(counts.size(), 1), low, high, spread;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    const Part part = part_of(g.view(), d);
    if (part.step < 0 && part.count > 1) {
      start[d] = part.count - 1;
      stop[d] = step[d] = -1;
    }
    spread.push_back(part.count == 1 ? 1 : part.distance());
    low.push_back(part.lowest());
    high.push_back(extents[d] - part.lowest() - (part.count - 1) * part.distance() - 1);
  }
  if (std::ranges::find(step, -1) != step.end())
    dy = b.op("slice", {dy}, {{"start", start}, {"stop", stop}, {"step", step}});
  if (std::ranges::any_of(spread, [](std::int64_t s) { return s > 1; })) {
    Shape apart, together;
    Integers none(2 * counts.size(), 0), behind;
    for (std::size_t d = 0; d < counts.size(); ++d) {
      apart.insert(apart.end(), {counts[d], 1});
      behind.insert(behind.end(), {0, spread[d] - 1});
      together.push_back(counts[d] * spread[d]);
      stop[d] = (counts[d] - 1) * spread[d] + 1;
    }
    dy = b.reshape(b.op("pad", {b.reshape(dy, apart)}, {{"low", none}, {"high", behind}}), together);
    dy = b.op("slice", {dy}, {{"start", Integers(counts.size(), 0)}, {"stop", stop}});
  }
  g.accumulate(0, b.op("pad", {dy}, {{"low", low}, {"high", high}}));
}

Inferred infer_concat(const OpView& op) {
  const auto axis = static_cast<std::size_t>(op.integer("axis"));
  Type result{op.operands[0].dtype, op.operands[0].shape, {}};
  result.shape[axis] = 0;
  for (const Type& part : op.operands) {
    if (part.dtype != result.dtype)
      return Inferred::fail(
          fmt::format("the element types differ: {} and {}", to_string(op.operands[0]), to_string(part)));
    Shape other = part.shape;
    if (other.size() == result.shape.size()) other[axis] = result.shape[axis];
    if (other != result.shape)
      return Inferred::fail(
          fmt::format("{} and {} differ in more than dimension {}", to_string(op.operands[0]), to_string(part), axis));
    result.shape[axis] += part.shape[axis];
  }
  return {{result}, {}};
}

/// Where each operand of a concatenation begins, and the end of the last.
Integers concat_places(const OpView& op) {
  Integers places{0};
  for (const Type& part : op.operands)
    places.push_back(places.back() + part.shape[static_cast<std::size_t>(op.integer("axis"))]);
  return places;
}

std::vector<Access> concat_access(const OpView& op) {
  const auto axis = static_cast<std::size_t>(op.integer("axis"));
  const Integers places = concat_places(op);
  std::vector<Access> accesses;
  for (std::size_t i = 0; i < op.operands.size(); ++i) {
    Access access{.strides = row_major_strides(op.operands[i].shape)};
    access.offset = -places[i] * access.strides[axis];
    access.bounds.assign(access.strides.size(), Access::everywhere);
    access.bounds[axis] = {places[i], places[i + 1]};
    accesses.push_back(std::move(access));
  }
  return accesses;
}

/// Of more values than a kernel has room for, parts are put together first. Each brings dimensions of its own; some
/// buffers are left for what is around it.
std::vector<Expr> expand_concat(SimplifyCtx& c) {
  constexpr std::size_t buffers_around = 4;
  const auto rank = static_cast<std::size_t>(c.view().results[0].rank());
  const std::size_t most = std::min(max_kernel_dimensions / rank - 1, max_kernel_buffers - buffers_around);
  std::vector<Expr> parts;
  for (std::size_t i = 0; i < c.op().operands.size(); ++i) parts.push_back(c.operand(i));
  if (parts.size() <= most) return {};
  while (parts.size() > 1) {
    const std::size_t groups = (parts.size() + most - 1) / most;
    std::vector<Expr> joined;
    for (std::size_t g = 0; g < groups; ++g) {
      const auto first = parts.begin() + static_cast<std::ptrdiff_t>(g * parts.size() / groups),
                 last = parts.begin() + static_cast<std::ptrdiff_t>((g + 1) * parts.size() / groups);
      joined.push_back(c.builder().op("concat", {first, last}, {{"axis", c.view().integer("axis")}}));
    }
    parts = std::move(joined);
  }
  return parts;
}

void concat_gradient(GradCtx& g) {
  const auto axis = static_cast<std::size_t>(g.view().integer("axis"));
  const Integers places = concat_places(g.view());
  for (std::size_t i = 0; i + 1 < places.size(); ++i) {
    if (!g.wants(i)) continue;
    Integers start(g.dy().shape().size(), 0), stop = g.dy().shape();
    start[axis] = places[i];
    stop[axis] = places[i + 1];
    g.accumulate(i, g.builder().op("slice", {g.dy()}, {{"start", start}, {"stop", stop}}));
  }
}

double concat_oracle(const Oracle& o) {
  const auto axis = static_cast<std::size_t>(o.op().integer("axis"));
  Integers at = o.at();
  for (std::size_t i = 0;; at[axis] -= o.op().operands[i++].shape[axis])
    if (at[axis] < o.op().operands[i].shape[axis]) return o.operand(i, at);
}

Inferred infer_pad(const OpView& op) {
  constexpr std::int64_t largest = std::int64_t{1} << 40;
  for (std::string_view attr : {"low", "high"}) {
    if (std::string error = check_rank(op, attr); !error.empty()) return Inferred::fail(std::move(error));
    for (std::int64_t amount : op.integers(attr))
      if (amount < 0 || amount > largest) return Inferred::fail(fmt::format("`{}` has {}, out of range", attr, amount));
  }
  Type result{op.operands[0].dtype, {}, {}};
  for (std::size_t d = 0; d < op.operands[0].shape.size(); ++d)
    result.shape.push_back(op.integers("low")[d] + op.operands[0].shape[d] + op.integers("high")[d]);
  return {{result}, {}};
}

/// (A B)^T = B^T A^T, where the product serves nothing else.
std::optional<ValueId> transposed_product(SimplifyCtx& c) {
  const Op* product = c.definer(0, "matmul");
  if (!product || !c.sole_use(0) || !swaps_last(c.view().integers("order"))) return std::nullopt;
  const OpView before = view(c.builder().block(), *product);
  return c.builder()
      .op("matmul", {c.builder().expr(product->operands[1]), c.builder().expr(product->operands[0])},
          {{"transpose_a", !before.flag("transpose_b")},
           {"transpose_b", !before.flag("transpose_a")},
           {"accumulate", before.get<DType>("accumulate")}})
      .value;
}

}  // namespace

Integers inverse_order(const Integers& order) {
  Integers inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  return inverse;
}

std::span<const OpDef> movement_ops() {
  static const OpDef ops[] = {
      {.name = "reshape",
       .doc = "The same elements in row-major order with another shape.",
       .operands = {{"x"}},
       .attrs = {{"shape", AttrKind::result_shape}},
       .infer = [](const OpView& op) -> Inferred {
         const Shape& to = op.integers("shape");
         if (element_count(to) != op.operands[0].elements())
           return Inferred::fail(fmt::format("{} has {} elements, {} has {}", to_string(op.operands[0]),
                                             op.operands[0].elements(), to_string(to), element_count(to)));
         return {{Type{op.operands[0].dtype, to, {}}}, {}};
       },
       .kernel = Movement{.access = read_all},
       // the gradient in the operand's shape
       .grad = [](GradCtx& g) { g.accumulate(0, g.builder().reshape(g.dy(), g.operand(0).shape())); },
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             std::int64_t position = 0;
             for (std::size_t d = 0; d < o.at().size(); ++d)
               position = position * o.op().results[0].shape[d] + o.at()[d];
             return o.operand(0, coordinates(position, o.op().operands[0].shape));
           },
       .samples =
           [](Samples& s) {
             s.add({f32({2, 6})}, {{"shape", Integers{3, 4}}});
             s.add({f32({1, 1})}, {{"shape", Integers{}}});
           },
       .elsewhere = {"view", "squeeze"},
       .value_operands = {0},
       // reshape(reshape(x)) -> reshape(x); to the same shape -> x
       .simplify = [](SimplifyCtx& c) -> std::optional<ValueId> {
         if (same_type(c)) return c.op().operands[0];
         const Op* inner = c.definer(0, "reshape");
         if (!inner) return std::nullopt;
         return c.builder().reshape(c.builder().expr(inner->operands[0]), c.view().results[0].shape).value;
       }},

      {.name = "permute",
       .doc = "The dimensions in another order: dimension i of the result is dimension order[i] of x.",
       .operands = {{"x"}},
       .attrs = {{"order", AttrKind::integers}},
       .infer = infer_permute,
       .kernel = Movement{.access = [](const OpView& op) -> std::vector<Access> {
         const Integers strides = row_major_strides(op.operands[0].shape);
         Access access;
         for (std::int64_t d : op.integers("order")) access.strides.push_back(strides[static_cast<std::size_t>(d)]);
         return {access};
       }},
       // the gradient in the inverse order
       .grad =
           [](GradCtx& g) { g.accumulate(0, g.builder().permute(g.dy(), inverse_order(g.view().integers("order")))); },
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             Integers at(o.at().size());
             for (std::size_t i = 0; i < at.size(); ++i)
               at[static_cast<std::size_t>(o.op().integers("order")[i])] = o.at()[i];
             return o.operand(0, at);
           },
       .samples =
           [](Samples& s) {
             s.add({f32({2, 3, 4})}, {{"order", Integers{2, 0, 1}}});
             s.add({f32({2, 3})}, {{"order", Integers{1, 0}}});
           },
       .elsewhere = {"transpose"},
       .value_operands = {0},
       // the identity -> x; permute(permute(x)) -> permute(x); transpose(matmul(a, b)) -> matmul(b, a)
       .simplify = [](SimplifyCtx& c) -> std::optional<ValueId> {
         const Integers& order = c.view().integers("order");
         if (std::ranges::is_sorted(order)) return c.op().operands[0];
         const Op* inner = c.definer(0, "permute");
         if (!inner) return transposed_product(c);
         const auto& first = std::get<Integers>(inner->attrs[0]);
         Integers both;
         for (std::int64_t d : order) both.push_back(first[static_cast<std::size_t>(d)]);
         return c.builder().permute(c.builder().expr(inner->operands[0]), both).value;
       }},

      {.name = "broadcast",
       .doc = "x repeated along new leading dimensions and those of extent 1, by NumPy's rule.",
       .operands = {{"x"}},
       .attrs = {{"shape", AttrKind::result_shape}},
       .infer = infer_broadcast_to,
       .kernel = Movement{.access = [](const OpView& op) -> std::vector<Access> {
         const Shape& from = op.operands[0].shape;
         const Integers strides = row_major_strides(from);
         const std::size_t added = op.results[0].shape.size() - from.size();
         Access access;
         access.strides.assign(op.results[0].shape.size(), 0);
         for (std::size_t d = 0; d < from.size(); ++d)
           if (from[d] != 1) access.strides[added + d] = strides[d];
         return {access};
       }},
       // what was repeated is summed, which `accumulate` does
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy()); },
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return o[0]; },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 1})}, {{"shape", Integers{2, 3, 4}}});
             s.add({f32({})}, {{"shape", Integers{5}}});
           },
       .elsewhere = {"expand"},
       .value_operands = {0},
       .simplify = [](SimplifyCtx& c) -> std::optional<ValueId> {
         if (same_type(c)) return c.op().operands[0];
         return std::nullopt;
       }},

      {.name = "slice",
       .doc = "The part of x from `start` up to but not including `stop` in each dimension, every `step`-th position; "
              "downwards if the step is negative (then `stop` may be -1). Without `step`, every position.",
       .operands = {{"x"}},
       .attrs = {{"start", AttrKind::integers},
                 {"stop", AttrKind::integers},
                 {"step", AttrKind::integers, Attr(Integers{})}},
       .infer = infer_slice,
       .kernel = Movement{.access = [](const OpView& op) -> std::vector<Access> {
         Access access{.strides = row_major_strides(op.operands[0].shape)};
         for (std::size_t d = 0; d < access.strides.size(); ++d) {
           const Part part = part_of(op, d);
           access.offset += part.start * access.strides[d];
           access.strides[d] *= part.step;
         }
         return {access};
       }},
       .grad = slice_gradient,
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             Integers at = o.at();
             for (std::size_t d = 0; d < at.size(); ++d) {
               const Integers& steps = o.op().integers("step");
               at[d] = o.op().integers("start")[d] + at[d] * (steps.empty() ? 1 : steps[d]);
             }
             return o.operand(0, at);
           },
       .samples =
           [](Samples& s) {
             s.add({f32({4, 5})}, {{"start", Integers{1, 0}}, {"stop", Integers{3, 5}}});
             s.add({f32({6})}, {{"start", Integers{2}}, {"stop", Integers{3}}});
             s.add({f32({7, 5})}, {{"start", Integers{1, 0}}, {"stop", Integers{7, 4}}, {"step", Integers{2, 3}}});
             s.add({f32({3, 8})}, {{"start", Integers{2, 6}}, {"stop", Integers{-1, 0}}, {"step", Integers{-1, -4}}});
             s.add({f32({5})}, {{"start", Integers{4}}, {"stop", Integers{3}}, {"step", Integers{-2}}});
           },
       .value_operands = {0},
       .simplify = [](SimplifyCtx& c) -> std::optional<ValueId> {
         if (!same_type(c)) return std::nullopt;
         for (std::size_t d = 0; d < c.view().operands[0].shape.size(); ++d)
           if (const Part part = part_of(c.view(), d); part.step != 1 && part.count > 1) return std::nullopt;
         return c.op().operands[0];
       }},

      {.name = "concat",
       .doc = "The operands one after the other along `axis`.",
       .operands = {{"x"}},
       .variadic = true,
       .attrs = {{"axis", AttrKind::axis, Attr(std::int64_t{0})}},
       .infer = infer_concat,
       .kernel = Movement{.access = concat_access},
       // each operand gets its part of the gradient
       .grad = concat_gradient,
       .precision = Precision::exact,
       .oracle = concat_oracle,
       .samples =
           [](Samples& s) {
             s.add({f32({2, 3}), f32({1, 3})});
             s.add({f32({2, 1, 2}), f32({2, 3, 2}), f32({2, 2, 2})}, {{"axis", std::int64_t{1}}});
             s.add({f32({2, 40}), f32({2, 30})}, {{"axis", std::int64_t{-1}}});
             s.add({i32({3}), i32({3})});
             s.add({f32({2, 3})});
             s.add(std::vector<SampleOperand>(40, f32({2, 1, 3, 1})), {{"axis", std::int64_t{1}}});
           },
       .elsewhere = {"cat", "concatenate"},
       .value_operands = {0},
       .simplify = [](SimplifyCtx& c) -> std::optional<ValueId> {
         if (c.op().operands.size() == 1) return c.op().operands[0];
         return std::nullopt;
       },
       .expand = expand_concat},

      {.name = "pad",
       .doc = "x with `low` elements of `value` before and `high` after it in each dimension.",
       .operands = {{"x"}},
       .attrs = {{"low", AttrKind::integers}, {"high", AttrKind::integers}, {"value", AttrKind::real, Attr(0.0)}},
       .infer = infer_pad,
       .kernel = Movement{.access = [](const OpView& op) -> std::vector<Access> {
         Access access{.strides = row_major_strides(op.operands[0].shape), .fill = op.get<double>("value")};
         for (std::size_t d = 0; d < access.strides.size(); ++d) {
           const std::int64_t low = op.integers("low")[d];
           access.offset -= low * access.strides[d];
           access.bounds.emplace_back(low, low + op.operands[0].shape[d]);
         }
         return {access};
       }},
       // the part of the gradient where x is
       .grad =
           [](GradCtx& g) {
             const Integers& start = g.view().integers("low");
             Integers stop = start;
             for (std::size_t d = 0; d < stop.size(); ++d) stop[d] += g.operand(0).shape()[d];
             g.accumulate(0, g.builder().op("slice", {g.dy()}, {{"start", start}, {"stop", stop}}));
           },
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             Integers at = o.at();
             for (std::size_t d = 0; d < at.size(); ++d) {
               at[d] -= o.op().integers("low")[d];
               if (at[d] < 0 || at[d] >= o.op().operands[0].shape[d]) return o.op().get<double>("value");
             }
             return o.operand(0, at);
           },
       .samples =
           [](Samples& s) {
             s.add({f32({2, 3})}, {{"low", Integers{1, 0}}, {"high", Integers{0, 2}}});
             s.add({f32({3})}, {{"low", Integers{2}}, {"high", Integers{1}}, {"value", 1.5}});
           }},
  };
  return ops;
}

}  // namespace nnc::ir
