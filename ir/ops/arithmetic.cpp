#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"
#include "ir/ops/parts.h"
#include "ir/samples.h"
#include "ir/simplify.h"

#include <cmath>

namespace nnc::ir {

namespace {

void binary_samples(Samples& s) {
  s.add({f32({2, 3}), f32({2, 3})});
  s.add({f32({2, 3}), f32({3})});
  s.add({f32({2, 1}), f32({1, 3})});
  s.add({f32({}), f32({4})});
  s.add({i32({2, 3}), i32({3})}).range(-9, 9);
}
/// Of numbers that have a sign.
void signed_samples(Samples& s) {
  s.add({f32({3, 5})}).avoid(0);
  s.add({f32({})}).avoid(0);
  s.add({i32({3, 5})}).range(-3, 4);
}
void choice_samples(Samples& s) {
  s.add({f32({2, 3}), f32({2, 3})}).keep_apart();
  s.add({f32({2, 3}), f32({1})}).keep_apart();
  s.add({i32({4, 5}), i32({5})}).range(-3, 4);  // with ties
  s.add({u8({4, 5}), u8({4, 1})});
}
void step_samples(Samples& s) { s.add({f32({3, 5})}).avoid(-2).avoid(-1).avoid(0).avoid(1).avoid(2); }

/// Where the two sides of a maximum or minimum are equal, each has half of the gradient, as in PyTorch.
void accumulate_chosen(GradCtx& g, Expr first_wins, Expr tie) {
  const Expr half = where(tie, g.dy() * 0.5, 0.0);
  g.accumulate(0, where(first_wins, g.dy(), half));
  g.accumulate(1, where(first_wins, 0.0, where(tie, half, g.dy())));
}

/// Whether a value is in memory anyway: what a kernel computes it may as well add to there.
bool lies_in_memory(const Block& block, ValueId value) {
  const Op* const op = block.definer(value);
  return op == nullptr || op->def->is_instruction() || op->def->as<SlotRead>() != nullptr;
}

/// Most rows of an embedding get nothing in a step, so that it is the others that are added to a value in memory:
///   add(scatter_add(x, index), y) -> add_rows(x, index, y)
std::optional<ValueId> add_scattered_rows(SimplifyCtx& c) {
  for (std::size_t i = 0; i < 2; ++i) {
    const Op* const scattered = c.definer(i, "scatter_add");
    const Expr base = c.operand(1 - i);
    if (scattered == nullptr || !c.sole_use(i) || base.type() != c.operand(i).type()) continue;
    const OpView from = view(c.builder().block(), *scattered);
    if (!names_rows(from) || !lies_in_memory(c.builder().block(), base.value)) continue;
    const Expr rows = c.builder().expr(scattered->operands[0]), places = c.builder().expr(scattered->operands[1]);
    return c.builder().op("add_rows", {rows, places, base}, {{"axis", from.integer("axis")}}).value;
  }
  return std::nullopt;
}

/// scatter_add(x, index), or its product with one or two scalars.
struct ScatteredRows {
  const Op* sum = nullptr;
  std::vector<ValueId> factors;  // the last one first
};

std::optional<ScatteredRows> scattered_rows(const Block& block, ValueId value) {
  static const OpDef *const product = find_op("mul"), *const sum_of_rows = find_op("scatter_add");
  ScatteredRows found;
  const Op* op = block.definer(value);
  while (op != nullptr && op->def == product && found.factors.size() < 2) {
    const std::size_t factor = block.type(op->operands[0]).elements() == 1 ? 0 : 1;
    const ValueId scaled = op->operands[1 - factor];
    if (block.type(op->operands[factor]).elements() != 1 || block.type(scaled) != block.type(value))
      return std::nullopt;
    found.factors.push_back(op->operands[factor]);
    op = block.definer(scaled);
  }
  if (op == nullptr || op->def != sum_of_rows || !names_rows(view(block, *op))) return std::nullopt;
  found.sum = op;
  return found;
}

/// The same for an update, whose rows are scaled instead of the table, where they are at most half as many:
///   sub(y, mul(s, scatter_add(x, index))) -> add_rows(mul(neg(s), x), index, y)
std::optional<ValueId> subtract_scattered_rows(SimplifyCtx& c) {
  Builder& builder = c.builder();
  const Expr base = c.operand(0);
  if (!c.sole_use(1) || base.type() != c.operand(1).type() || !is_float(base.dtype()) ||
      !lies_in_memory(builder.block(), base.value))
    return std::nullopt;
  const std::optional<ScatteredRows> found = scattered_rows(builder.block(), c.operand(1).value);
  if (!found) return std::nullopt;
  const std::int64_t axis = view(builder.block(), *found->sum).integer("axis");
  const Expr places = builder.expr(found->sum->operands[1]);
  Expr rows = builder.expr(found->sum->operands[0]);
  if (2 * rows.type().elements() > base.type().elements()) return std::nullopt;
  for (std::size_t i = found->factors.size(); i-- > 0;) {
    const Expr factor = builder.expr(found->factors[i]);
    rows = (i == 0 ? -factor : factor) * rows;
  }
  if (found->factors.empty()) rows = -rows;
  return builder.op("add_rows", {rows, places, base}, {{"axis", axis}}).value;
}

}  // namespace

std::span<const OpDef> arithmetic_ops() {
  static const OpDef ops[] = {
      {.name = "add",
       .doc = "x + y.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_arithmetic,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return x[0] + x[1]; }},
       // d(x + y) = dx + dy
       .grad =
           [](GradCtx& g) {
             g.accumulate(0, g.dy());
             g.accumulate(1, g.dy());
           },
       .precision = Precision::rounded,
       .oracle = [](const Oracle& o) { return o[0] + o[1]; },
       .samples = binary_samples,
       .symbol = "+",
       .promotion = Promotion::arithmetic,
       .commutative = true,
       .sum_signs = {1, 1},
       .rewrites = {"add(x, 0) -> x", "add(x, neg(y)) -> sub(x, y)"},
       .simplify =
           [](SimplifyCtx& c) {
             const std::optional<ValueId> joined = join_padded_terms(c);
             return joined ? joined : add_scattered_rows(c);
           }},

      {.name = "sub",
       .doc = "x - y.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_arithmetic,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return x[0] - x[1]; }},
       // d(x - y) = dx - dy
       .grad =
           [](GradCtx& g) {
             g.accumulate(0, g.dy());
             if (g.wants(1)) g.accumulate(1, -g.dy());
           },
       .precision = Precision::rounded,
       .oracle = [](const Oracle& o) { return o[0] - o[1]; },
       .samples = binary_samples,
       .symbol = "-",
       .promotion = Promotion::arithmetic,
       .sum_signs = {1, -1},
       .rewrites = {"sub(x, 0) -> x", "sub(0, x) -> neg(x)", "sub(x, neg(y)) -> add(x, y)"},
       .simplify = subtract_scattered_rows},

      {.name = "mul",
       .doc = "x * y.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_arithmetic,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return x[0] * x[1]; }},
       // d(x y) = y dx + x dy
       .grad =
           [](GradCtx& g) {
             if (g.wants(0)) g.accumulate(0, g.dy() * g.operand(1));
             if (g.wants(1)) g.accumulate(1, g.dy() * g.operand(0));
           },
       .precision = Precision::rounded,
       .oracle = [](const Oracle& o) { return o[0] * o[1]; },
       .samples = binary_samples,
       .symbol = "*",
       .promotion = Promotion::arithmetic,
       .commutative = true,
       .rewrites = {"mul(x, 1) -> x", "mul(x, -1) -> neg(x)", "mul(neg(x), neg(y)) -> mul(x, y)"}},

      {.name = "div",
       .doc = "x / y, of floats.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return x[0] / x[1]; }},
       // d(x / y) = dx / y - (x / y) dy / y
       .grad =
           [](GradCtx& g) {
             if (g.wants(0)) g.accumulate(0, g.dy() / g.operand(1));
             if (g.wants(1)) g.accumulate(1, -g.dy() * g.result() / g.operand(1));
           },
       .precision = Precision::rounded,
       .oracle = [](const Oracle& o) { return o[0] / o[1]; },
       .samples =
           [](Samples& s) {
             s.add({f32({2, 3}), f32({2, 3})}).range(1, 0.5, 2);
             s.add({f32({2, 3}), f32({3})}).range(1, -2, -0.5);
             s.add({f32({}), f32({4})}).range(1, 0.5, 2);
           },
       .symbol = "/",
       .promotion = Promotion::real,
       .rewrites = {"div(x, 1) -> x", "div(x, -1) -> neg(x)"}},

      {.name = "pow",
       .doc = "x to the power of y, of floats; x must not be negative unless y is a whole number.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return pow(x[0], x[1]); }},
       // d(x^y) = y x^(y - 1) dx + x^y log(x) dy; 0 for dx where y = 0, and for dy where x = 0 and
       // y >= 0, as in PyTorch
       .grad =
           [](GradCtx& g) {
             const Expr x = g.operand(0), y = g.operand(1);
             if (g.wants(0)) g.accumulate(0, where(y == 0.0, 0.0, g.dy() * y * g.builder().op("pow", {x, y - 1.0})));
             if (!g.wants(1)) return;
             const Expr dy = g.dy() * g.result() * apply("log", x);
             g.accumulate(1, where(x == 0.0, where(y < 0.0, dy, 0.0), dy));
           },
       .precision = Precision::approximate,
       .oracle = [](const Oracle& o) { return std::pow(o[0], o[1]); },
       .samples =
           [](Samples& s) {
             s.add({f32({2, 3}), f32({2, 3})}).range(0, 0.5, 3);
             s.add({f32({2, 3}), f32({3})}).range(0, 0.5, 3);
           },
       .symbol = "^",
       .promotion = Promotion::real,
       .rewrites = {"pow(x, 1) -> x", "pow(x, 2) -> mul(x, x)", "pow(x, 3) -> mul(mul(x, x), x)"}},

      {.name = "neg",
       .doc = "-x.",
       .operands = {{"x"}},
       .infer = infer_signed,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return -x[0]; }},
       // d(-x) = -dx
       .grad = [](GradCtx& g) { g.accumulate(0, -g.dy()); },
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return -o[0]; },
       .samples = signed_samples,
       .symbol = "-",
       .promotion = Promotion::arithmetic,
       .rewrites = {"neg(neg(x)) -> x", "neg(sub(x, y)) -> sub(y, x)"}},

      {.name = "abs",
       .doc = "The absolute value.",
       .operands = {{"x"}},
       .infer = infer_signed,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return abs(x[0]); }},
       // d|x| = sign(x) dx
       .grad = [](GradCtx& g) { g.accumulate(0, g.dy() * apply("sign", g.operand(0))); },
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return std::fabs(o[0]); },
       .samples = signed_samples,
       .promotion = Promotion::arithmetic,
       .rewrites = {"abs(abs(x)) -> abs(x)", "abs(neg(x)) -> abs(x)"}},

      {.name = "sign",
       .doc = "-1, 0 or 1; NaN stays NaN.",
       .operands = {{"x"}},
       .infer = infer_arithmetic,
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   const Scalar zero = x.builder->constant(0, x[0].dtype());
                                   const Scalar one = x.builder->constant(1, x[0].dtype());
                                   return select(x[0] > zero, one, select(x[0] < zero, -one, x[0]));
                                 }},
       .grad = zero_gradient("it is constant on either side of 0"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return static_cast<double>((o[0] > 0) - (o[0] < 0)); },
       .samples = signed_samples,
       .promotion = Promotion::arithmetic},

      {.name = "maximum",
       .doc = "The larger of x and y; NaN if either is NaN.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_arithmetic,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return max(x[0], x[1]); }},
       // d max(x, y) = [x > y] dx + [y > x] dy, and half of each where x = y
       .grad = [](GradCtx& g) { accumulate_chosen(g, g.operand(0) > g.operand(1), g.operand(0) == g.operand(1)); },
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return o[0] < o[1] ? o[1] : o[0]; },
       .samples = choice_samples,
       .promotion = Promotion::arithmetic,
       .commutative = true,
       .rewrites = {"maximum(x, x) -> x", "maximum(maximum(x, y), y) -> maximum(x, y)"}},

      {.name = "minimum",
       .doc = "The smaller of x and y; NaN if either is NaN.",
       .operands = {{"x"}, {"y"}},
       .infer = infer_arithmetic,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return min(x[0], x[1]); }},
       // d min(x, y) = [x < y] dx + [y < x] dy, and half of each where x = y
       .grad = [](GradCtx& g) { accumulate_chosen(g, g.operand(0) < g.operand(1), g.operand(0) == g.operand(1)); },
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return o[1] < o[0] ? o[1] : o[0]; },
       .samples = choice_samples,
       .promotion = Promotion::arithmetic,
       .commutative = true,
       .rewrites = {"minimum(x, x) -> x", "minimum(minimum(x, y), y) -> minimum(x, y)"}},

      {.name = "floor",
       .doc = "The largest whole number not above x.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return floor(x[0]); }},
       .grad = zero_gradient("it is constant between whole numbers"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return std::floor(o[0]); },
       .samples = step_samples,
       .promotion = Promotion::real,
       .rewrites = {"floor(floor(x)) -> floor(x)"}},

      {.name = "ceil",
       .doc = "The smallest whole number not below x.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return ceil(x[0]); }},
       .grad = zero_gradient("it is constant between whole numbers"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return std::ceil(o[0]); },
       .samples = step_samples,
       .promotion = Promotion::real,
       .rewrites = {"ceil(ceil(x)) -> ceil(x)"}},

      {.name = "round",
       .doc = "The nearest whole number; halves go to the even one.",
       .operands = {{"x"}},
       .infer = infer_real,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return round(x[0]); }},
       .grad = zero_gradient("it is constant between halves"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return std::nearbyint(o[0]); },
       .samples = step_samples,
       .promotion = Promotion::real,
       .rewrites = {"round(round(x)) -> round(x)"}},
  };
  return ops;
}

}  // namespace nnc::ir
