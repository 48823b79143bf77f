#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/philox.h"
#include "ir/samples.h"

namespace nnc::ir {

namespace {

struct Stream {
  std::array<std::uint32_t, 2> key;
  std::uint32_t step;
  std::uint64_t hash;

  Stream(std::int64_t seed, std::int64_t at_step, std::string_view stream)
      : key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(static_cast<std::uint64_t>(seed) >> 32)},
        step(static_cast<std::uint32_t>(at_step)),
        hash(stream_hash(stream)) {}

  PhiloxWords block(std::int64_t number) const {
    return philox({static_cast<std::uint32_t>(number), step, static_cast<std::uint32_t>(hash),
                   static_cast<std::uint32_t>(hash >> 32)},
                  key);
  }
};

/// 24 random bits as a fraction.
float unit_fraction(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; }

std::vector<Tensor> evaluate_random(const EvalArgs& args) {
  const Stream stream(args.operands[0]->integer(0), args.operands[1]->integer(0), args.op->get<std::string>("stream"));
  Tensor result(args.op->results[0]);
  const std::span<float> elements = result.as<float>();
  for (std::size_t begin = 0; begin < elements.size(); begin += 64)
    for (std::size_t lane = 0; lane < 16; ++lane) {
      const PhiloxWords words = stream.block(static_cast<std::int64_t>(begin / 4 + lane));
      for (std::size_t word = 0; word < 4; ++word)
        if (const std::size_t p = begin + word * 16 + lane; p < elements.size())
          elements[p] = unit_fraction(words[word]);
    }
  return {std::move(result)};
}

}  // namespace

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

      {.name = "random_uniform",
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
       .kernel = Whole{.evaluate = evaluate_random},
       .grad = no_gradient("it depends on no parameter"),
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             std::int64_t p = 0;
             for (std::size_t d = 0; d < o.at().size(); ++d) p = p * o.op().results[0].shape[d] + o.at()[d];
             const Stream stream(static_cast<std::int64_t>(o.operand(0, {})),
                                 static_cast<std::int64_t>(o.operand(1, {})), o.op().get<std::string>("stream"));
             return static_cast<double>(
                 unit_fraction(stream.block(p / 64 * 16 + p % 16)[static_cast<std::size_t>(p / 16 % 4)]));
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
