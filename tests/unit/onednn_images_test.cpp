// Convolution, pooling and their gradients by oneDNN, against the reference evaluation.
#include "ir/op.h"
#include "runtime/onednn/contractions.h"
#include "tests/unit/image_call.h"
#include "tests/unit/random_values.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::Random;

namespace {

using Integers = std::vector<std::int64_t>;

struct Layer {
  Shape x, weight;
  std::vector<NamedAttr> attrs;
};

}  // namespace

TEST_CASE("ops on images agree with the reference on their records' samples") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(1);
  for (const OpDef* def : all_ops()) {
    if (!def->images) continue;
    Samples samples;
    (*def->samples)(samples);
    for (const Sample& sample : samples.all()) {
      const bool in_f64 =
          std::ranges::any_of(sample.attrs, [](const NamedAttr& attr) { return attr.value == Attr(DType::f64); });
      if (in_f64) continue;  // compiled contractions are f32
      std::vector<Type> types;
      for (const SampleOperand& operand : sample.operands) types.push_back(operand.type);
      const tests::ImageCall call(*def->name, types, sample.attrs);
      tests::check_contraction(*contractions, call.view, 1, random);
      tests::check_contraction(*contractions, call.view, 2, random);
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
      const tests::ConvolutionCalls calls(layer.x, layer.weight, attrs);
      for (const tests::ImageCall* call : {&calls.forward, &calls.to_x, &calls.to_weight})
        tests::check_contraction(*contractions, call->view, threads, random);
    }
}

TEST_CASE("the index of a maximum is the first one's, in a window of any size") {
  const auto contractions = runtime::make_onednn_contractions();
  Random random(3);
  // 3 and 255 elements have indices of a byte, 256 do not.
  for (const Integers& kernel : {Integers{3, 1}, Integers{15, 17}, Integers{16, 16}}) {
    const tests::ImageCall call("max_pool", {tests::f32_type({2, 18, 20, 16})},
                                {{"kernel", kernel}, {"stride", std::int64_t{1}}, {"channels_last", true}});
    CHECK((call.view.results[1].dtype == DType::u8) == (kernel[0] * kernel[1] < 256));
    tests::check_contraction(*contractions, call.view, 2, random);
    const tests::ImageCall backward(
        "max_pool_gradient", call.view.results,
        {{"kernel", kernel}, {"stride", std::int64_t{1}}, {"channels_last", true}, {"extents", Integers{18, 20}}});
    tests::check_contraction(*contractions, backward.view, 2, random);
  }
}
