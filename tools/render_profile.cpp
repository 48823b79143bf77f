#include "tools/render_profile.h"

#include "ir/fused.h"
#include "ir/op.h"
#include "ir/program_cost.h"
#include "tools/source_lines.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>
#include <vector>

namespace nnc::tools {

namespace {

using ir::Instruction;
using ir::Program;
using runtime::ProgramProfile;

constexpr std::size_t most_rows = 30;
constexpr std::size_t most_ops_named = 6;

const Program* find_program(const ir::Module& module, const std::string& name) {
  const auto found = std::ranges::find(module.programs, name, &Program::full_name);
  return found == module.programs.end() ? nullptr : &*found;
}

/// `@k15 max exp sum log ...`, or `matmul f32[128,784] f32[512,784]`.
std::string describe(const ir::Module& module, const Program& program, const Instruction& instruction) {
  if (instruction.kernel < 0) {
    std::string text{*instruction.def->name};
    for (const ir::Type& type : ir::view(program, instruction).operands) text += " " + ir::to_string(type);
    return text;
  }
  const ir::Kernel& kernel = module.kernels[static_cast<std::size_t>(instruction.kernel)];
  std::vector<std::string_view> ops;
  for (const ir::Op& op : kernel.op.regions[0].ops())
    if (!op.operands.empty()) ops.push_back(*op.def->name);
  std::string text = fmt::format("@{} {}", kernel.name, named(ops, most_ops_named));
  if (instruction.sets.size() > 1) text += fmt::format(", {} sets", instruction.sets.size());
  return text;
}

std::string place(const ir::Location& location) {
  if (location.empty()) return "";
  const ir::SourcePoint point = user_point(location.chains().front());
  return fmt::format("{}:{}:{}", point.file, point.line, point.column);
}

/// What times of a run are told in: microseconds, where its milliseconds would have few digits.
struct Unit {
  std::string_view name = "ms";
  double a_second = 1e3;
};
Unit unit_of(const ProgramProfile& profile) {
  return profile.seconds < 1e-3 * static_cast<double>(profile.runs) ? Unit{"us", 1e6} : Unit{};
}

std::string share(double part, double whole) { return fmt::format("{:.1f}%", whole > 0 ? 100 * part / whole : 0); }

/// Instructions that look the same: those of layers that are repeated.
struct Row {
  double seconds = 0, bytes = 0, flops = 0, times = 0;
};

std::string instruction_table(const ir::Module& module, const Program& program, const ProgramProfile& profile,
                              const runtime::Ceilings& ceilings) {
  std::map<std::pair<std::string, std::string>, Row> rows;  // by description and place
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const Instruction& instruction = program.instructions[i];
    const ir::InstructionCost cost = ir::cost_of(module, program, instruction);
    const auto times = static_cast<double>(profile.times_of[i]);
    Row& row = rows[{describe(module, program, instruction), place(instruction.location)}];
    row.seconds += profile.seconds_of[i];
    row.bytes += times * static_cast<double>(cost.bytes);
    row.flops += times * static_cast<double>(cost.flops);
    row.times += times;
  }
  std::vector<std::pair<std::pair<std::string, std::string>, Row>> order(rows.begin(), rows.end());
  std::ranges::stable_sort(order, std::greater{}, [](const auto& entry) { return entry.second.seconds; });

  const auto runs = static_cast<double>(profile.runs);
  const Unit unit = unit_of(profile);
  std::string text = fmt::format("{:>9} {:>6} {:>6} {:>7} {:>8} {:>8}  {:48} line\n", unit.name, "share", "times",
                                 "GB/s", "GFLOP/s", "of best", "instruction");
  double rest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [what, row] = order[i];
    if (i >= most_rows) {
      rest += row.seconds;
      continue;
    }
    const double best = std::max(row.bytes / ceilings.bytes_per_second, row.flops / ceilings.flops_per_second);
    const double seconds = std::max(row.seconds, 1e-12);
    text += fmt::format("{:>9.3f} {:>6} {:>6.0f} {:>7.1f} {:>8.1f} {:>7.0f}%  {:48} {}\n",
                        row.seconds / runs * unit.a_second, share(row.seconds, profile.seconds), row.times / runs,
                        row.bytes / seconds / 1e9, row.flops / seconds / 1e9, 100 * best / seconds, what.first,
                        what.second);
  }
  if (order.size() > most_rows)
    text += fmt::format("{:>9.3f} {:>6} in {} more\n", rest / runs * unit.a_second, share(rest, profile.seconds),
                        order.size() - most_rows);
  return text;
}

/// Seconds of a line of the user's, by part of the step.
using LineTimes = std::array<double, part_names.size()>;

std::string line_table(const Program& program, const ProgramProfile& profile, const TextFile& source) {
  std::map<Line, LineTimes> lines;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const Instruction& instruction = program.instructions[i];
    std::set<Line> own = lines_of(instruction.location);
    if (own.empty()) own.emplace("", 0);
    for (const Line& line : own)
      lines[line][part_of(instruction.role.kind)] += profile.seconds_of[i] / static_cast<double>(own.size());
  }
  const auto total = [](const LineTimes& times) { return times[0] + times[1] + times[2]; };
  std::vector<std::pair<Line, LineTimes>> order(lines.begin(), lines.end());
  std::ranges::stable_sort(order, std::greater{}, [&](const auto& entry) { return total(entry.second); });

  const Unit unit = unit_of(profile);
  const auto of_run = [&](double seconds) {
    return seconds > 0 ? fmt::format("{:.3f}", seconds / static_cast<double>(profile.runs) * unit.a_second) : "-";
  };
  std::string text =
      fmt::format("{:>9} {:>6} {:>9} {:>9} {:>9}  line\n", unit.name, "share", "forward", "backward", "update");
  for (const auto& [at, times] : order) {
    text += fmt::format("{:>9} {:>6} {:>9} {:>9} {:>9}  ", of_run(total(times)), share(total(times), profile.seconds),
                        of_run(times[0]), of_run(times[1]), of_run(times[2]));
    text += at.first.empty() ? "(no line)" : fmt::format("{}:{}", at.first, at.second);
    if (at.first == source.name) text += ": " + line_of(source.text, at.second);
    text += '\n';
  }
  return text;
}

std::string runs_of(const std::string& name, const ProgramProfile& profile) {
  const Unit unit = unit_of(profile);
  return fmt::format("{}: {} run{}, {:.3f} {} each", name, profile.runs, profile.runs == 1 ? "" : "s",
                     profile.seconds / static_cast<double>(profile.runs) * unit.a_second, unit.name);
}

}  // namespace

std::string profile_tables(const ir::Module& module, const runtime::Profile& profile, const runtime::Ceilings& ceilings,
                           const TextFile& source) {
  std::vector<std::pair<std::string, const ProgramProfile*>> order;
  for (const auto& [name, of_program] : profile)
    if (of_program.runs > 0) order.emplace_back(name, &of_program);
  std::ranges::stable_sort(order, std::greater{}, [&](const auto& entry) {
    return std::pair(find_program(module, entry.first)->name == ir::train_graph, entry.second->runs);
  });
  std::string text;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [name, of_program] = order[i];
    text += runs_of(name, *of_program);
    if (i > 0) {
      text += '\n';
      continue;
    }
    text += fmt::format("; at best {:.1f} GB/s, {:.1f} GFLOP/s\n", ceilings.bytes_per_second / 1e9,
                        ceilings.flops_per_second / 1e9);
    const Program& program = *find_program(module, name);
    text += instruction_table(module, program, *of_program, ceilings) + '\n';
    text += line_table(program, *of_program, source) + '\n';
  }
  return text;
}

std::string profile_trace(const ir::Module& module, const runtime::Profile& profile) {
  using Json = nlohmann::ordered_json;
  Json events = Json::array();
  int track = 0;
  for (const auto& [name, of_program] : profile) {
    if (of_program.runs == 0) continue;
    const Program& program = *find_program(module, name);
    events.push_back({{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", ++track}, {"args", {{"name", name}}}});
    for (const ProgramProfile::Event& event : of_program.last) {
      const Instruction& instruction = program.instructions[event.instruction];
      const ir::InstructionCost cost = ir::cost_of(module, program, instruction);
      events.push_back({{"name", describe(module, program, instruction)},
                        {"cat", part_names[part_of(instruction.role.kind)]},
                        {"ph", "X"},
                        {"ts", event.begin * 1e6},
                        {"dur", event.seconds * 1e6},
                        {"pid", 1},
                        {"tid", track},
                        {"args",
                         {{"line", place(instruction.location)},
                          {"bytes", cost.bytes},
                          {"flops", cost.flops},
                          {"threads", instruction.threads}}}});
    }
  }
  const Json trace{{"displayTimeUnit", "ms"}, {"traceEvents", events}};
  return trace.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace nnc::tools
