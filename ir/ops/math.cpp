#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/samples.h"

#include <cmath>
#include <numbers>

namespace nnc::ir {

namespace {

void samples(Samples& s) {
  s.add({f32({3, 5})});
  s.add({f32({})});
}
void positive_samples(Samples& s) { s.add({f32({3, 5})}).range(0.3, 4); }

}  // namespace

std::span<const OpDef> math_ops() {
  static const OpDef ops[] = {
      {.name = "exp",
       .doc = "e to the power of x.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return exp(x[0]); }},
       // d exp(x) = exp(x) dx
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() * g.result()); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::exp(o[0]); },
       .samples = samples,
       .promotion = Promotion::real},

      {.name = "log",
       .doc = "The natural logarithm.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return log(x[0]); }},
       // d log(x) = dx / x
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() / g.operand(0)); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::log(o[0]); },
       .samples = positive_samples,
       .promotion = Promotion::real},

      {.name = "log1p",
       .doc = "The natural logarithm of 1 + x, accurate near 0.",
       .operands = {{"x"}},
       .infer = infer_real,
       // Where u = 1 + x was rounded, log(u) / (u - 1) is still the slope log(1 + x) / x to a rounding.
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   const Scalar one = x.builder->constant(1, x[0].dtype());
                                   const Scalar u = one + x[0], added = u - one;
                                   const Scalar corrected = log(u) * (x[0] / added);
                                   return select(u == one, x[0], select(added == x[0], log(u), corrected));
                                 }},
       // d log(1 + x) = dx / (1 + x)
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() / (g.operand(0) + 1.0)); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::log1p(o[0]); },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 5})}).range(-0.9, 4);
             s.add({f32({3, 5})}).range(-1e-6, 1e-6);
           },
       .promotion = Promotion::real},

      {.name = "expm1",
       .doc = "exp(x) - 1, accurate near 0.",
       .operands = {{"x"}},
       .infer = infer_real,
       // Where u = exp(x) was rounded, (u - 1) / log(u) is still the slope (exp(x) - 1) / x to a rounding.
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   const Scalar one = x.builder->constant(1, x[0].dtype());
                                   const Scalar u = exp(x[0]), less = u - one;
                                   const Scalar corrected = less * (x[0] / log(u));
                                   return select(abs(x[0]) > 1.0, less, select(u == one, x[0], corrected));
                                 }},
       // d (exp(x) - 1) = exp(x) dx
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() * (g.result() + 1.0)); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::expm1(o[0]); },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 5})});
             s.add({f32({3, 5})}).range(-1e-6, 1e-6);
             s.add({f32({3, 5})}).range(-20, 3);
           },
       .promotion = Promotion::real},

      {.name = "sqrt",
       .doc = "The square root.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return sqrt(x[0]); }},
       // d sqrt(x) = dx / (2 sqrt(x))
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() / (g.result() * 2.0)); },
       .precision = Precision::rounded,
       .oracle = [](const Oracle& o) { return std::sqrt(o[0]); },
       .samples = positive_samples,
       .promotion = Promotion::real},

      {.name = "rsqrt",
       .doc = "1 / sqrt(x).",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return 1.0 / sqrt(x[0]); }},
       // d x^(-1/2) = -1/2 x^(-3/2) dx
       .grad =
           [](GradCtx& g) {
             const Expr y = g.result();
             g.accumulate(0, g.dy() * (y * y * y * -0.5));
           },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::pow(o[0], -0.5); },
       .samples = positive_samples,
       .promotion = Promotion::real},

      {.name = "sin",
       .doc = "The sine of x in radians.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return sin(x[0]); }},
       // d sin(x) = cos(x) dx
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() * apply("cos", g.operand(0))); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::sin(o[0]); },
       .samples = samples,
       .promotion = Promotion::real},

      {.name = "cos",
       .doc = "The cosine of x in radians.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return cos(x[0]); }},
       // d cos(x) = -sin(x) dx
       .grad = [](GradCtx& g) { g.accumulate(0, -g.dy() * apply("sin", g.operand(0))); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::cos(o[0]); },
       .samples = samples,
       .promotion = Promotion::real},

      {.name = "tanh",
       .doc = "The hyperbolic tangent.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return tanh(x[0]); }},
       // d tanh(x) = (1 - tanh(x)^2) dx
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() * (1.0 - g.result() * g.result())); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::tanh(o[0]); },
       .samples = samples,
       .promotion = Promotion::real,
       // tanh(log u) = n / (n + 2) with n = u^2 - 1 = (u - 1) (u + 1), or t (t + 2) where u is 1 + t: nothing cancels.
       // From t = e^20 on it is 1, to a rounding of f64.
       .rewrites = {"tanh(log(add(exp(x), 1))) -> div(n, add(n, 2)); n = mul(sub(u, 1), add(u, 1)); "
                    "u = add(exp(minimum(x, 20)), 1)",
                    "tanh(log1p(exp(x))) -> div(n, add(n, 2)); n = mul(t, add(t, 2)); t = exp(minimum(x, 20))",
                    "tanh(where(c, x, log1p(exp(y)))) -> where(c, tanh(x), div(n, add(n, 2))); "
                    "n = mul(t, add(t, 2)); t = exp(minimum(y, 20))"}},

      {.name = "mish",
       .doc = "x * tanh(log(1 + exp(x))) (Misra 2019).",
       .operands = {{"x"}},
       .infer = infer_real,
       // With e = exp(x) and n = e (e + 2) the tangent is n / (n + 2): no difference of near numbers, no logarithm.
       // From 20 on it is 1, to a rounding of f64.
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   const Scalar limit = x.builder->constant(20, x[0].dtype());
                                   const Scalar e = exp(select(x[0] < limit, x[0], limit));
                                   const Scalar n = e * (e + 2.0);
                                   return select(x[0] < limit, x[0] * (n / (n + 2.0)), x[0]);
                                 }},
       // d mish(x) = (t + x (1 - t^2) s) dx with t = tanh(log(1 + e)), 1 - t^2 = 4 (e + 1)^2 / (n + 2)^2 and
       // s = e / (e + 1)
       .grad =
           [](GradCtx& g) {
             const Expr x = g.operand(0), e = apply("exp", where(x < 20.0, x, 20.0));
             const Expr n = e * (e + 2.0), m = n + 2.0;
             g.accumulate(0, g.dy() * where(x < 20.0, n / m + x * (e * (e + 1.0) * 4.0) / m / m, 1.0));
           },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return o[0] * std::tanh(std::log1p(std::exp(o[0]))); },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 5})});
             s.add({f32({3, 5})}).range(-30, 50);
           },
       .promotion = Promotion::real},

      {.name = "sigmoid",
       .doc = "1 / (1 + exp(-x)), without overflow and with all its digits for any x.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   const Scalar e = exp(-abs(x[0]));
                                   return select(x[0] < 0.0, e, x.builder->constant(1, x[0].dtype())) / (e + 1.0);
                                 }},
       // d sigmoid(x) = y (1 - y) dx with y = sigmoid(x)
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() * (g.result() * (1.0 - g.result()))); },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return 1 / (1 + std::exp(-o[0])); },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 5})});
             s.add({f32({3, 5})}).range(-80, 80);
           },
       .promotion = Promotion::real},

      {.name = "erf",
       .doc = "The error function.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return erf(x[0]); }},
       // d erf(x) = 2 / sqrt(pi) exp(-x^2) dx
       .grad =
           [](GradCtx& g) {
             const Expr x = g.operand(0);
             g.accumulate(0, g.dy() * (apply("exp", -(x * x)) * (2.0 * std::numbers::inv_sqrtpi)));
           },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::erf(o[0]); },
       .samples = samples,
       .promotion = Promotion::real},
  };
  return ops;
}

}  // namespace nnc::ir
