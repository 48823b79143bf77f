#include "ir/ops/pooling.h"

#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/samples.h"
#include "ir/simplify.h"

#include <algorithm>
#include <limits>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

bool last(const OpView& op) { return op.flag("channels_last"); }

Type y_type(const OpView& op, const Pooling& p) {
  return {op.operands[0].dtype, image_shape(p.batch, p.channels, p.window.output, last(op)), {}};
}
Type x_type(const OpView& op, const Pooling& p) {
  return {op.operands[0].dtype, image_shape(p.batch, p.channels, p.window.input, last(op)), {}};
}
/// The smallest type that numbers the elements of a window.
DType index_dtype(const Window& window) { return window.elements() <= highest(DType::u8) ? DType::u8 : DType::i32; }

Inferred infer_max_pool(const OpView& op) {
  const Pooling p = pooling_of(op);
  if (!p.error.empty()) return Inferred::fail(p.error);
  Type index = y_type(op, p);
  index.dtype = index_dtype(p.window);
  return {{y_type(op, p), index}, {}};
}

Inferred infer_max_pool_gradient(const OpView& op) {
  const Pooling p = pooling_backward_of(op);
  if (!p.error.empty()) return Inferred::fail(p.error);
  if (op.operands[1].dtype != index_dtype(p.window) || op.operands[1].shape != op.operands[0].shape)
    return Inferred::fail(fmt::format("expected indices of {} as large as {}, found {}", name(index_dtype(p.window)),
                                      to_string(op.operands[0]), to_string(op.operands[1])));
  return {{x_type(op, p)}, {}};
}

// --- reference evaluation -------------------------------------------------------------------------------------------

/// Calls f(offset of window w's element k in x or -1, offset in y, k), window after window.
template <class F>
void for_windows(const OpView& op, const Pooling& p, const Type& x_of, const Type& y_of, F f) {
  const Image x = image_of(x_of, last(op)), y = image_of(y_of, last(op));
  const Integers positions = window_positions(p.window);
  const std::int64_t windows = y.positions(), elements = p.window.elements();
  for (std::int64_t n = 0; n < p.batch; ++n)
    for (std::int64_t c = 0; c < p.channels; ++c)
      for (std::int64_t w = 0; w < windows; ++w)
        for (std::int64_t k = 0; k < elements; ++k) {
          const std::int64_t position = positions[static_cast<std::size_t>(k * windows + w)];
          const std::int64_t base = n * x.batch_stride + c * x.channel_stride;
          f(position < 0 ? -1 : base + position * x.position_stride,
            n * y.batch_stride + c * y.channel_stride + w * y.position_stride, k);
        }
}

std::vector<Tensor> evaluate_max_pool(const EvalArgs& args) {
  const OpView& op = *args.op;
  Tensor value = Tensor::splat(op.results[0], -std::numeric_limits<double>::infinity()), index(op.results[1]);
  std::vector<bool> found(static_cast<std::size_t>(value.elements()));
  visit_dtype(value.type().dtype, [&]<class T>() {
    const T* x = args.operands[0]->as<T>().data();
    T* y = value.as<T>().data();
    for_windows(op, pooling_of(op), op.operands[0], op.results[0],
                [&](std::int64_t from, std::int64_t to, std::int64_t k) {
                  if (from < 0) return;
                  const bool first = !found[static_cast<std::size_t>(to)];
                  if (!first && !(x[from] > y[to]) && !(x[from] != x[from] && y[to] == y[to])) return;
                  found[static_cast<std::size_t>(to)] = true;
                  y[to] = x[from];
                  index.set_integer(to, k);
                });
  });
  return {std::move(value), std::move(index)};
}

std::vector<Tensor> evaluate_max_pool_gradient(const EvalArgs& args) {
  const OpView& op = *args.op;
  std::vector<double> sums(static_cast<std::size_t>(op.results[0].elements()));
  for_windows(op, pooling_backward_of(op), op.results[0], op.operands[0],
              [&](std::int64_t to, std::int64_t from, std::int64_t k) {
                if (to >= 0 && args.operands[1]->integer(from) == k)
                  sums[static_cast<std::size_t>(to)] += args.operands[0]->real(from);
              });
  Tensor result(op.results[0]);
  for (std::int64_t i = 0; i < result.elements(); ++i) result.set_real(i, sums[static_cast<std::size_t>(i)]);
  return {std::move(result)};
}

/// Sums, over the windows that see an element, or over the elements that a window sees, by the size of a window.
std::vector<Tensor> evaluate_average(const OpView& op, const Tensor& operand, const Pooling& p, bool backward) {
  std::vector<double> sums(static_cast<std::size_t>(op.results[0].elements()));
  const Type &x = backward ? op.results[0] : op.operands[0], &y = backward ? op.operands[0] : op.results[0];
  for_windows(op, p, x, y, [&](std::int64_t in_x, std::int64_t in_y, std::int64_t) {
    if (in_x >= 0) sums[static_cast<std::size_t>(backward ? in_x : in_y)] += operand.real(backward ? in_y : in_x);
  });
  Tensor result(op.results[0]);
  for (std::int64_t i = 0; i < result.elements(); ++i)
    result.set_real(i, sums[static_cast<std::size_t>(i)] / static_cast<double>(p.window.elements()));
  return {std::move(result)};
}

// --- as ops that kernels hold ---------------------------------------------------------------------------------------
// Windows side by side are dimensions of their own: x [N, H, W, C] is [N, H/k, k, W/k, k, C].

bool side_by_side(const Window& w) {
  for (std::size_t d = 0; d < w.rank(); ++d)
    if (w.stride[d] != w.kernel[d] || w.dilation[d] != 1 || w.low[d] != 0 || w.output[d] * w.kernel[d] > w.input[d])
      return false;
  return true;
}

/// The shape with windows apart: those of y where `in_window` is false, with 1 in place of the windows' extents.
Shape windows_apart(const OpView& op, const Pooling& p, bool in_window) {
  Shape spatial;
  for (std::size_t d = 0; d < p.window.rank(); ++d) {
    spatial.push_back(p.window.output[d]);
    spatial.push_back(in_window ? p.window.kernel[d] : 1);
  }
  return image_shape(p.batch, p.channels, spatial, last(op));
}

Integers window_axes(const OpView& op, const Pooling& p) {
  Integers axes;
  for (std::size_t d = 0; d < p.window.rank(); ++d)
    axes.push_back(static_cast<std::int64_t>(2 * d + 1 + (last(op) ? 1 : 2)));
  return axes;
}

/// The extents of the image that the windows cover.
Shape covered(const OpView& op, const Pooling& p) {
  Shape spatial;
  for (std::size_t d = 0; d < p.window.rank(); ++d) spatial.push_back(p.window.output[d] * p.window.kernel[d]);
  return image_shape(p.batch, p.channels, spatial, last(op));
}

Expr split_windows(SimplifyCtx& c, const Pooling& p) {
  Expr x = c.operand(0);
  const Shape part = covered(c.view(), p);
  if (part != x.shape()) x = c.builder().op("slice", {x}, {{"start", Integers(part.size(), 0)}, {"stop", part}});
  return c.builder().reshape(x, windows_apart(c.view(), p, true));
}

Expr join_windows(SimplifyCtx& c, const Pooling& p, Expr apart) {
  const Shape part = covered(c.view(), p), whole = c.view().results[0].shape;
  const Expr x = c.builder().reshape(apart, part);
  if (part == whole) return x;
  Integers high;
  for (std::size_t d = 0; d < part.size(); ++d) high.push_back(whole[d] - part[d]);
  return c.builder().op("pad", {x}, {{"low", Integers(part.size(), 0)}, {"high", high}});
}

/// The numbers of a window's elements, each at its place.
Expr window_numbers(SimplifyCtx& c, const Pooling& p) {
  Shape spatial;
  for (const std::int64_t extent : p.window.kernel) spatial.insert(spatial.end(), {1, extent});
  Tensor numbers(Type{index_dtype(p.window), image_shape(1, 1, spatial, last(c.view())), {}});
  for (std::int64_t i = 0; i < numbers.elements(); ++i) numbers.set_integer(i, i);
  return c.builder().constant(std::move(numbers));
}

std::vector<Expr> expand_max_pool(SimplifyCtx& c) {
  const Pooling p = pooling_of(c.view());
  if (!side_by_side(p.window)) return {};
  const Expr apart = split_windows(c, p);
  const std::vector<NamedAttr> axes{{"axis", window_axes(c.view(), p)}};
  const Expr index = c.builder().op("argmax", {apart}, axes);
  return {c.builder().op("max", {apart}, axes), c.builder().cast(index, index_dtype(p.window))};
}

std::vector<Expr> expand_max_pool_gradient(SimplifyCtx& c) {
  const Pooling p = pooling_backward_of(c.view());
  if (!side_by_side(p.window)) return {};
  const Shape apart = windows_apart(c.view(), p, false);
  const Expr dy = c.builder().reshape(c.operand(0), apart), index = c.builder().reshape(c.operand(1), apart);
  return {join_windows(c, p, where(index == window_numbers(c, p), dy, 0.0))};
}

std::vector<Expr> expand_average_pool(SimplifyCtx& c) {
  const Pooling p = pooling_of(c.view());
  if (!side_by_side(p.window)) return {};
  return {c.builder().op("mean", {split_windows(c, p)}, {{"axis", window_axes(c.view(), p)}})};
}

std::vector<Expr> expand_average_pool_gradient(SimplifyCtx& c) {
  const Pooling p = pooling_backward_of(c.view());
  if (!side_by_side(p.window)) return {};
  const Expr dy = c.builder().reshape(c.operand(0), windows_apart(c.view(), p, false));
  const Expr share = dy / static_cast<double>(p.window.elements());
  return {join_windows(c, p, c.builder().broadcast_to(share, windows_apart(c.view(), p, true)))};
}

// --- gradients ------------------------------------------------------------------------------------------------------

std::vector<NamedAttr> same_attrs(const GradCtx& g) {
  std::vector<NamedAttr> attrs;
  for (const AttrDef& attr : g.view().def->attrs)
    if (attr.name != "extents") attrs.push_back({std::string(attr.name), g.view().attr(attr.name)});
  return attrs;
}

/// The op that gives each element of x its part of dy.
Expr backward(GradCtx& g, std::string_view op, const std::vector<Expr>& operands) {
  std::vector<NamedAttr> attrs = same_attrs(g);
  attrs.push_back({"extents", pooling_of(g.view()).window.input});
  return g.builder().op(op, operands, std::move(attrs));
}

// --- tests ----------------------------------------------------------------------------------------------------------

Integers place(const Oracle& o, const Integers& spatial) {
  Integers at = o.at();
  std::ranges::copy(spatial, at.begin() + (last(o.op()) ? 1 : 2));
  return at;
}
Integers spatial_of(const Oracle& o) {
  return last(o.op()) ? Integers(o.at().begin() + 1, o.at().end() - 1) : Integers(o.at().begin() + 2, o.at().end());
}

double max_pool_oracle(const Oracle& o) {
  const Pooling p = pooling_of(o.op());
  double best = -std::numeric_limits<double>::infinity(), index = 0;
  for (std::int64_t k = 0; k < p.window.elements(); ++k) {
    const Integers at = element_at(p.window, spatial_of(o), coordinates_of(k, p.window.kernel));
    if (at.empty()) continue;
    if (const double x = o.operand(0, place(o, at)); x > best) {
      best = x;
      index = static_cast<double>(k);
    }
  }
  return o.result() == 0 ? best : index;
}

/// Adds up dy of each window that sees the element, if `sees(window's place, number within it)`.
template <class Sees>
double backward_oracle(const Oracle& o, Sees sees) {
  const Pooling p = pooling_backward_of(o.op());
  double sum = 0;
  for (std::int64_t w = 0; w < element_count(p.window.output); ++w)
    for (std::int64_t k = 0; k < p.window.elements(); ++k) {
      const Integers window = coordinates_of(w, p.window.output);
      if (element_at(p.window, window, coordinates_of(k, p.window.kernel)) != spatial_of(o)) continue;
      if (sees(place(o, window), k)) sum += o.operand(0, place(o, window));
    }
  return sum;
}

struct Case {
  Shape x;
  std::vector<NamedAttr> attrs;
};

std::vector<Case> cases(bool dilated) {
  const std::int64_t two = 2;
  std::vector<Case> all{
      {{2, 3, 6}, {{"kernel", two}}},
      {{2, 2, 4, 6}, {{"kernel", Integers{2, 3}}}},
      {{2, 5, 4, 2}, {{"kernel", two}, {"channels_last", true}}},
      {{1, 2, 5, 5}, {{"kernel", Integers{3}}, {"stride", two}, {"low", Integers{1}}, {"high", Integers{1}}}},
      {{1, 5, 6, 2}, {{"kernel", Integers{3}}, {"stride", Integers{1, 2}}, {"channels_last", true}}},
      {{1, 2, 6, 5}, {{"kernel", Integers{3}}, {"stride", two}, {"ceil", true}}},
      {{1, 2, 5, 4}, {{"kernel", two}, {"ceil", true}}},
      {{1, 2, 4, 3, 4}, {{"kernel", two}, {"stride", Integers{2, 1, 2}}}},
  };
  if (dilated) all.push_back({{1, 2, 7}, {{"kernel", Integers{3}}, {"stride", two}, {"dilation", two}}});
  return all;
}

/// What pooling makes of x: where dy lies.
Type result_of(std::string_view op, const Case& one) {
  OpView view{find_op(op), {f32(one.x).type}, {}, {}, {}};
  const CompletedAttrs attrs = complete_attrs(*view.def, one.attrs, view.operands);
  view.attrs = attrs.attrs;
  return (*view.def->infer)(view).types.at(0);
}

std::vector<NamedAttr> with_extents(const Case& one) {
  std::vector<NamedAttr> attrs = one.attrs;
  const bool channels_last = std::ranges::find(attrs, "channels_last", &NamedAttr::name) != attrs.end();
  attrs.push_back({"extents", image_of(f32(one.x).type, channels_last).spatial});
  return attrs;
}

std::vector<AttrDef> pool_attrs(bool dilated, bool extents = false) {
  std::vector<AttrDef> further{{"ceil", AttrKind::boolean, Attr(false)}};
  if (dilated) further.insert(further.begin(), {"dilation", AttrKind::integers, Attr(Integers{})});
  std::vector<AttrDef> attrs = window_attrs(std::move(further));
  attrs.insert(attrs.begin(), {"kernel", AttrKind::integers});
  if (extents) attrs.insert(attrs.begin(), {"extents", AttrKind::integers});
  return attrs;
}

std::int64_t window_work(const Pooling& p) {
  return p.batch * p.channels * element_count(p.window.output) * p.window.elements();
}

}  // namespace

std::span<const OpDef> pooling_ops() {
  static const OpDef ops[] = {
      {.name = "max_pool",
       .doc = "The largest element of each window of the image x, and its number within the window, row-major; the "
              "first of equal ones. Unspecified where an element is NaN. A `stride` that is absent is `kernel`; with "
              "`ceil`, windows may end beyond the padding if they begin before its right part.",
       .operands = {{"x"}},
       .attrs = pool_attrs(true),
       .infer = infer_max_pool,
       .kernel = Contraction{.evaluate = evaluate_max_pool},
       .grad =
           [](GradCtx& g) {
             g.accumulate(0, backward(g, "max_pool_gradient", {g.dy(), g.result(1)}));
           },
       .precision = Precision::exact,
       .oracle = max_pool_oracle,
       .samples =
           [](Samples& s) {
             for (const Case& one : cases(true)) s.add({f32(one.x)}, one.attrs).keep_apart();
           },
       .flops = [](const OpView& op) { return window_work(pooling_of(op)); },
       .promotion = Promotion::real,
       .result_count = [](const OpView& op, std::size_t result) -> std::int64_t {
         return result == 1 ? pooling_of(op).window.elements() : 0;
       },
       .images = Images{{0}, {0, 1}},
       .expand = expand_max_pool},

      {.name = "max_pool_gradient",
       .doc = "The gradient of `max_pool` with respect to its image, whose spatial extents are `extents`: each element "
              "of dy where `index` says, else 0.",
       .operands = {{"dy"},
                    {.name = "index",
                     .index_extent = [](const OpView& op) { return pooling_backward_of(op).window.elements(); }}},
       .attrs = pool_attrs(true, true),
       .infer = infer_max_pool_gradient,
       .kernel = Contraction{.evaluate = evaluate_max_pool_gradient},
       .grad = no_gradient("second derivatives through the choice of an element are not taken"),
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             return backward_oracle(
                 o, [&](const Integers& at, std::int64_t k) { return o.operand(1, at) == static_cast<double>(k); });
           },
       .samples =
           [](Samples& s) {
             for (const Case& one : cases(true)) {
               const Type y = result_of("max_pool", one);
               s.add({f32(y.shape), u8(y.shape)}, with_extents(one)).range(1, 0, 2);
             }
           },
       .flops = [](const OpView& op) { return op.operands[0].elements(); },
       .callable = false,
       .images = Images{{0, 1}, {0}},
       .expand = expand_max_pool_gradient},

      {.name = "average_pool",
       .doc = "The sum of each window of the image x, by the number of elements of a window; what lies outside of x "
              "counts as 0. A `stride` that is absent is `kernel`; with `ceil`, windows may end beyond the padding if "
              "they begin before its right part.",
       .operands = {{"x"}},
       .attrs = pool_attrs(false),
       .infer = [](const OpView& op) -> Inferred {
         const Pooling p = pooling_of(op);
         if (!p.error.empty()) return Inferred::fail(p.error);
         return {{y_type(op, p)}, {}};
       },
       .kernel = Contraction{.evaluate =
                                 [](const EvalArgs& args) {
                                   return evaluate_average(*args.op, *args.operands[0], pooling_of(*args.op), false);
                                 }},
       .grad = [](GradCtx& g) { g.accumulate(0, backward(g, "average_pool_gradient", {g.dy()})); },
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             const Pooling p = pooling_of(o.op());
             double sum = 0;
             for (std::int64_t k = 0; k < p.window.elements(); ++k)
               if (const Integers at = element_at(p.window, spatial_of(o), coordinates_of(k, p.window.kernel));
                   !at.empty())
                 sum += o.operand(0, place(o, at));
             return sum / static_cast<double>(p.window.elements());
           },
       .samples =
           [](Samples& s) {
             for (const Case& one : cases(false)) s.add({f32(one.x)}, one.attrs);
           },
       .flops = [](const OpView& op) { return window_work(pooling_of(op)); },
       .promotion = Promotion::real,
       .images = Images{{0}, {0}},
       .expand = expand_average_pool},

      {.name = "average_pool_gradient",
       .doc = "The gradient of `average_pool` with respect to its image, whose spatial extents are `extents`: each "
              "element of dy, by the number of elements of a window, added to all of its window.",
       .operands = {{"dy"}},
       .attrs = pool_attrs(false, true),
       .infer = [](const OpView& op) -> Inferred {
         const Pooling p = pooling_backward_of(op);
         if (!p.error.empty()) return Inferred::fail(p.error);
         return {{x_type(op, p)}, {}};
       },
       .kernel = Contraction{.evaluate =
                                 [](const EvalArgs& args) {
                                   return evaluate_average(*args.op, *args.operands[0], pooling_backward_of(*args.op),
                                                           true);
                                 }},
       // Linear: the gradient of the gradient is the pooling itself.
       .grad = [](GradCtx& g) { g.accumulate(0, g.builder().op("average_pool", {g.dy()}, same_attrs(g))); },
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             return backward_oracle(o, [](const Integers&, std::int64_t) { return true; }) /
                    static_cast<double>(pooling_backward_of(o.op()).window.elements());
           },
       .samples =
           [](Samples& s) {
             for (const Case& one : cases(false)) s.add({f32(result_of("average_pool", one).shape)}, with_extents(one));
           },
       .flops = [](const OpView& op) { return window_work(pooling_backward_of(op)); },
       .callable = false,
       .images = Images{{0}, {0}},
       .expand = expand_average_pool_gradient},
  };
  return ops;
}

}  // namespace nnc::ir
