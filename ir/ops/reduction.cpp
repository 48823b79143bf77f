#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/parts.h"
#include "ir/samples.h"
#include "ir/simplify.h"
#include "ir/steps.h"

#include <algorithm>
#include <cmath>

namespace nnc::ir {

namespace {

using Args = Reduction::Args;
using Scalars = Reduction::Scalars;

/// The operand's shape without the reduced dimensions, or with extent 1 there.
Shape reduced_shape(const OpView& op, bool keepdim) {
  const auto& axes = op.integers("axis");
  Shape shape;
  for (std::int64_t d = 0; d < op.operands[0].rank(); ++d)
    if (!std::ranges::binary_search(axes, d))
      shape.push_back(op.operands[0].shape[static_cast<std::size_t>(d)]);
    else if (keepdim)
      shape.push_back(1);
  return shape;
}

std::int64_t reduced_count(const OpView& op) {
  std::int64_t count = 1;
  for (std::int64_t axis : op.integers("axis")) count *= op.operands[0].shape[static_cast<std::size_t>(axis)];
  return count;
}

Inferred infer_numbers(const OpView& op) {
  if (op.operands[0].dtype == DType::boolean) return Inferred::fail("expected numbers, found bool");
  return {{Type{op.operands[0].dtype, reduced_shape(op, op.flag("keepdim")), {}}}, {}};
}

/// Without elements there is no mean and no extremum.
Inferred infer_nonempty(const OpView& op) {
  if (reduced_count(op) == 0) return Inferred::fail("there is nothing to reduce");
  return infer_numbers(op);
}

Inferred infer_floats(const OpView& op) {
  if (!is_float(op.operands[0].dtype))
    return Inferred::fail(fmt::format("expected floats, found {}", to_string(op.operands[0])));
  return infer_nonempty(op);
}

Inferred infer_index(const OpView& op) {
  Inferred result = infer_nonempty(op);
  if (result.error.empty()) result.types[0].dtype = DType::i32;
  return result;
}

/// Two results of one type.
Inferred infer_two_floats(const OpView& op) {
  Inferred result = infer_floats(op);
  if (result.error.empty()) result.types.push_back(result.types[0]);
  return result;
}

std::vector<AttrDef> attrs() { return {{"axis", AttrKind::axes}, {"keepdim", AttrKind::boolean, Attr(false)}}; }

void samples(Samples& s) {
  s.add({f32({3, 4})}).keep_apart();
  s.add({f32({3, 4})}, {{"axis", std::int64_t{0}}}).keep_apart();
  s.add({f32({3, 4})}, {{"axis", std::int64_t{-1}}, {"keepdim", true}}).keep_apart();
  s.add({f32({2, 3, 4})}, {{"axis", std::vector<std::int64_t>{0, 2}}}).keep_apart();
}
/// Integers as well; with ties, and within their type.
void number_samples(Samples& s) {
  samples(s);
  s.add({i32({3, 4})}).range(-3, 4);
  s.add({i32({2, 3, 4})}, {{"axis", std::int64_t{1}}, {"keepdim", true}}).range(-9, 10);
  s.add({u8({4, 3})}, {{"axis", std::int64_t{1}}}).range(0, 7);
}

/// A gradient of the result (or the result) with extent 1 at the reduced dimensions, so that it broadcasts to operand
/// 0.
Expr expand(GradCtx& g, Expr reduced) { return g.builder().reshape(reduced, reduced_shape(g.view(), true)); }

/// Elements equal to the extremum share its gradient, as PyTorch's amax and amin do.
void extremum_gradient(GradCtx& g) {
  const Expr chosen = g.operand(0) == expand(g, g.result());
  const Expr ones = g.builder().cast(chosen, g.dy().dtype());
  const Expr ties = g.builder().sum(ones, g.view().integers("axis"), true);
  g.accumulate(0, where(chosen, expand(g, g.dy()) / ties, 0.0));
}

/// d prod(x) = sum_i dx_i prod_{j != i} x_j. The product of the others is that of the elements that are not 0, divided
/// by x_i if that is not 0, and 0 if another element is 0.
void product_gradient(GradCtx& g) {
  Builder& b = g.builder();
  const std::vector<std::int64_t>& axes = g.view().integers("axis");
  const Expr zero = g.operand(0) == 0.0;
  const Expr factors = where(zero, b.constant(1, g.dy().dtype()), g.operand(0));
  const Expr product = b.op("prod", {factors}, {{"axis", axes}, {"keepdim", true}});
  const Expr is_zero = b.cast(zero, g.dy().dtype());
  const Expr other_zeros = b.sum(is_zero, axes, true) - is_zero;
  g.accumulate(0, expand(g, g.dy()) * where(other_zeros == 0.0, product / factors, 0.0));
}

Scalars finish_first(const Args&, const Scalars& a, Scalar) { return {a[0]}; }

/// Keeps the better of two elements; a NaN is better than anything, and then the first.
using Better = Scalar (*)(Scalar, Scalar);
Scalar larger(Scalar a, Scalar b) { return a > b || a != a; }
Scalar smaller(Scalar a, Scalar b) { return a < b || a != a; }

/// The new element comes first: whether it is NaN is known before what it is compared with.
template <Scalar (*further)(Scalar, Scalar)>
Reduction extremum(Scalars (*start)(const Args&)) {
  return {.start = start,
          .step = [](const Args&, const Scalars& a, Scalar x, Scalar) -> Scalars { return {further(x, a[0])}; },
          .merge = [](const Args&, const Scalars& a, const Scalars& b) -> Scalars { return {further(b[0], a[0])}; },
          .finish = finish_first};
}

/// The first of two candidates (value, index) unless the second is strictly better; index -1 is no candidate.
template <Better better>
Scalars choose(const Args& args, const Scalars& a, Scalar value, Scalar index) {
  const Scalar none = a[1] == args.index_constant(-1);
  const Scalar second = none || (better(value, a[0]) && !(a[0] != a[0]));
  return {select(second, value, a[0]), select(second, index, a[1])};
}
template <Better better>
Reduction index_of_extremum() {
  return {.start = [](const Args& args) -> Scalars {
            return {args.constant(0), args.index_constant(-1)};
          },
          .step = [](const Args& args, const Scalars& a, Scalar x,
                     Scalar index) { return choose<better>(args, a, x, index); },
          .merge = [](const Args& args, const Scalars& a, const Scalars& b) -> Scalars {
            // The part whose candidate comes first leads; one without a candidate follows.
            const Scalar none = args.index_constant(-1);
            const Scalar swap = !(b[1] == none) && (a[1] == none || b[1] < a[1]);
            const Scalars lead{select(swap, b[0], a[0]), select(swap, b[1], a[1])};
            const Scalar value = select(swap, a[0], b[0]), index = select(swap, a[1], b[1]);
            const Scalars chosen = choose<better>(args, lead, value, index);
            return {select(index == none, lead[0], chosen[0]), select(index == none, lead[1], chosen[1])};
          },
          .finish = [](const Args&, const Scalars& a, Scalar) -> Scalars { return {cast(a[1], DType::i32)}; }};
}

/// How many elements make one result.
std::int64_t reduced_elements(const OpView& op, std::size_t) {
  return op.operands[0].elements() / op.results[0].elements();
}

/// Position of the first element that `better` prefers to all before it.
double index_oracle(const Oracle& o, bool (*better)(double, double)) {
  const std::vector<double> elements = o.reduced();
  std::size_t best = 0;
  for (std::size_t i = 1; i < elements.size(); ++i)
    if (better(elements[i], elements[best])) best = i;
  return static_cast<double>(best);
}

Scalars start_zero(const Args& args) { return {args.constant(0)}; }
Scalars step_sum(const Args&, const Scalars& a, Scalar x, Scalar) { return {a[0] + x}; }
Scalars merge_sum(const Args&, const Scalars& a, const Scalars& b) { return {a[0] + b[0]}; }

double oracle_sum(const Oracle& o) {
  double sum = 0;
  for (double x : o.reduced()) sum += x;
  return sum;
}
double oracle_mean(const Oracle& o) { return oracle_sum(o) / static_cast<double>(o.reduced().size()); }

/// Mean, sum of squared deviations from it, and number of the elements so far (Welford 1962). The number counts in the
/// elements' type: no conversion an element, and exact for 2^24 of them in a part.
Scalars start_moments(const Args& args) { return {args.constant(0), args.constant(0), args.constant(0)}; }
Scalars step_moments(const Args& args, const Scalars& a, Scalar x, Scalar) {
  const Scalar count = a[2] + 1.0;
  const Scalar deviation = x - a[0];
  // Not divided by: several parts that have the same count share its reciprocal.
  const Scalar mean = a[0] + deviation * (args.constant(1) / count);
  return {mean, a[1] + deviation * (x - mean), count};
}
/// Chan et al. 1983; a part without elements changes nothing, whatever is in the other.
Scalars merge_moments(const Args& args, const Scalars& a, const Scalars& b) {
  const Scalar count = a[2] + b[2];
  const Scalar between = b[0] - a[0];
  const Scalar share = b[2] / count;
  const Scalars both{a[0] + between * share, a[1] + b[1] + between * (between * (a[2] * share)), count};
  const Scalar first_only = b[2] == args.constant(0), second_only = a[2] == args.constant(0);
  Scalars merged;
  for (std::size_t i = 0; i < both.size(); ++i)
    merged.push_back(select(first_only, a[i], select(second_only, b[i], both[i])));
  return merged;
}
/// With an infinite element the squares are NaN and the mean depends on the order; it is made NaN, too.
Scalars finish_moments(const Args&, const Scalars& a, Scalar count) {
  return {select(a[1] == a[1], a[0], a[1]), a[1] / cast(count, a[1].dtype())};
}

/// A row that the caches hold is read twice: a sum and then a sum of squares take less than Welford's steps, and need
/// no merging of means.
std::vector<Expr> expand_moments(SimplifyCtx& c) {
  constexpr std::int64_t longest_row = std::int64_t{1} << 16;
  const std::vector<std::int64_t>& axes = c.view().integers("axis");
  const std::int64_t rank = c.view().operands[0].rank();
  const bool is_row = axes.back() == rank - 1 && axes.back() - axes.front() + 1 == std::ssize(axes);
  if (!is_row || reduced_count(c.view()) > longest_row) return {};
  const Expr x = c.operand(0);
  const auto mean = [&](Expr of) { return c.builder().op("mean", {of}, {{"axis", axes}, {"keepdim", true}}); };
  const Expr center = mean(x), deviation = x - center;
  const Expr variance = mean(deviation * deviation);
  const Shape shape = reduced_shape(c.view(), c.view().flag("keepdim"));
  const Expr is_finite = c.builder().op("eq", {variance, variance});
  return {c.builder().reshape(where(is_finite, center, variance), shape), c.builder().reshape(variance, shape)};
}

double oracle_moments(const Oracle& o) {
  const double mean = oracle_mean(o);
  if (o.result() == 0) return mean;
  double squares = 0;
  for (double x : o.reduced()) squares += (x - mean) * (x - mean);
  return squares / static_cast<double>(o.reduced().size());
}

/// d mean = sum(dx) / n and d variance = 2 sum((x - mean) dx) / n: that the mean moves with x changes the variance by
/// nothing, as the deviations add up to 0.
void moments_gradient(GradCtx& g) {
  const auto count = static_cast<double>(reduced_count(g.view()));
  const Expr deviation = g.operand(0) - expand(g, g.result(0));
  g.accumulate(0, expand(g, g.dy(0) / count) + deviation * expand(g, g.dy(1) * 2.0 / count));
}

/// The steps are one more axis.
std::optional<Expr> sum_of_sums(const StepsCtx& c) {
  if (!c.stacked[0]) return std::nullopt;
  std::vector<std::int64_t> axes{0};
  for (const std::int64_t axis : c.op.integers("axis")) axes.push_back(axis + 1);
  return c.builder.reshape(c.builder.sum(c.operands[0], axes), c.op.results[0].shape);
}

/// A sum of single elements -> reshape; sum(concat(x, y)) -> concat(sum(x), sum(y)), where the concatenation is along a
/// dimension that stays.
std::optional<ValueId> simplify_sum(SimplifyCtx& c) {
  Builder& b = c.builder();
  if (reduced_count(c.view()) == 1) return b.reshape(c.operand(0), c.view().results[0].shape).value;
  const Op* const joined = c.definer(0, "concat");
  const std::vector<std::int64_t>& axes = c.view().integers("axis");
  if (joined == nullptr || joined->operands.size() > most_joined) return std::nullopt;
  const std::int64_t along = view(b.block(), *joined).integer("axis");
  if (std::ranges::binary_search(axes, along)) return std::nullopt;
  const bool keepdim = c.view().flag("keepdim");
  std::vector<Expr> sums;
  for (const ValueId part : joined->operands) sums.push_back(b.sum(b.expr(part), axes, keepdim));
  const auto before = std::ranges::count_if(axes, [&](std::int64_t axis) { return axis < along; });
  return b.op("concat", sums, {{"axis", keepdim ? along : along - before}}).value;
}

}  // namespace

std::span<const OpDef> reduction_ops() {
  static const OpDef ops[] = {
      {.name = "sum",
       .doc = "The sum over the axes.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_numbers,
       .kernel = Reduction{.start = start_zero,
                           .step = step_sum,
                           .merge = merge_sum,
                           .finish = finish_first,
                           .accumulation = Accumulation::sum},
       // d sum(x) = sum(dx)
       .grad = [](GradCtx& g) { g.accumulate(0, g.builder().broadcast_to(expand(g, g.dy()), g.operand(0).shape())); },
       .precision = Precision::accumulated,
       .oracle = oracle_sum,
       .samples = number_samples,
       .promotion = Promotion::arithmetic,
       .simplify = simplify_sum,
       .sum_of_steps = sum_of_sums},

      {.name = "mean",
       .doc = "The mean over the axes.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_floats,
       .kernel = Reduction{.start = start_zero,
                           .step = step_sum,
                           .merge = merge_sum,
                           .finish = [](const Args&, const Scalars& a, Scalar count) -> Scalars {
                             return {a[0] / cast(count, a[0].dtype())};
                           },
                           .accumulation = Accumulation::mean},
       // d mean(x) = sum(dx) / count
       .grad =
           [](GradCtx& g) {
             const Expr share = g.dy() / static_cast<double>(reduced_count(g.view()));
             g.accumulate(0, g.builder().broadcast_to(expand(g, share), g.operand(0).shape()));
           },
       .precision = Precision::accumulated,
       .oracle = oracle_mean,
       .samples = samples,
       .promotion = Promotion::real},

      {.name = "moments",
       .doc =
           "The mean over the axes, and the variance: the mean of the squared deviations from it. Both are NaN where "
           "an element is infinite.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_two_floats,
       .kernel =
           Reduction{.start = start_moments, .step = step_moments, .merge = merge_moments, .finish = finish_moments},
       .grad = moments_gradient,
       .precision = Precision::accumulated,
       .oracle = oracle_moments,
       .samples = samples,
       .promotion = Promotion::real,
       .expand = expand_moments},

      {.name = "prod",
       .doc = "The product over the axes.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_numbers,
       .kernel =
           Reduction{.start = [](const Args& args) -> Scalars { return {args.constant(1)}; },
                     .step = [](const Args&, const Scalars& a, Scalar x, Scalar) -> Scalars { return {a[0] * x}; },
                     .merge = [](const Args&, const Scalars& a, const Scalars& b) -> Scalars { return {a[0] * b[0]}; },
                     .finish = finish_first},
       .grad = product_gradient,
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             double product = 1;
             for (double x : o.reduced()) product *= x;
             return product;
           },
       .samples = number_samples,
       .promotion = Promotion::arithmetic},

      {.name = "max",
       .doc = "The largest element over the axes; NaN if one is NaN. Equal elements share the gradient.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_nonempty,
       .kernel = extremum<max>([](const Args& args) -> Scalars { return {args.lowest()}; }),
       // d max(x) = the mean of dx over the elements equal to the maximum
       .grad = extremum_gradient,
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return std::ranges::max(o.reduced()); },
       .samples = number_samples,
       .promotion = Promotion::arithmetic},

      {.name = "min",
       .doc = "The smallest element over the axes; NaN if one is NaN. Equal elements share the gradient.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_nonempty,
       .kernel = extremum<min>([](const Args& args) -> Scalars { return {args.highest()}; }),
       // d min(x) = the mean of dx over the elements equal to the minimum
       .grad = extremum_gradient,
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return std::ranges::min(o.reduced()); },
       .samples = number_samples,
       .promotion = Promotion::arithmetic},

      {.name = "argmax",
       .doc = "The position of the largest element over the axes, the first of equal ones, counted in row-major order "
              "of the reduced dimensions, i32.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_index,
       .kernel = index_of_extremum<larger>(),
       .grad = no_gradient("its result is a position"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return index_oracle(o, [](double a, double b) { return a > b; }); },
       .samples = number_samples,
       .promotion = Promotion::arithmetic,
       .result_count = reduced_elements},

      {.name = "argmin",
       .doc = "The position of the smallest element over the axes, the first of equal ones, counted in row-major order "
              "of the reduced dimensions, i32.",
       .operands = {{"x"}},
       .attrs = attrs(),
       .infer = infer_index,
       .kernel = index_of_extremum<smaller>(),
       .grad = no_gradient("its result is a position"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return index_oracle(o, [](double a, double b) { return a < b; }); },
       .samples = number_samples,
       .promotion = Promotion::arithmetic,
       .result_count = reduced_elements},
  };
  return ops;
}

}  // namespace nnc::ir
