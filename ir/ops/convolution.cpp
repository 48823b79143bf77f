// Convolution and its gradients. All three are linear in each operand, and each one's gradients are the other two:
//
//   y  = convolution(x, w)                    dx = transposed(dy, w)    dw = weight_gradient(x, dy)
//   x  = transposed_convolution(y, w)         dy = convolution(dx, w)   dw = weight_gradient(dx, y)
//   w  = convolution_weight_gradient(x, y)    dx = transposed(y, dw)    dy = convolution(x, dw)
#include "ir/ops/convolution.h"

#include "ir/builder.h"
#include "ir/check.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/multiply_rows.h"
#include "ir/samples.h"
#include "ir/winograd.h"

#include <algorithm>

namespace nnc::ir {

namespace {

using Integers = std::vector<std::int64_t>;

bool last(const OpView& op) { return op.flag("channels_last"); }

Type y_type(const OpView& op, const Convolution& c) {
  return {op.operands[0].dtype, image_shape(c.batch, c.outputs, c.window.output, last(op)), {}};
}
Type x_type(const OpView& op, const Convolution& c) {
  return {op.operands[0].dtype, image_shape(c.batch, c.channels, c.window.input, last(op)), {}};
}

template <Convolution (*of)(const OpView&), class Result>
Inferred infer(const OpView& op, Result result) {
  const Convolution c = of(op);
  if (!c.error.empty()) return Inferred::fail(c.error);
  if (op.flag(winograd_attr) && !winograd_tiles(op))
    return Inferred::fail(
        "`winograd` is for images with their channels last and dense windows of 3 by 3 or 5 by 5, without groups");
  return {{result(op, c)}, {}};
}

// --- reference evaluation: products of matrices, a group of an example at a time, in f64 ----------------------------

using Matrix = std::vector<double>;  // row-major

/// [channels, positions] of a group of an example.
Matrix load_image(const Tensor& tensor, const Image& image, std::int64_t n, std::int64_t first, std::int64_t channels) {
  const std::int64_t positions = image.positions();
  Matrix to(static_cast<std::size_t>(channels * positions));
  visit_dtype(tensor.type().dtype, [&]<class T>() {
    const T* from = tensor.as<T>().data() + n * image.batch_stride + first * image.channel_stride;
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t p = 0; p < positions; ++p)
        to[static_cast<std::size_t>(c * positions + p)] =
            static_cast<double>(from[c * image.channel_stride + p * image.position_stride]);
  });
  return to;
}

void store_image(const Matrix& from, Tensor& tensor, const Image& image, std::int64_t n, std::int64_t first,
                 std::int64_t channels) {
  const std::int64_t positions = image.positions();
  visit_dtype(tensor.type().dtype, [&]<class T>() {
    T* to = tensor.as<T>().data() + n * image.batch_stride + first * image.channel_stride;
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t p = 0; p < positions; ++p)
        to[c * image.channel_stride + p * image.position_stride] =
            static_cast<T>(from[static_cast<std::size_t>(c * positions + p)]);
  });
}

/// Rows of the weight tensor.
Matrix load_rows(const Tensor& tensor, std::int64_t first, std::int64_t count, std::int64_t depth) {
  Matrix to(static_cast<std::size_t>(count * depth));
  visit_dtype(tensor.type().dtype, [&]<class T>() {
    const T* from = tensor.as<T>().data() + first * depth;
    std::transform(from, from + count * depth, to.begin(), [](T x) { return static_cast<double>(x); });
  });
  return to;
}

Matrix transposed(const Matrix& matrix, std::int64_t rows, std::int64_t columns) {
  Matrix to(matrix.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      to[static_cast<std::size_t>(c * rows + r)] = matrix[static_cast<std::size_t>(r * columns + c)];
  return to;
}

Matrix product(const Matrix& a, const Matrix& b, std::int64_t rows, std::int64_t k, std::int64_t columns) {
  constexpr std::int64_t block_rows = 8;
  Matrix c(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; r += block_rows)
    multiply_rows(a.data() + r * k, b.data(), std::min(block_rows, rows - r), k, columns, c.data() + r * columns);
  return c;
}

/// The elements that each window sees, [channels * kernel elements, windows], from [channels, positions].
class Unfolding {
 public:
  explicit Unfolding(const Convolution& c)
      : positions_(window_positions(c.window)),
        channels_(c.group_channels()),
        elements_(static_cast<std::int64_t>(positions_.size())),
        image_positions_(element_count(c.window.input)) {}

  Matrix unfold(const Matrix& image) const {
    Matrix columns(static_cast<std::size_t>(channels_ * elements_));
    for (std::int64_t c = 0; c < channels_; ++c)
      for (std::int64_t i = 0; i < elements_; ++i)
        if (const std::int64_t position = positions_[static_cast<std::size_t>(i)]; position >= 0)
          columns[static_cast<std::size_t>(c * elements_ + i)] =
              image[static_cast<std::size_t>(c * image_positions_ + position)];
    return columns;
  }

  /// Adds up what windows have of each position.
  Matrix fold(const Matrix& columns) const {
    Matrix image(static_cast<std::size_t>(channels_ * image_positions_));
    for (std::int64_t c = 0; c < channels_; ++c)
      for (std::int64_t i = 0; i < elements_; ++i)
        if (const std::int64_t position = positions_[static_cast<std::size_t>(i)]; position >= 0)
          image[static_cast<std::size_t>(c * image_positions_ + position)] +=
              columns[static_cast<std::size_t>(c * elements_ + i)];
    return image;
  }

 private:
  Integers positions_;
  std::int64_t channels_, elements_, image_positions_;
};

// y = w x for each group, x unfolded.
std::vector<Tensor> evaluate_convolution(const EvalArgs& args) {
  const OpView& op = *args.op;
  const Convolution c = convolution_of(op);
  const Unfolding unfolding(c);
  Tensor result(op.results[0]);
  const Image x = image_of(op.operands[0], last(op)), y = image_of(op.results[0], last(op));
  for (std::int64_t g = 0; g < c.groups; ++g) {
    const Matrix weight = load_rows(*args.operands[1], g * c.group_outputs(), c.group_outputs(), c.depth());
    for (std::int64_t n = 0; n < c.batch; ++n) {
      const Matrix columns =
          unfolding.unfold(load_image(*args.operands[0], x, n, g * c.group_channels(), c.group_channels()));
      store_image(product(weight, columns, c.group_outputs(), c.depth(), y.positions()), result, y, n,
                  g * c.group_outputs(), c.group_outputs());
    }
  }
  return {std::move(result)};
}

// x = w^T y, folded.
std::vector<Tensor> evaluate_transposed(const EvalArgs& args) {
  const OpView& op = *args.op;
  const Convolution c = transposed_convolution_of(op);
  const Unfolding unfolding(c);
  Tensor result(op.results[0]);
  const Image y = image_of(op.operands[0], last(op)), x = image_of(op.results[0], last(op));
  for (std::int64_t g = 0; g < c.groups; ++g) {
    const Matrix weight = transposed(load_rows(*args.operands[1], g * c.group_outputs(), c.group_outputs(), c.depth()),
                                     c.group_outputs(), c.depth());
    for (std::int64_t n = 0; n < c.batch; ++n) {
      const Matrix dy = load_image(*args.operands[0], y, n, g * c.group_outputs(), c.group_outputs());
      store_image(unfolding.fold(product(weight, dy, c.depth(), c.group_outputs(), y.positions())), result, x, n,
                  g * c.group_channels(), c.group_channels());
    }
  }
  return {std::move(result)};
}

// w = y x^T, x unfolded, summed over the batch.
std::vector<Tensor> evaluate_weight_gradient(const EvalArgs& args) {
  const OpView& op = *args.op;
  const Convolution c = convolution_weight_gradient_of(op);
  const Unfolding unfolding(c);
  Tensor result(op.results[0]);
  const Image x = image_of(op.operands[0], last(op)), y = image_of(op.operands[1], last(op));
  for (std::int64_t g = 0; g < c.groups; ++g) {
    Matrix sums(static_cast<std::size_t>(c.group_outputs() * c.depth()));
    for (std::int64_t n = 0; n < c.batch; ++n) {
      const Matrix columns =
          unfolding.unfold(load_image(*args.operands[0], x, n, g * c.group_channels(), c.group_channels()));
      const Matrix dy = load_image(*args.operands[1], y, n, g * c.group_outputs(), c.group_outputs());
      const Matrix part =
          product(dy, transposed(columns, c.depth(), y.positions()), c.group_outputs(), y.positions(), c.depth());
      std::ranges::transform(sums, part, sums.begin(), std::plus());
    }
    visit_dtype(result.type().dtype, [&]<class T>() {
      std::ranges::transform(sums, result.as<T>().begin() + g * c.group_outputs() * c.depth(),
                             [](double sum) { return static_cast<T>(sum); });
    });
  }
  return {std::move(result)};
}

// --- gradients ------------------------------------------------------------------------------------------------------

std::vector<NamedAttr> same_attrs(const GradCtx& g) {
  std::vector<NamedAttr> attrs;
  for (std::string_view name : {"stride", "low", "high", "dilation", "groups", "channels_last", "accumulate"})
    attrs.push_back({std::string(name), g.view().attr(name)});
  return attrs;
}

Expr convolution(GradCtx& g, Expr x, Expr w) { return g.builder().op("convolution", {x, w}, same_attrs(g)); }

Expr transposed_convolution(GradCtx& g, Expr y, Expr w, const Shape& extents) {
  std::vector<NamedAttr> attrs = same_attrs(g);
  attrs.push_back({"extents", extents});
  return g.builder().op("transposed_convolution", {y, w}, std::move(attrs));
}

Expr weight_gradient(GradCtx& g, Expr x, Expr y, const Shape& kernel) {
  std::vector<NamedAttr> attrs = same_attrs(g);
  attrs.push_back({"kernel", kernel});
  return g.builder().op("convolution_weight_gradient", {x, y}, std::move(attrs));
}

void convolution_gradient(GradCtx& g) {
  const Convolution c = convolution_of(g.view());
  if (g.wants(0)) g.accumulate(0, transposed_convolution(g, g.dy(), g.operand(1), c.window.input));
  if (g.wants(1)) g.accumulate(1, weight_gradient(g, g.operand(0), g.dy(), c.window.kernel));
}

void transposed_gradient(GradCtx& g) {
  const Convolution c = transposed_convolution_of(g.view());
  if (g.wants(0)) g.accumulate(0, convolution(g, g.dy(), g.operand(1)));
  if (g.wants(1)) g.accumulate(1, weight_gradient(g, g.dy(), g.operand(0), c.window.kernel));
}

void weight_gradient_gradient(GradCtx& g) {
  const Convolution c = convolution_weight_gradient_of(g.view());
  if (g.wants(0)) g.accumulate(0, transposed_convolution(g, g.operand(1), g.dy(), c.window.input));
  if (g.wants(1)) g.accumulate(1, convolution(g, g.operand(0), g.dy()));
}

// --- tests ----------------------------------------------------------------------------------------------------------

/// Coordinates of an image element.
Integers place(const Oracle& o, std::int64_t n, std::int64_t channel, const Integers& spatial) {
  Integers at{n};
  if (!last(o.op())) at.push_back(channel);
  at.insert(at.end(), spatial.begin(), spatial.end());
  if (last(o.op())) at.push_back(channel);
  return at;
}
std::int64_t channel_of(const Oracle& o) { return last(o.op()) ? o.at().back() : o.at()[1]; }
Integers spatial_of(const Oracle& o) {
  return last(o.op()) ? Integers(o.at().begin() + 1, o.at().end() - 1) : Integers(o.at().begin() + 2, o.at().end());
}
Integers weight_at(std::int64_t output, std::int64_t channel, const Integers& in_window) {
  Integers at{output, channel};
  at.insert(at.end(), in_window.begin(), in_window.end());
  return at;
}

double convolution_oracle(const Oracle& o) {
  const Convolution c = convolution_of(o.op());
  const std::int64_t output = channel_of(o), group = output / c.group_outputs();
  double sum = 0;
  for (std::int64_t i = 0; i < c.group_channels(); ++i)
    for (std::int64_t k = 0; k < c.window.elements(); ++k) {
      const Integers in_window = coordinates_of(k, c.window.kernel);
      const Integers at = element_at(c.window, spatial_of(o), in_window);
      if (at.empty()) continue;
      sum += o.operand(0, place(o, o.at()[0], group * c.group_channels() + i, at)) *
             o.operand(1, weight_at(output, i, in_window));
    }
  return sum;
}

double transposed_oracle(const Oracle& o) {
  const Convolution c = transposed_convolution_of(o.op());
  const std::int64_t channel = channel_of(o), group = channel / c.group_channels();
  double sum = 0;
  for (std::int64_t w = 0; w < element_count(c.window.output); ++w)
    for (std::int64_t k = 0; k < c.window.elements(); ++k) {
      const Integers window = coordinates_of(w, c.window.output), in_window = coordinates_of(k, c.window.kernel);
      if (element_at(c.window, window, in_window) != spatial_of(o)) continue;
      for (std::int64_t i = 0; i < c.group_outputs(); ++i) {
        const std::int64_t output = group * c.group_outputs() + i;
        sum += o.operand(0, place(o, o.at()[0], output, window)) *
               o.operand(1, weight_at(output, channel % c.group_channels(), in_window));
      }
    }
  return sum;
}

double weight_gradient_oracle(const Oracle& o) {
  const Convolution c = convolution_weight_gradient_of(o.op());
  const std::int64_t output = o.at()[0], group = output / c.group_outputs();
  double sum = 0;
  for (std::int64_t n = 0; n < c.batch; ++n)
    for (std::int64_t w = 0; w < element_count(c.window.output); ++w) {
      const Integers window = coordinates_of(w, c.window.output);
      const Integers at = element_at(c.window, window, Integers(o.at().begin() + 2, o.at().end()));
      if (at.empty()) continue;
      sum += o.operand(0, place(o, n, group * c.group_channels() + o.at()[1], at)) *
             o.operand(1, place(o, n, output, window));
    }
  return sum;
}

/// Numbers of one sign, so that no sum cancels. Images x [2, channels, spatial..] and weights; `add` gives operands and what else each of the three ops needs.
struct Case {
  std::int64_t channels, outputs;
  Shape spatial, kernel;
  std::vector<NamedAttr> attrs;
};

template <class Add>
void for_cases(Add add) {
  const Case cases[] = {
      {3, 2, {5}, {3}, {}},
      {2, 3, {5, 4}, {3, 2}, {{"low", Integers{1, 0}}, {"high", Integers{1, 1}}}},
      {2, 2, {6, 5}, {3}, {{"stride", Integers{2}}, {"low", Integers{1}}, {"high", Integers{1}}}},
      {4, 6, {5, 5}, {2}, {{"stride", Integers{2, 1}}, {"dilation", Integers{2, 3}}, {"groups", std::int64_t{2}}}},
      {4, 4, {4, 4}, {3}, {{"low", Integers{1}}, {"high", Integers{1}}, {"groups", std::int64_t{4}}}},
      {2, 2, {3, 4, 3}, {2, 3, 2}, {{"low", Integers{1, 1, 0}}, {"stride", Integers{1, 2, 1}}}},
      {3, 4, {5, 4}, {1}, {{"stride", Integers{2}}, {"channels_last", true}}},
      {2, 4, {4, 4}, {3}, {{"low", Integers{1}}, {"high", Integers{1}}, {"channels_last", true}}},
      {4, 4, {6}, {2}, {{"groups", std::int64_t{2}}, {"channels_last", true}}},
      {2, 2, {4, 4}, {2}, {{"accumulate", DType::f64}}},
      {4, 4, {5, 4}, {3}, {{"low", Integers{1}}, {"high", Integers{1}}, {"channels_last", true}, {"winograd", true}}},
  };
  for (const Case& one : cases) {
    // What `convolution` makes of it is y.
    OpView view{find_op("convolution"), {}, {}, {}, {}};
    const auto flag = std::ranges::find(one.attrs, "channels_last", &NamedAttr::name);
    const bool channels_last = flag != one.attrs.end();
    const auto groups = std::ranges::find(one.attrs, "groups", &NamedAttr::name);
    Shape weight{one.outputs, one.channels / (groups == one.attrs.end() ? 1 : std::get<std::int64_t>(groups->value))};
    const Integers kernel = per_dimension(one.kernel, one.spatial.size(), 1);
    weight.insert(weight.end(), kernel.begin(), kernel.end());
    view.operands = {f32(image_shape(2, one.channels, one.spatial, channels_last)).type, f32(weight).type};
    const CompletedAttrs attrs = complete_attrs(*view.def, one.attrs, view.operands);
    view.attrs = attrs.attrs;
    const Type y = (*view.def->infer)(view).types.at(0);
    add(f32(view.operands[0].shape), f32(weight), f32(y.shape), one);
  }
}

std::vector<NamedAttr> with(std::vector<NamedAttr> attrs, std::string name, Integers value) {
  attrs.push_back({std::move(name), std::move(value)});
  return attrs;
}

std::vector<AttrDef> convolution_attrs(std::vector<AttrDef> own = {}) {
  std::vector<AttrDef> attrs = window_attrs({{"dilation", AttrKind::integers, Attr(Integers{})},
                                             {"groups", AttrKind::integer, Attr(std::int64_t{1})},
                                             {"accumulate", AttrKind::dtype, Attr(DType::f32)},
                                             {winograd_attr, AttrKind::boolean, Attr(false)}});
  own.insert(own.end(), attrs.begin(), attrs.end());
  return own;
}

template <Convolution (*of)(const OpView&)>
std::int64_t products(const OpView& op) {
  const Convolution c = of(op);
  return 2 * c.batch * c.outputs * element_count(c.window.output) * c.depth();
}

}  // namespace

ConvolutionCall convolution_call(const OpView& op) {
  using Part = ConvolutionCall::Part;
  if (*op.def->name == "convolution") return {Part::y, convolution_of(op)};
  if (*op.def->name == "transposed_convolution") return {Part::x, transposed_convolution_of(op)};
  NNC_CHECK(*op.def->name == "convolution_weight_gradient", "{} is no convolution", *op.def->name);
  return {Part::weight, convolution_weight_gradient_of(op)};
}

std::span<const OpDef> convolution_ops() {
  static const OpDef ops[] = {
      {.name = "convolution",
       .doc =
           "The sum of products of `weight`, [outputs, channels of a group, kernel..], with each window of the image "
           "x over 1 to 3 spatial dimensions. Outside of x are zeros. Each of `groups` has its part of the channels "
           "and of the outputs. Lists have a number for each spatial dimension, or one for all. With `winograd` it is "
           "computed by tiles (ir/winograd.h).",
       .operands = {{"x"}, {"weight"}},
       .attrs = convolution_attrs(),
       .infer = [](const OpView& op) { return infer<convolution_of>(op, y_type); },
       .kernel = Contraction{.evaluate = evaluate_convolution},
       .grad = convolution_gradient,
       .precision = Precision::accumulated,
       .oracle = convolution_oracle,
       .samples =
           [](Samples& s) {
             for_cases([&](const auto& x, const auto& w, const auto&, const Case& c) {
               s.add({x, w}, c.attrs).range(0.25, 2);
             });
           },
       .flops = products<convolution_of>,
       .promotion = Promotion::real,
       .images = Images{{0}, {0}}},

      {.name = "transposed_convolution",
       .doc =
           "The gradient of `convolution` with respect to its image: each element of y adds a multiple of the weight "
           "to its window of the result, whose spatial extents are `extents`.",
       .operands = {{"y"}, {"weight"}},
       .attrs = convolution_attrs({{"extents", AttrKind::integers}}),
       .infer = [](const OpView& op) { return infer<transposed_convolution_of>(op, x_type); },
       .kernel = Contraction{.evaluate = evaluate_transposed},
       .grad = transposed_gradient,
       .precision = Precision::accumulated,
       .oracle = transposed_oracle,
       .samples =
           [](Samples& s) {
             for_cases([&](const auto&, const auto& w, const auto& y, const Case& c) {
               s.add({y, w}, with(c.attrs, "extents", c.spatial)).range(0.25, 2);
             });
           },
       .flops = products<transposed_convolution_of>,
       .promotion = Promotion::real,
       .images = Images{{0}, {0}}},

      {.name = "convolution_weight_gradient",
       .doc = "The gradient of `convolution` with respect to its weight, whose spatial extents are `kernel`; y is the "
              "gradient of the result.",
       .operands = {{"x"}, {"y"}},
       .attrs = convolution_attrs({{"kernel", AttrKind::integers}}),
       .infer =
           [](const OpView& op) {
             return infer<convolution_weight_gradient_of>(op, [](const OpView& view, const Convolution& c) -> Type {
               return {view.operands[0].dtype, c.weight_shape(), {}};
             });
           },
       .kernel = Contraction{.evaluate = evaluate_weight_gradient},
       .grad = weight_gradient_gradient,
       .precision = Precision::accumulated,
       .oracle = weight_gradient_oracle,
       .samples =
           [](Samples& s) {
             for_cases([&](const auto& x, const auto&, const auto& y, const Case& c) {
               s.add({x, y}, with(c.attrs, "kernel", c.kernel)).range(0.25, 2);
             });
           },
       .flops = products<convolution_weight_gradient_of>,
       .promotion = Promotion::real,
       .images = Images{{0, 1}, {}}},
  };
  return ops;
}

}  // namespace nnc::ir
