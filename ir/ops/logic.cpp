#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/samples.h"
#include "ir/simplify.h"

#include <cmath>

namespace nnc::ir {

namespace {

const Gradient no_truth_gradient = no_gradient("its result is true or false");

void comparison_samples(Samples& s) {
  s.add({f32({2, 3}), f32({3})});
  s.add({i32({4, 5}), i32({4, 5})}).range(0, 3);  // with ties
}
void logical_samples(Samples& s) { s.add({boolean({4, 5}), boolean({5})}); }

/// A bare comparison or logical op of two operands.
OpDef truth_op(std::string_view name, std::string_view doc, std::string_view symbol, Promotion promotion, Infer infer,
               Scalar (*formula)(const ScalarArgs&), double (*oracle)(const Oracle&), void (*samples)(Samples&),
               bool commutative) {
  return {.name = name,
          .doc = doc,
          .operands = {{"x"}, {"y"}},
          .infer = infer,
          .kernel = Elementwise{.formula = formula},
          .grad = no_truth_gradient,
          .precision = Precision::exact,
          .oracle = oracle,
          .samples = samples,
          .callable = false,
          .symbol = symbol,
          .promotion = promotion,
          .commutative = commutative};
}

#define NNC_COMPARISON(NAME, SYMBOL, DOC, COMMUTATIVE)             \
  truth_op(                                                        \
      NAME, DOC, #SYMBOL, Promotion::arithmetic, infer_comparison, \
      [](const ScalarArgs& x) { return x[0] SYMBOL x[1]; },        \
      [](const Oracle& o) -> double { return o[0] SYMBOL o[1]; }, comparison_samples, COMMUTATIVE)

}  // namespace

std::span<const OpDef> logic_ops() {
  static const OpDef ops[] = {
      NNC_COMPARISON("eq", ==, "Whether x equals y.", true),
      NNC_COMPARISON("ne", !=, "Whether x differs from y.", true),
      NNC_COMPARISON("lt", <, "Whether x is less than y.", false),
      NNC_COMPARISON("le", <=, "Whether x is at most y.", false),
      NNC_COMPARISON("gt", >, "Whether x is greater than y.", false),
      NNC_COMPARISON("ge", >=, "Whether x is at least y.", false),

      truth_op(
          "and", "Whether x and y both hold.", "and", Promotion::logical, infer_logical,
          [](const ScalarArgs& x) { return x[0] && x[1]; },
          [](const Oracle& o) -> double { return o[0] != 0 && o[1] != 0; }, logical_samples, true),
      truth_op(
          "or", "Whether x or y holds.", "or", Promotion::logical, infer_logical,
          [](const ScalarArgs& x) { return x[0] || x[1]; },
          [](const Oracle& o) -> double { return o[0] != 0 || o[1] != 0; }, logical_samples, true),

      {.name = "not",
       .doc = "Whether x does not hold.",
       .operands = {{"x"}},
       .infer = infer_logical,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return !x[0]; }},
       .grad = no_truth_gradient,
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) -> double { return o[0] == 0; },
       .samples =
           [](Samples& s) {
             s.add({boolean({4, 5})});
           },
       .callable = false,
       .symbol = "not",
       .promotion = Promotion::logical,
       .rewrites = {"not(not(x)) -> x"}},

      {.name = "where",
       .doc = "x where the condition holds, else y.",
       .operands = {{"condition"}, {"x"}, {"y"}},
       .infer = [](const OpView& op) -> Inferred {
         if (op.operands[0].dtype != DType::boolean)
           return Inferred::fail(fmt::format("expected a bool condition, found {}", to_string(op.operands[0])));
         return infer_broadcast(op, 1);
       },
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return select(x[0], x[1], x[2]); }},
       // d where(c, x, y) = [c] dx + [not c] dy
       .grad =
           [](GradCtx& g) {
             if (g.wants(1)) g.accumulate(1, where(g.operand(0), g.dy(), 0.0));
             if (g.wants(2)) g.accumulate(2, where(g.operand(0), 0.0, g.dy()));
           },
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return o[0] != 0 ? o[1] : o[2]; },
       .samples =
           [](Samples& s) {
             s.add({boolean({2, 3}), f32({2, 3}), f32({2, 3})});
             s.add({boolean({2, 3}), f32({3}), f32({})});
             s.add({boolean({3}), f32({2, 3}), f32({2, 1})});
           },
       .elsewhere = {"masked_fill"},
       .promotion = Promotion::branches,
       .value_operands = {1, 2},
       // From 20 on tanh is 1, to a rounding of f64.
       .rewrites = {"where(c, x, x) -> x", "where(true, x, y) -> x", "where(false, x, y) -> y",
                    "where(gt(x, 20), tanh(x), y) -> where(gt(x, 20), 1, y)"}},

      {.name = "cast",
       .doc = "The same numbers as another element type. Floats become integers by truncation, beyond the range the "
              "nearest integer, NaN 0; anything but 0 is true. Written as a call of the type: `f32(x)`.",
       .operands = {{"x"}},
       .attrs = {{"dtype", AttrKind::result_dtype}},
       .infer = [](const OpView& op) -> Inferred {
         return {{Type{op.get<DType>("dtype"), op.operands[0].shape, op.operands[0].layout}}, {}};
       },
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return cast(x[0], x.result_dtype()); }},
       // d cast(x) = dx, in x's type
       .grad = [](GradCtx& g) { g.accumulate(0, g.builder().cast(g.dy(), g.operand(0).dtype())); },
       .precision = Precision::rounded,
       .oracle =
           [](const Oracle& o) {
             const DType to = o.op().results[0].dtype;
             if (to == DType::boolean) return static_cast<double>(o[0] != 0);
             return is_float(to) ? o[0] : std::trunc(o[0]);
           },
       .samples =
           [](Samples& s) {
             s.add({u8({2, 3})}, {{"dtype", DType::f32}}).range(0, 256);
             s.add({f32({2, 3})}, {{"dtype", DType::f64}});
             s.add({f32({2, 3})}, {{"dtype", DType::i32}}).range(-9, 9);
             s.add({i32({2, 3})}, {{"dtype", DType::boolean}});
           },
       .callable = false,
       .value_operands = {0},
       .simplify = [](SimplifyCtx& c) -> std::optional<ValueId> {
         if (c.view().operands[0] == c.view().results[0]) return c.op().operands[0];
         return std::nullopt;
       }},

      {.name = "stop_gradient",
       .doc = "x, through which no gradient flows.",
       .operands = {{"x"}},
       .infer = same_type_as<0>,
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return x[0]; }},
       .grad = no_gradient("it was asked for"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return o[0]; },
       .samples =
           [](Samples& s) {
             s.add({f32({2, 3})});
           },
       .elsewhere = {"detach"},
       .value_operands = {0},
       .only_for_gradient = true},

      {.name = "equals_index",
       .doc = "Where the position along `axis` equals x, whose extent there is 1: the rows of a one-hot encoding.",
       .operands = {{.name = "x", .index_extent = [](const OpView& op) { return op.integer("size"); }}},
       .attrs = {{"size", AttrKind::integer}, {"axis", AttrKind::axis, Attr(std::int64_t{-1})}},
       .infer = [](const OpView& op) -> Inferred {
         const Type& x = op.operands[0];
         const std::int64_t axis = op.integer("axis"), size = op.integer("size");
         if (!is_integer(x.dtype)) return Inferred::fail(fmt::format("expected integers, found {}", to_string(x)));
         if (x.shape[static_cast<std::size_t>(axis)] != 1)
           return Inferred::fail(fmt::format("expected extent 1 along axis {}, found {}", axis, to_string(x)));
         if (size < 1) return Inferred::fail(fmt::format("`size` must be positive, found {}", size));
         Type result{DType::boolean, x.shape, {}};
         result.shape[static_cast<std::size_t>(axis)] = size;
         return {{result}, {}};
       },
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   return cast(x[0], DType::i64) == x.coordinate(x.op->integer("axis"));
                                 }},
       .grad = no_truth_gradient,
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) -> double {
         return o[0] == static_cast<double>(o.at()[static_cast<std::size_t>(o.op().integer("axis"))]);
       },
       .samples =
           [](Samples& s) {
             s.add({i32({4, 1})}, {{"size", std::int64_t{3}}}).range(0, 3);
             s.add({i32({2, 1, 3})}, {{"size", std::int64_t{4}}, {"axis", std::int64_t{1}}}).range(0, 4);
           },
       .promotion = Promotion::index},

      {.name = "iota",
       .doc = "The numbers 0, 1, ... below `size`, i32, along a dimension before `trailing` ones of extent 1.",
       .operands = Operands::none(),
       .attrs = {{"size", AttrKind::integer}, {"trailing", AttrKind::integer, Attr(std::int64_t{0})}},
       .infer = [](const OpView& op) -> Inferred {
         const std::int64_t size = op.integer("size");
         if (size < 1 || size > highest(DType::i32))
           return Inferred::fail(fmt::format("`size` must be positive and fit i32, found {}", size));
         const std::int64_t trailing = op.integer("trailing");
         if (trailing < 0 || trailing > 16)
           return Inferred::fail(fmt::format("`trailing` is {}, out of range", trailing));
         Type result{DType::i32, {size}, {}};
         result.shape.insert(result.shape.end(), static_cast<std::size_t>(trailing), 1);
         return {{result}, {}};
       },
       .kernel = Elementwise{.formula = [](const ScalarArgs& x) { return cast(x.coordinate(0), DType::i32); }},
       .grad = no_gradient("it depends on nothing"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return static_cast<double>(o.at()[0]); },
       .samples =
           [](Samples& s) {
             s.add({}, {{"size", std::int64_t{7}}});
             s.add({}, {{"size", std::int64_t{3}}, {"trailing", std::int64_t{2}}});
           },
       .elsewhere = {"arange", "range"},
       .result_count = [](const OpView& op, std::size_t) { return op.integer("size"); }},
  };
  return ops;
}

#undef NNC_COMPARISON

}  // namespace nnc::ir
