// Convolutions by tiles, against the reference evaluation in f64.
#include "ir/winograd.h"
#include "ir/evaluate.h"
#include "ir/target.h"
#include "runtime/jit/winograd.h"
#include "runtime/jit/winograd_emitter.h"
#include "runtime/onednn/contractions.h"
#include "tests/unit/image_call.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <list>
#include <memory>
#include <vector>

using namespace nnc;
using namespace nnc::ir;
using nnc::tests::ConvolutionCalls;
using nnc::tests::ImageCall;
using nnc::tests::Random;

namespace {

using Integers = std::vector<std::int64_t>;

struct Layer {
  Shape x, weight;
  Integers low, high;
};

/// Even and odd extents, without and with zeros on either side, images smaller than a tile, one and several blocks, sums
/// in several chunks, channels of one to four vectors at a time, of three times that, and of no whole vector.
const Layer layers[] = {
    {{3, 8, 8, 16}, {16, 16, 3, 3}, {1}, {1}},        {{2, 7, 9, 32}, {16, 32, 3, 3}, {1}, {1}},
    {{2, 6, 5, 16}, {64, 16, 3, 3}, {0}, {0}},        {{1, 5, 6, 48}, {48, 48, 3, 3}, {2}, {2}},
    {{20, 9, 4, 16}, {32, 16, 3, 3}, {0, 1}, {2, 0}}, {{5, 1, 1, 32}, {192, 32, 3, 3}, {1}, {1}},
    {{2, 5, 6, 3}, {5, 3, 3, 3}, {1}, {1}},           {{9, 8, 8, 24}, {40, 24, 3, 3}, {1}, {1}},
    {{1, 4, 4, 1}, {12, 1, 3, 3}, {1}, {1}},          {{36, 6, 7, 16}, {16, 16, 3, 3}, {1}, {1}},
    {{2, 5, 4, 8}, {16, 8, 3, 3}, {3}, {0, 4}},       {{2, 14, 13, 32}, {64, 32, 5, 5}, {2}, {2}},
    {{12, 7, 8, 16}, {48, 16, 5, 5}, {0, 4}, {1, 0}}, {{1, 5, 5, 5}, {10, 5, 5, 5}, {0}, {0}},
};

std::vector<NamedAttr> attrs_of(const Layer& layer, bool winograd) {
  return {{"low", layer.low}, {"high", layer.high}, {"channels_last", true}, {"winograd", winograd}};
}

/// |x - y| / |y|, L2.
double distance(const Tensor& x, const Tensor& y) {
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    difference += std::pow(x.real(i) - y.real(i), 2);
    size += std::pow(y.real(i), 2);
  }
  return std::sqrt(difference / size);
}

/// Random numbers, and what the op makes of them in f64.
struct Expected {
  std::vector<Tensor> operands;
  Tensor exact;

  Expected(const OpView& op, Random& random) {
    for (const Type& type : op.operands) operands.push_back(tests::random_tensor(type, -1, 1, random));
    exact = evaluate(op, tests::pointers(operands))[0];
  }
};

/// With code for what these ops are by tiles.
std::unique_ptr<runtime::Contractions> contractions_for(const std::vector<const OpView*>& ops,
                                                        const runtime::jit::Cpu& cpu = runtime::jit::host_cpu(),
                                                        runtime::jit::ObjectCache* cache = nullptr) {
  std::vector<WinogradTiles> tiles;
  for (const OpView* op : ops) tiles.push_back(winograd_tiles(*op).value());
  return runtime::jit::with_winograd(runtime::make_onednn_contractions(),
                                     runtime::jit::compile({}, cpu, cache, 2, tiles));
}

}  // namespace

TEST_CASE("convolutions by tiles and their gradients agree with the reference") {
  Random random(1);
  for (const runtime::jit::Cpu& cpu : {runtime::jit::host_cpu(), runtime::jit::avx2_cpu()}) {
    for (const Layer& layer : layers) {
      const ConvolutionCalls calls(layer.x, layer.weight, attrs_of(layer, true));
      const auto contractions = contractions_for({&calls.forward.view, &calls.to_x.view, &calls.to_weight.view}, cpu);
      for (const int threads : {1, 3})
        for (const ImageCall* call : {&calls.forward, &calls.to_x, &calls.to_weight}) {
          const Expected expected(call->view, random);
          INFO(*call->view.def->name << " of " << to_string(layer.x) << " and " << to_string(layer.weight));
          CHECK(distance(tests::run(*contractions, call->view, expected.operands, threads)[0], expected.exact) < 4e-6);
        }
    }
  }
}

TEST_CASE("convolutions by tiles round little more than those by windows") {
  Random random(2);
  struct Case {
    Layer layer;
    double most;  // docs/semantics.md
  };
  for (const auto& [layer, most] : {Case{{{8, 16, 16, 64}, {64, 64, 3, 3}, {1}, {1}}, 1e-6},
                                    Case{{{4, 16, 16, 64}, {64, 64, 5, 5}, {2}, {2}}, 3e-6}}) {
    const ConvolutionCalls by_tiles(layer.x, layer.weight, attrs_of(layer, true));
    const ConvolutionCalls by_windows(layer.x, layer.weight, attrs_of(layer, false));
    const auto contractions = contractions_for({&by_tiles.forward.view, &by_tiles.to_x.view, &by_tiles.to_weight.view});
    for (const auto part : {&ConvolutionCalls::forward, &ConvolutionCalls::to_x, &ConvolutionCalls::to_weight}) {
      const OpView& op = (by_tiles.*part).view;
      const Expected expected(op, random);
      const auto error = [&](const OpView& way) {
        return distance(tests::run(*contractions, way, expected.operands, 2)[0], expected.exact);
      };
      const double tiles = error(op), windows = error((by_windows.*part).view);
      INFO(*op.def->name << ": " << tiles << " by tiles, " << windows << " by windows");
      CHECK(tiles < most);
      CHECK(windows < 1e-6);
      CHECK(tiles != windows);  // another way was taken
    }
  }
}

TEST_CASE("sums of a weight's gradient are the same for any number of threads") {
  Random random(3);
  const Layer layer{{70, 10, 11, 16}, {16, 16, 3, 3}, {1}, {1}};
  const ConvolutionCalls calls(layer.x, layer.weight, attrs_of(layer, true));
  const OpView& op = calls.to_weight.view;
  CHECK(runtime::jit::winograd_plan(winograd_tiles(op).value()).chunks > 7);
  const std::vector<Tensor> operands = Expected(op, random).operands;
  const auto contractions = contractions_for({&op});
  const std::vector<Tensor> one = tests::run(*contractions, op, operands, 1);
  for (const int threads : {2, 3, 7}) CHECK(tests::run(*contractions, op, operands, threads) == one);
}

TEST_CASE("convolutions by tiles are compiled once for all batches, in any order") {
  Random random(4);
  const test::TempDirectory directory;
  runtime::jit::ObjectCache cache(directory.path());
  std::list<ConvolutionCalls> all;
  std::vector<const OpView*> ops;
  for (const std::int64_t batch : {16, 9, 40}) {
    const Layer layer{{batch, 8, 8, 16}, {16, 16, 3, 3}, {1}, {1}};
    const ConvolutionCalls& calls = all.emplace_back(layer.x, layer.weight, attrs_of(layer, true));
    for (const ImageCall* call : {&calls.forward, &calls.to_x, &calls.to_weight}) ops.push_back(&call->view);
  }
  for (std::size_t hits = 0; hits < 4; hits += 3) {
    const auto contractions = contractions_for(ops, runtime::jit::host_cpu(), &cache);
    for (const ConvolutionCalls& calls : all) {
      for (const ImageCall* call : {&calls.forward, &calls.to_x, &calls.to_weight}) {
        const Expected expected(call->view, random);
        CHECK(distance(tests::run(*contractions, call->view, expected.operands, 2)[0], expected.exact) < 1e-6);
      }
    }
    CHECK(cache.hits() == hits);
  }
}
