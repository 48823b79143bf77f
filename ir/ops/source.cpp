#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/philox.h"
#include "ir/samples.h"

namespace nnc::ir {

std::span<const OpDef> source_ops() {
  static const OpDef ops[] = {
      {.name = "constant",
       .doc = "Known numbers.",
       .operands = Operands::none(),
       .attrs = {{"value", AttrKind::tensor}},
       .infer = [](const OpView& op) -> Inferred {
         return {{op.get<Tensor>("value").type()}, {}};
       },
       .kernel = Whole{.evaluate = [](const EvalArgs& args) { return std::vector{args.op->get<Tensor>("value")}; }},
       .grad = no_gradient("it depends on nothing"),
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             std::int64_t position = 0;
             for (std::size_t d = 0; d < o.at().size(); ++d)
               position = position * o.op().results[0].shape[d] + o.at()[d];
             return o.op().get<Tensor>("value").real(position);
           },
       .samples =
           [](Samples& s) {
             Tensor numbers(Type{DType::f32, {2, 2}, {}});
             for (std::int64_t i = 0; i < 4; ++i) numbers.set_real(i, static_cast<double>(i) - 0.1);
             s.add({}, {{"value", numbers}});
             s.add({}, {{"value", Tensor::splat(Type{DType::u8, {3}, {}}, 200)}});
           },
       .callable = false},

      {.name = "slot",
       .doc = "The value of a state slot before the graph runs.",
       .operands = Operands::none(),
       .attrs = {{"path", AttrKind::slot}, {"shape", AttrKind::result_shape}, {"dtype", AttrKind::result_dtype}},
       .infer = [](const OpView& op) -> Inferred {
         return {{Type{op.get<DType>("dtype"), op.integers("shape"), {}}}, {}};
       },
       .kernel = SlotRead{},
       .grad = no_gradient("it depends on nothing"),
       .precision = Precision::exact,
       .oracle = [](const Oracle& o) { return static_cast<double>(o.at()[0]); },  // the sample's slot holds 0, 1, 2 ...
       .samples =
           [](Samples& s) {
             s.add({},
                   {{"path", std::string("counting")}, {"shape", std::vector<std::int64_t>{3}}, {"dtype", DType::f32}});
           },
       .callable = false},

      {.name = "random",
       .doc = "Numbers uniform in [0, 1), multiples of 2^-24, f32: a function of key, step, stream and position "
              "(Philox4x32-10).",
       .operands = {{"key"}, {"step"}},
       .attrs = {{"shape", AttrKind::result_shape}, {"stream", AttrKind::text}},
       .infer = [](const OpView& op) -> Inferred {
         const Type scalar{DType::i64, {}, {}};
         for (const Type& operand : op.operands)
           if (operand != scalar) return Inferred::fail(fmt::format("expected i64[], found {}", to_string(operand)));
         const Type result{DType::f32, op.integers("shape"), {}};
         if (result.elements() > std::int64_t{1} << 34)
           return Inferred::fail(fmt::format("{} has more elements than a stream has numbers", to_string(result)));
         return {{result}, {}};
       },
       .kernel = Elementwise{.formula =
                                 [](const ScalarArgs& x) {
                                   return x.builder->random(x[0], x[1], x.position(),
                                                            stream_hash(x.op->get<std::string>("stream")));
                                 }},
       .grad = no_gradient("it depends on no parameter"),
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             std::int64_t p = 0;
             for (std::size_t d = 0; d < o.at().size(); ++d) p = p * o.op().results[0].shape[d] + o.at()[d];
             return static_cast<double>(random_element(static_cast<std::int64_t>(o.operand(0, {})),
                                                       static_cast<std::int64_t>(o.operand(1, {})),
                                                       stream_hash(o.op().get<std::string>("stream")), p));
           },
       .samples =
           [](Samples& s) {
             s.add({i64({}), i64({})},
                   {{"shape", std::vector<std::int64_t>{5, 30}}, {"stream", std::string("fc1.weight")}})
                 .range(0, 1000);
           },
       .callable = false},
  };
  return ops;
}

}  // namespace nnc::ir
