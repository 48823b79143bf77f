#include "tools/describe_module.h"

#include "ir/op.h"
#include "ir/program_cost.h"
#include "ir/text.h"
#include "tools/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace nnc::tools {
namespace {

struct Total {
  std::int64_t slots = 0, elements = 0, bytes = 0;
};

std::string scaled(double value, double base, const std::array<std::string_view, 5>& units) {
  std::size_t unit = 0;
  while (value >= base && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} {}", value, units[0]) : fmt::format("{:.2f} {}", value, units[unit]);
}

std::string bytes_text(std::int64_t bytes) {
  return scaled(static_cast<double>(bytes), 1024, {"bytes", "KiB", "MiB", "GiB", "TiB"});
}

std::string flops_text(std::int64_t flops) {
  return scaled(static_cast<double>(flops), 1000, {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"});
}

std::string counted(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(count), noun, count == 1 ? "" : "s");
}

void add_row(std::string& text, std::string_view label, std::string_view value) {
  text += fmt::format("{:<14} {}\n", label, value);
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string describe_memory(const ir::PlannedMemory& memory) {
  return fmt::format("{}: slots {}, transient {}, scratch {}", bytes_text(memory.total()), bytes_text(memory.slots),
                     bytes_text(memory.transient), bytes_text(memory.scratch));
}

std::string describe_module(const ir::Module& module) {
  std::string text;
  const ir::Recipe& recipe = module.recipe;
  for (const ir::DataField& field : recipe.data) {
    add_row(text, "data", fmt::format("{}: {}", field.name, ir::to_string(field.type)));
  }
  std::string training = fmt::format("batch {}", recipe.batch);
  if (recipe.epochs) training += ", " + counted(*recipe.epochs, "epoch");
  if (recipe.steps) training += ", " + counted(*recipe.steps, "step");
  if (recipe.stop) {
    training += fmt::format(", stop after {} without an improvement of {}", counted(recipe.stop->patience, "epoch"),
                            ir::float_text(recipe.stop->min_delta));
  }
  add_row(text, "training", training);

  std::map<ir::SlotKind, Total> totals;
  for (const ir::Slot& slot : module.slots) {
    Total& total = totals[slot.kind];
    ++total.slots;
    total.elements += slot.type.elements();
    total.bytes += slot.type.bytes();
  }
  for (const auto& [kind, total] : totals) {
    add_row(text, ir::name(kind),
            fmt::format("{} in {}, {}", counted(total.elements, "element"), counted(total.slots, "slot"),
                        bytes_text(total.bytes)));
  }
  for (const ir::Graph& graph : module.graphs) {
    add_row(text, graph.full_name(),
            fmt::format("{}, {}", counted(static_cast<std::int64_t>(graph.body.ops().size()), "op"),
                        flops_text(flops_of(graph))));
  }
  for (const ir::Program& program : module.programs) {
    const ir::ProgramCost cost = ir::cost_of(module, program);
    add_row(text, program.full_name(),
            fmt::format("{}, {} moved, {}", counted(cost.instructions, "instruction"), bytes_text(cost.bytes),
                        flops_text(cost.flops)));
  }
  if (!module.programs.empty()) add_row(text, "memory", describe_memory(ir::planned_memory(module)));
  return text;
}

}  // namespace nnc::tools
