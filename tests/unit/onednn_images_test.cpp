// Convolution, pooling and their gradients by oneDNN, against the reference evaluation.
#include "ir/evaluate.h"
#include "ir/images.h"
#include "ir/op.h"
#include "runtime/onednn/contractions.h"
#include "tests/unit/random_values.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::Random;

namespace {

using Integers = std::vector<std::int64_t>;

/// An op and the attributes its view refers to.
struct ImageCall {
  std::vector<Attr> attrs;
  OpView view;

  ImageCall(std::string_view op, std::vector<Type> operands, std::vector<NamedAttr> given) {
    view.def = find_op(op);
    view.operands = std::move(operands);
    CompletedAttrs completed = complete_attrs(*view.def, std::move(given), view.operands);
    REQUIRE(completed.error == "");
    attrs = std::move(completed.attrs);
    view.attrs = attrs;
    Inferred inferred = (*view.def->infer)(view);
    REQUIRE(inferred.error == "");
    view.results = inferred.types;
  }
  ImageCall(const ImageCall&) = delete;
};

std::string text(const OpView& op, int threads) {
  std::string types;
  for (const Type& type : op.operands) types += to_string(type) + " ";
  for (const Type& type : op.results) types += "-> " + to_string(type) + " ";
  return fmt::format("{} {}{} threads", *op.def->name, types, threads);
}

/// Small whole numbers, whose products and sums are exact in f32 in any order; indices are within a window.
Tensor whole_numbers(const OpView& op, std::size_t operand, Random& random) {
  Tensor tensor(op.operands[operand]);
  const auto extent = (*op.def->operands)[operand].index_extent;
  const auto below = static_cast<Random::result_type>(extent == nullptr ? 7 : extent(op));
  for (std::int64_t i = 0; i < tensor.elements(); ++i)
    tensor.set_real(i, static_cast<double>(random() % below) - (extent == nullptr ? 3 : 0));
  return tensor;
}

std::vector<Tensor> run(runtime::Contractions& contractions, const OpView& op, const std::vector<Tensor>& operands,
                        int threads) {
  const auto scratch_bytes = static_cast<std::size_t>(contractions.scratch_bytes(op, threads));
  std::vector<std::byte> scratch(scratch_bytes + 3 * 64, std::byte{0x5A});
  std::byte* const aligned = scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64);
  std::vector<void*> args;
  for (const Tensor& operand : operands) args.push_back(const_cast<std::byte*>(operand.bytes().data()));
  std::vector<Tensor> results;
  for (const Type& type : op.results) results.push_back(Tensor::splat(type, 99));
  for (Tensor& result : results) args.push_back(result.bytes().data());
  const auto prepared = contractions.prepare(op, threads);
  prepared->run(args.data(), aligned);
  const std::vector<Tensor> first = results;
  prepared->run(args.data(), aligned);
  CHECK(first == results);  // the same bits again
  for (const std::byte* byte = aligned + scratch_bytes; byte < scratch.data() + scratch.size(); ++byte)
    REQUIRE(*byte == std::byte{0x5A});
  return results;
}

void check(runtime::Contractions& contractions, const OpView& op, int threads, Random& random) {
  INFO(text(op, threads));
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < op.operands.size(); ++i) operands.push_back(whole_numbers(op, i, random));
  const std::vector<Tensor> expected = evaluate(op, tests::pointers(operands));
  const std::vector<Tensor> found = run(contractions, op, operands, threads);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("result " << i);
    CHECK(tests::agree(found[i], expected[i], 1e-6));
  }
}

Type f32_type(Shape shape) { return {DType::f32, std::move(shape), {}}; }

struct Layer {
  Shape x, weight;
  std::vector<NamedAttr> attrs;
};

}  // namespace

TEST_CASE("ops on images agree with the reference on their records' samples") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(1);
  for (const OpDef* def : all_ops()) {
    if (image_op(*def) == nullptr) continue;
    Samples samples;
    (*def->samples)(samples);
    for (const Sample& sample : samples.all()) {
      const bool in_f64 =
          std::ranges::any_of(sample.attrs, [](const NamedAttr& attr) { return attr.value == Attr(DType::f64); });
      if (in_f64) continue;  // compiled contractions are f32
      std::vector<Type> types;
      for (const SampleOperand& operand : sample.operands) types.push_back(operand.type);
      const ImageCall call(*def->name, types, sample.attrs);
      check(*contractions, call.view, 1, random);
      check(*contractions, call.view, 2, random);
    }
  }
}

TEST_CASE("convolutions of layers agree with the reference, and so do both gradients") {
  const std::int64_t one = 1, two = 2;
  const Layer layers[] = {
      {{3, 14, 14, 1}, {32, 1, 5, 5}, {{"low", two}, {"high", two}}},
      {{2, 9, 9, 32}, {64, 32, 5, 5}, {{"low", two}, {"high", two}}},
      {{2, 12, 12, 3}, {16, 3, 3, 3}, {{"low", one}, {"high", one}}},
      {{2, 8, 8, 16}, {32, 16, 3, 3}, {{"low", one}, {"high", one}, {"stride", two}}},
      {{2, 8, 8, 16}, {32, 16, 1, 1}, {{"stride", two}}},
      {{2, 8, 8, 32}, {32, 1, 3, 3}, {{"low", one}, {"high", one}, {"groups", std::int64_t{32}}}},
      {{2, 7, 9, 8}, {12, 4, 3, 2}, {{"groups", two}, {"dilation", two}, {"low", Integers{2, 1}}}},
      {{2, 20, 8}, {12, 8, 5}, {{"stride", two}, {"low", two}, {"high", two}}},
      {{1, 5, 6, 7, 4}, {8, 4, 3, 3, 3}, {{"low", one}, {"high", one}}},
  };
  const auto contractions = runtime::make_onednn_contractions();
  Random random(2);
  for (const Layer& layer : layers)
    for (const int threads : {1, 2}) {
      std::vector<NamedAttr> attrs = layer.attrs;
      attrs.push_back({"channels_last", true});
      const ImageCall forward("convolution", {f32_type(layer.x), f32_type(layer.weight)}, attrs);
      check(*contractions, forward.view, threads, random);
      const Type y = forward.view.results[0];
      std::vector<NamedAttr> further = attrs;
      further.push_back({"extents", Integers(layer.x.begin() + 1, layer.x.end() - 1)});
      const ImageCall to_x("transposed_convolution", {y, f32_type(layer.weight)}, further);
      CHECK(to_x.view.results[0].shape == layer.x);
      check(*contractions, to_x.view, threads, random);
      further = attrs;
      further.push_back({"kernel", Integers(layer.weight.begin() + 2, layer.weight.end())});
      const ImageCall to_weight("convolution_weight_gradient", {f32_type(layer.x), y}, further);
      CHECK(to_weight.view.results[0].shape == layer.weight);
      check(*contractions, to_weight.view, threads, random);
    }
}

TEST_CASE("the index of a maximum is the first one's, in a window of any size") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(3);
  // 3 and 255 elements have indices of a byte, 256 do not.
  for (const Integers& kernel : {Integers{3, 1}, Integers{15, 17}, Integers{16, 16}}) {
    const ImageCall call("max_pool", {f32_type({2, 18, 20, 16})},
                         {{"kernel", kernel}, {"stride", std::int64_t{1}}, {"channels_last", true}});
    CHECK((call.view.results[1].dtype == DType::u8) == (kernel[0] * kernel[1] < 256));
    check(*contractions, call.view, 2, random);
    const ImageCall backward(
        "max_pool_gradient", call.view.results,
        {{"kernel", kernel}, {"stride", std::int64_t{1}}, {"channels_last", true}, {"extents", Integers{18, 20}}});
    check(*contractions, backward.view, 2, random);
  }
}
