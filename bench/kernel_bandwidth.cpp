// GB/s of kernels on data beyond the caches, and their share of what this machine's memory gives.
//
//   kernel_bandwidth [--threads N] [--seconds S] [--rows N] [--columns N] [CASE]...    # all cases; those whose name has one of the words
//
// Every kernel is compiled as a program is: passes, schedule, machine code; its bytes are its unique inputs and outputs.
// The ceiling is the faster of a copy (runtime/ceilings.h) and a triad with stores that pass the caches by (stream.h);
// for what is updated in place that of a loop that adds to three arrays, for what writes next to nothing that of a loop
// that reads. Machines are noisy: ceiling and kernel run in turns; the table has the fastest of each, and the median of
// their ratio within a turn. With few rows (--rows 16) the caches hold everything: what the instructions alone take.
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
#include <map>
#include <optional>
#include <string>
#include <utility>

using namespace nnc;

namespace {

/// What cases name as slots, with their types.
constexpr std::pair<const char*, const char*> slots[] = {
    {"x", "MAT"},
    {"b", "MAT"},
    {"y", "MAT"},
    {"z", "MAT"},
    {"t", "f32[COLUMNS,ROWS]"},
    {"bias", "ROW"},
    {"gamma", "ROW"},
    {"mean", "COL"},
    {"rstd", "COL"},
    {"label", "u16[ROWS,1]"},
    {"index", "i32[ROWS,1]"},
    {"pixels", "u8[ROWS,COLUMNS]"},
    {"cells", "GATE"},
    {"hidden", "GATE"},
    {"half", "f32[ROWS,HALF]"},
    {"channel_mean", "f32[64]"},
    {"channel_rstd", "f32[64]"},
    {"channel_scale", "f32[64]"},
    {"channel_bias", "f32[64]"},
    {"pooled", "f32[BATCH,64]"},
    {"total", "f32[]"},
    {"key", "i64[]"},
    {"step", "i64[]"},
};

/// The words of capitals in a case, and what they stand for.
std::map<std::string, std::string> words_of(std::int64_t rows, std::int64_t columns) {
  const std::string matrix = fmt::format("[{},{}]", rows, columns);
  const std::pair<const char*, std::int64_t> extents[] = {{"ROWS", rows},
                                                          {"COLUMNS", columns},
                                                          {"BATCH", rows / 16},
                                                          {"PIXELS", rows * columns / 64},
                                                          {"HEADS", columns / 128},
                                                          {"SQUARES", rows / columns},
                                                          {"QUARTER", columns / 4},
                                                          {"HALF", columns / 2},
                                                          {"REST", columns - columns / 4},
                                                          {"HALVES", columns / 64}};
  std::map<std::string, std::string> words{{"MAT", "f32" + matrix},
                                           {"BOOL", "bool" + matrix},
                                           {"ROW", fmt::format("f32[{}]", columns)},
                                           {"COL", fmt::format("f32[{},1]", rows)},
                                           {"GATE", fmt::format("f32[{},{}]", rows, columns / 4)}};
  for (const auto& [word, extent] : extents) words[word] = std::to_string(extent);
  return words;
}

std::string replaced(const std::string& text, const std::map<std::string, std::string>& words) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", at), text.size());
    const auto word = words.find(text.substr(at, end - at));
    result += word != words.end() ? word->second : text.substr(at, std::max<std::size_t>(1, end - at));
    at = std::max(at + 1, end);
  }
  return result;
}

std::string module_text(const bench::Case& c, std::int64_t rows, std::int64_t columns) {
  std::string text = "nnc module 1\n\nbatch 1\n\n";
  for (const auto& [name, type] : slots)
    if (c.body.find(fmt::format("@{} ", name)) != std::string::npos)
      text += fmt::format("slot accumulator @{} : {}\n", name, type);
  text += "\ngraph @report() {" + c.body + "\n}\n";
  return replaced(text, words_of(rows, columns));
}

struct Compiled {
  std::unique_ptr<runtime::Executor> executor;
  std::int64_t bytes = 0;
  std::size_t instructions = 0;
  std::string schedule;
};

/// Floats from 0 to 2, integers below `end`.
void fill(ir::Tensor& value, std::int64_t end) {
  for (std::int64_t i = 0; i < value.elements(); ++i) {
    const std::int64_t number = i * 2654435761 >> 7;
    if (value.type().dtype == ir::DType::f32)
      reinterpret_cast<float*>(value.bytes().data())[i] = static_cast<float>(number % 1024) / 512.0F;
    else
      value.set_integer(i, number % end);
  }
}

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
    fill(value, value.type().dtype == ir::DType::i32 ? rows : std::min<std::int64_t>(columns, 256));
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
  volatile float sum = 0;  // so that it is computed
  struct Loop {
    bench::Memory memory;
    double arrays;  // read and written
    std::function<void()> run;
  };
  const Loop loops[] = {
      {bench::Memory::copies, 2,
       [&] { runtime::copy_memory(memory + bytes_of_one, memory, bytes_of_one, options.threads); }},
      {bench::Memory::copies, 3, [&] { bench::triad(a, a + n, a + 2 * n, n, options.threads); }},
      {bench::Memory::updates, 7, [&] { bench::update(a, a + n, a + 2 * n, a + 3 * n, n, options.threads); }},
      {bench::Memory::reads, 1, [&] { sum = bench::sum(a, n, options.threads); }},
  };

  fmt::print("matrices of {} KiB, {} threads\n{:26} {:>6} {:>8} {:>9} {:>7}  schedule\n", elements * 4 >> 10,
             options.threads, "", "GB/s", "ceiling", "% of it", "ms");
  for (const bench::Case& c : bench::cases()) {
    if (!is_wanted(c, options) || (c.is_square && options.rows < options.columns)) continue;
    const std::optional<Compiled> compiled = compile(c, options.rows, options.columns, machine);
    if (!compiled) return 1;
    const auto bytes = static_cast<double>(compiled->bytes);
    double best = 0, best_ceiling = 0;
    std::vector<double> ratios;
    const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
    do {
      double ceiling = 0, rate = 0;
      for (int turn = 0; turn < 2; ++turn) {
        for (const Loop& loop : loops)
          if (loop.memory == c.memory)
            ceiling = std::max(
                ceiling, loop.arrays * static_cast<double>(bytes_of_one) / seconds_of(options.threads, loop.run) / 1e9);
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
