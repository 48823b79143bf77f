// While stepping, our own code allocates nothing, and oneDNN no more than a few small lists for each of its primitives.
#include "tests/unit/allocations.h"
#include "frontend/frontend.h"
#include "passes/pass.h"
#include "runtime/data/dataset.h"
#include "tools/machine.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

using namespace nnc;

namespace {

/// Lists that oneDNN 2.6 and 3 make to run one primitive.
constexpr int lists_of_a_product = 10;

constexpr const char* source = R"nn(
layer body(x: f32[N, 40]) -> f32[N, 10] {
  h = dropout(gelu(linear(x, 64) as fc1), p = 0.1)
  h = layer_norm(h) as n
  return linear(relu(linear(h, 700) as fc2), 10) as fc3
}
train {
  data x: f32[40], word: u8[3], label: u8
  words = embedding(word, 256, 40) as words
  ordered, places = sort(words, axis = 1)
  largest, places = top_k(cumsum(ordered, axis = 1), 2, axis = 1)
  scores = body(x + sum(largest, axis = 1)) as model
  loss cross_entropy(scores, label)
  metric accuracy = mean(argmax(scores, axis = -1) == label)
  optimizer adam(lr = cosine(1e-2, warmup = 2))
  clip_norm = 1.0
  batch = 64
  epochs = 2
}
)nn";

}  // namespace

TEST_CASE("allocations are counted, each once") {
  volatile std::size_t bytes = 100;
  void* volatile kept = nullptr;  // what the compiler cannot see through it leaves alone
  const tests::AllocationCount counted = tests::count_allocations([&] {
    kept = ::operator new(bytes);
    ::operator delete(kept);
    kept = ::operator new (bytes, std::align_val_t{64});
    ::operator delete (kept, std::align_val_t{64});
    kept = ::operator new(bytes, std::nothrow);
    ::operator delete(kept);
  });
  CHECK(counted.ours == 3);
  CHECK(counted.onednn == 0);
#if !defined(__SANITIZE_ADDRESS__)
  const tests::AllocationCount of_c = tests::count_allocations([&] {
    kept = std::malloc(bytes);
    kept = std::realloc(kept, 2 * bytes);
    std::free(kept);
    kept = std::calloc(bytes, 2);
    std::free(kept);
    kept = std::aligned_alloc(64, 128);
    std::free(kept);
  });
  CHECK(of_c.ours == 4);
#endif
}

TEST_CASE("memory that is not there is null, or an exception") {
#if !defined(__SANITIZE_ADDRESS__)  // which stops at such a request
  volatile std::size_t bytes = std::numeric_limits<std::int64_t>::max() - 4096;
  CHECK(::operator new(bytes, std::nothrow) == nullptr);
  CHECK(::operator new (bytes, std::align_val_t{64}, std::nothrow) == nullptr);
  CHECK_THROWS_AS(::operator new(bytes), std::bad_alloc);
#endif
}

TEST_CASE("training steps allocate nothing of ours") {
  ir::Diagnostics diagnostics;
  const auto model = frontend::load("test.nn", source, {}, diagnostics);
  REQUIRE(model);
  for (const int threads : {1, 2}) {
    const tools::Machine machine = tools::Machine::native(threads);
    std::optional<ir::Module> module = model->elaborate({{64, 24}, {64}}, diagnostics);
    REQUIRE(module);
    REQUIRE(passes::run_passes(*module, passes::pipeline_to(passes::Stage::program), {.target = &machine.target()},
                               diagnostics) == ir::Status::ok);
    int products = 0, routines = 0;
    for (const ir::Program& program : module->programs)
      for (const ir::Instruction& instruction : program.instructions) {
        if (program.name != ir::train_graph || program.batch != 64 || instruction.def == nullptr) continue;
        products += instruction.def->as<ir::Contraction>() != nullptr;
        routines += instruction.def->as<ir::Routine>() != nullptr;
      }
    CHECK(products == 9);
    CHECK(routines == 7);
    const auto executor = machine.load(*module);
    executor->run(ir::init_graph, 0, {});
    const runtime::Dataset data = runtime::synthetic(module->recipe.data, {{"label", 10}}, 640, 3);
    std::vector<ir::Tensor> batch, last;
    std::vector<std::int64_t> indices(64);
    const auto step = [&](std::int64_t first) {
      std::iota(indices.begin(), indices.end(), first);
      data.gather(indices, batch);
      executor->run(ir::train_graph, 64, batch);
    };
    step(0);  // the first one makes the batch and starts the threads
    const tests::AllocationCount counted = tests::count_allocations([&] {
      for (int s = 1; s < 10; ++s) step(64 * s);
    });
    INFO(threads << " threads");
    CHECK(counted.ours == 0);
    CHECK(counted.onednn <= 9 * products * lists_of_a_product);
  }
}
