// GB/s of kernels on data beyond the caches, and their share of what this machine's memory gives.
//
//   kernel_bandwidth [--threads N] [--seconds S] [--rows N] [--columns N] [CASE]...    # all cases; those whose name has one of the words
//
// Every kernel is compiled as a program is: passes, schedule, machine code; its bytes are its unique inputs and outputs.
// The ceiling is the faster of a copy (runtime/ceilings.h) and a triad with stores that pass the caches by (stream.h), and
// for what is updated in place, that of a loop that adds to three arrays. Machines are noisy: ceiling and kernel run in
// turns; the table has the fastest of each, and the median of their ratio within a turn. With few rows (--rows 16) the
// caches hold everything: what the instructions alone take.
#include "bench/bandwidth_cases.h"
#include "bench/stream.h"
#include "ir/fused.h"
#include "ir/program_cost.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "runtime/arena.h"
#include "runtime/ceilings.h"
#include "runtime/executor.h"
#include "tools/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <optional>
#include <string>

using namespace nnc;

namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::string module_text(const bench::Case& c, std::int64_t rows, std::int64_t columns) {
  std::string text = "nnc module 1\n\nbatch 1\n\n";
  for (const char* name : {"x", "b", "y", "z"})
    if (c.body.find(fmt::format("@{} ", name)) != std::string::npos)
      text += fmt::format("slot parameter @{} : {}\n", name, c.transposes && *name == 'y' ? "MATT" : "MAT");
  for (const char* name : {"bias", "gamma"})
    if (c.body.find(fmt::format("@{} ", name)) != std::string::npos)
      text += fmt::format("slot parameter @{} : ROW\n", name);
  for (const char* name : {"mean", "rstd"})
    if (c.body.find(fmt::format("@{} ", name)) != std::string::npos)
      text += fmt::format("slot parameter @{} : COL\n", name);
  text += "\ngraph @report() {" + c.body + "\n}\n";
  replace_all(text, "MATT", fmt::format("f32[{},{}]", columns, rows));
  replace_all(text, "MAT", fmt::format("f32[{},{}]", rows, columns));
  replace_all(text, "BOOL", fmt::format("bool[{},{}]", rows, columns));
  replace_all(text, "ROWS", std::to_string(rows));
  replace_all(text, "ROW", fmt::format("f32[{}]", columns));
  replace_all(text, "COL", fmt::format("f32[{},1]", rows));
  replace_all(text, "BATCH", std::to_string(rows / 16));
  replace_all(text, "HEADS", std::to_string(columns / 128));
  replace_all(text, "HALVES", std::to_string(columns / 64));
  return text;
}

struct Compiled {
  std::unique_ptr<runtime::Executor> executor;
  std::int64_t bytes = 0;
  std::size_t instructions = 0;
  std::string schedule;
};

std::optional<Compiled> compile(const bench::Case& c, std::int64_t rows, std::int64_t columns,
                                const tools::Machine& machine) {
  ir::Diagnostics diagnostics;
  std::optional<ir::Module> module = ir::parse_module(c.name, module_text(c, rows, columns), diagnostics);
  if (module) {
    std::vector<const passes::Pass*> passes = passes::pipeline_to(passes::Stage::program);
    passes.erase(passes.begin(), passes.begin() + std::ssize(passes::pipeline_to(passes::Stage::step)));
    if (passes::run_passes(*module, passes, {.target = &machine.target()}, diagnostics) == ir::Status::failed)
      module.reset();
  }
  if (!module) {
    fmt::print(stderr, "{}", diagnostics.render());
    return std::nullopt;
  }
  Compiled made{.executor = machine.load(*module), .bytes = 0, .instructions = 0, .schedule = {}};
  const ir::Program& program = module->programs[0];
  made.bytes = ir::cost_of(*module, program).bytes;
  made.instructions = program.instructions.size();
  const std::string text = ir::print(*module);
  if (const std::size_t at = text.find("schedule = "); at != std::string::npos)
    made.schedule = text.substr(at + 11, text.find('}', at) - at - 11);
  for (const ir::Slot& slot : module->slots) {
    ir::Tensor value(slot.type);
    float* const numbers = reinterpret_cast<float*>(value.bytes().data());
    for (std::int64_t i = 0; i < value.elements(); ++i)
      numbers[i] = static_cast<float>((i * 2654435761 >> 7) % 1024) / 512.0F;
    made.executor->set_slot(slot.path, value);
  }
  return made;
}

using Clock = std::chrono::steady_clock;

/// With one thread the time of its processor, so that other work on the machine counts as little as it can. Threads on
/// other processors are not in such a clock until they are interrupted: with several it is the time on the wall.
double seconds_of(int threads, const std::function<void()>& run) {
  const auto now = [&] {
    timespec time{};
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double start = now();
  run();
  return now() - start;
}

struct Options {
  int threads = 2;
  double seconds = 1;
  std::int64_t rows = 4096, columns = 4096;
  std::vector<std::string> words;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto is = [&](const char* option) { return word == option && i + 1 < argc; };
    if (is("--threads"))
      options.threads = std::atoi(argv[++i]);
    else if (is("--seconds"))
      options.seconds = std::strtod(argv[++i], nullptr);
    else if (is("--rows"))
      options.rows = std::max(16L, std::strtol(argv[++i], nullptr, 10) / 16 * 16);
    else if (is("--columns"))
      options.columns = std::max(128L, std::strtol(argv[++i], nullptr, 10) / 128 * 128);
    else
      options.words.push_back(word);
  }
  return options;
}

bool is_wanted(const bench::Case& c, const Options& options) {
  const auto named = [&](const std::string& word) { return c.name.find(word) != std::string::npos; };
  return options.words.empty() || std::ranges::any_of(options.words, named);
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::int64_t elements = options.rows * options.columns;
  const tools::Machine machine = tools::Machine::native(options.threads);
  runtime::Arena arena(static_cast<std::size_t>(4 * elements) * sizeof(float));
  float* const a = reinterpret_cast<float*>(arena.begin());
  std::fill_n(a, 4 * elements, 1.0F);
  const auto n = static_cast<std::size_t>(elements);
  const std::size_t bytes_of_one = n * sizeof(float);
  std::byte* const memory = arena.begin();
  const std::function<void()> loops[] = {
      [&] { runtime::copy_memory(memory + bytes_of_one, memory, bytes_of_one, options.threads); },
      [&] { bench::triad(a, a + n, a + 2 * n, n, options.threads); },
      [&] { bench::update(a, a + n, a + 2 * n, a + 3 * n, n, options.threads); }};
  constexpr double loop_arrays[] = {2, 3, 7};

  fmt::print("matrices of {} KiB, {} threads\n{:26} {:>6} {:>8} {:>9} {:>7}  schedule\n", elements * 4 >> 10,
             options.threads, "", "GB/s", "ceiling", "% of it", "ms");
  for (const bench::Case& c : bench::cases()) {
    if (!is_wanted(c, options)) continue;
    const std::optional<Compiled> compiled = compile(c, options.rows, options.columns, machine);
    if (!compiled) return 1;
    const auto bytes = static_cast<double>(compiled->bytes);
    double best = 0, best_ceiling = 0;
    std::vector<double> ratios;
    const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
    do {
      double ceiling = 0, rate = 0;
      for (int turn = 0; turn < 2; ++turn) {
        for (int loop = c.in_place ? 2 : 0; loop < (c.in_place ? 3 : 2); ++loop)
          ceiling = std::max(
              ceiling, loop_arrays[loop] * 4 * static_cast<double>(n) / seconds_of(options.threads, loops[loop]) / 1e9);
        rate = std::max(rate,
                        bytes / seconds_of(options.threads, [&] { compiled->executor->run("report", 0, {}); }) / 1e9);
      }
      best = std::max(best, rate);
      best_ceiling = std::max(best_ceiling, ceiling);
      ratios.push_back(rate / ceiling);
    } while (Clock::now() < end);
    fmt::print("{:26} {:>6.1f} {:>8.1f} {:>8.0f}% {:>7.3f}  {}{}\n", c.name, best, best_ceiling, 100 * median(ratios),
               bytes / best / 1e6, compiled->schedule,
               compiled->instructions == 1 ? "" : fmt::format(", {} instructions", compiled->instructions));
    std::fflush(stdout);
  }
}
