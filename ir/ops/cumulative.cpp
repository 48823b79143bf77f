#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/rows.h"
#include "ir/samples.h"

#include <type_traits>

namespace nnc::ir {

namespace {

Rows rows_of(const OpView& op) { return {op.operands[0].shape, op.integer("axis")}; }

/// Neighbouring rows, whose elements lie side by side, go on together: so many of them.
constexpr std::int64_t together = 64;

/// Sums of floats are accumulated in f64.
template <class T>
void accumulate_rows(const Routine::Args& args, std::int64_t part) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, T>;
  const Rows rows = rows_of(*args.op);
  const bool reverse = args.op->flag("reverse");
  for (std::int64_t row = rows.first_of(part); row < rows.first_of(part + 1);) {
    const std::int64_t count = std::min({together, rows.inner - row % rows.inner, rows.first_of(part + 1) - row});
    const std::int64_t begin = rows.begin(row);
    Sum sums[together] = {};
    for (std::int64_t i = 0; i < rows.n; ++i) {
      const std::int64_t at = begin + (reverse ? rows.n - 1 - i : i) * rows.inner;
      for (std::int64_t j = 0; j < count; ++j) {
        sums[j] = static_cast<Sum>(sums[j] + static_cast<Sum>(args.operand<T>(0)[at + j]));
        args.result<T>()[at + j] = static_cast<T>(sums[j]);
      }
    }
    row += count;
  }
}

}  // namespace

std::span<const OpDef> cumulative_ops() {
  static const OpDef ops[] = {
      {.name = "cumsum",
       .doc = "The sum of each element along `axis` and all before it; if `reverse`, and all behind it.",
       .operands = {{"x"}},
       .attrs = {{"axis", AttrKind::axis}, {"reverse", AttrKind::boolean, Attr(false)}},
       .infer = [](const OpView& op) -> Inferred {
         if (op.operands[0].dtype == DType::boolean) return Inferred::fail("expected numbers, found bool");
         return {{Type{op.operands[0].dtype, op.operands[0].shape, {}}}, {}};
       },
       .kernel = Routine{.parts = [](const OpView& op) { return rows_of(op).parts(); },
                         .run =
                             [](const Routine::Args& args, std::int64_t begin, std::int64_t end) {
                               visit_dtype(args.op->operands[0].dtype, [&]<class T>() {
                                 for (std::int64_t part = begin; part < end; ++part) accumulate_rows<T>(args, part);
                               });
                             }},
       // an element is in the sums at and behind it: their gradients are summed in the other direction
       .grad =
           [](GradCtx& g) {
             g.accumulate(0,
                          g.builder().op("cumsum", {g.dy()},
                                         {{"axis", g.view().integer("axis")}, {"reverse", !g.view().flag("reverse")}}));
           },
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             const auto axis = static_cast<std::size_t>(o.op().integer("axis"));
             const bool reverse = o.op().flag("reverse");
             std::vector<std::int64_t> at = o.at();
             const std::int64_t end = reverse ? o.op().operands[0].shape[axis] : at[axis] + 1;
             double sum = 0;
             for (std::int64_t i = reverse ? at[axis] : 0; i < end; ++i) {
               at[axis] = i;
               sum += o.operand(0, at);
             }
             return sum;
           },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 7})}, {{"axis", std::int64_t{1}}}).range(0.1, 2);
             s.add({f32({5, 90})}, {{"axis", std::int64_t{0}}, {"reverse", true}}).range(0.1, 2);
             s.add({f32({2, 3, 4})}, {{"axis", std::int64_t{1}}}).range(0.1, 2);
             s.add({i32({9})}, {{"axis", std::int64_t{0}}}).range(-9, 10);
           },
       .flops = [](const OpView& op) { return is_float(op.operands[0].dtype) ? op.operands[0].elements() : 0; },
       .promotion = Promotion::arithmetic},
  };
  return ops;
}

}  // namespace nnc::ir
