// Milliseconds that the matrix products and convolutions of a training step take back to back: what the step would cost
// if all else were free.
//
//   primitives_time FILE.nn [--set NAME=VALUE]... [--batch N] [--threads N] [--seconds S]
//   {"median_ms": 1.02, "least_ms": 0.99, "instructions": 8}
//
// The file is compiled as nnc-train compiles it. Beside its program of a training step stands another one, of that
// program's matrix products, convolutions and pooling alone, in the same order, loops and memory. A training step fills
// the memory, so that the products are of the numbers that a step has, and touches its pages; then the second program
// runs again and again.
#include "ir/check.h"
#include "ir/op.h"
#include "tools/command_line.h"
#include "tools/driver.h"
#include "tools/exit_codes.h"
#include "tools/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>
#include <vector>

using namespace nnc;

namespace {

constexpr const char* name_alone = "primitives";

bool is_contraction(const ir::Instruction& instruction) {
  return instruction.def != nullptr && instruction.def->as<ir::Contraction>() != nullptr;
}

/// The program with its contractions only.
ir::Program contractions_of(const ir::Program& program) {
  ir::Program alone = program;
  alone.name = name_alone;
  alone.results.clear();
  alone.instructions.clear();
  std::vector<int> place;  // of each instruction, or of the next one that is kept
  for (const ir::Instruction& instruction : program.instructions) {
    place.push_back(static_cast<int>(alone.instructions.size()));
    if (is_contraction(instruction)) alone.instructions.push_back(instruction);
  }
  place.push_back(static_cast<int>(alone.instructions.size()));
  for (ir::Loop& loop : alone.loops) {
    loop.first = place[static_cast<std::size_t>(loop.first)];
    loop.end = place[static_cast<std::size_t>(loop.end)];
  }
  std::erase_if(alone.loops, [](const ir::Loop& loop) { return loop.first == loop.end; });
  return alone;
}

int run(const tools::TrainRequest& request, double seconds) {
  ir::Diagnostics diagnostics;
  std::optional<tools::Prepared> prepared = tools::prepare(request, diagnostics);
  if (!prepared) return tools::fail(diagnostics);
  ir::Module& module = prepared->module;
  const std::int64_t batch = module.recipe.batch;
  const auto step = std::ranges::find_if(module.programs, [&](const ir::Program& program) {
    return program.name == ir::train_graph && program.batch == batch;
  });
  NNC_CHECK(step != module.programs.end(), "no program train@{}", batch);
  const ir::Program alone = contractions_of(*step);
  module.programs.push_back(alone);
  prepared->executor = tools::Machine::native(request.threads).load(module);

  std::vector<std::int64_t> examples(static_cast<std::size_t>(batch));
  std::iota(examples.begin(), examples.end(), 0);
  std::vector<ir::Tensor> data;
  prepared->training.gather(examples, data);
  prepared->executor->run(ir::init_graph, 0, {});
  prepared->executor->run(ir::train_graph, batch, data);

  using Clock = std::chrono::steady_clock;
  constexpr std::size_t least_runs = 5;
  prepared->executor->run(name_alone, batch, data);
  std::vector<double> times;
  for (const auto end = Clock::now() + std::chrono::duration<double>(seconds);
       times.size() < least_runs || Clock::now() < end;) {
    const auto start = Clock::now();
    prepared->executor->run(name_alone, batch, data);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::ranges::sort(times);
  fmt::print("{{\"median_ms\": {:.6f}, \"least_ms\": {:.6f}, \"instructions\": {}}}\n", times[times.size() / 2],
             times.front(), alone.instructions.size());
  return tools::exit_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Time the matrix products and convolutions of a training step alone.", "primitives_time"};
  tools::TrainRequest request;
  tools::ModelFlags model_flags;
  tools::ThreadFlag thread_flag;
  double seconds = 1;
  app.add_option("FILE", request.file, "The .nn file")->required()->type_name("");
  app.add_option("--seconds", seconds, "How long to repeat them")->type_name("S");
  model_flags.declare(app);
  thread_flag.declare(app);
  if (const std::optional<int> status = tools::parse_command_line(app, argc, argv)) return *status;
  const std::optional<frontend::Options> options = model_flags.options();
  if (!options) return tools::exit_usage;
  request.options = *options;
  request.threads = thread_flag.threads();
  return tools::within_limits([&] { return run(request, seconds); });
}
