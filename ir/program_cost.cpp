#include "ir/program_cost.h"

#include "ir/fused.h"
#include "ir/op.h"
#include "ir/program_memory.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace nnc::ir {
namespace {

std::int64_t bytes_of(const Program& program, int buffer) {
  return program.buffers[static_cast<std::size_t>(buffer)].type.bytes();
}

std::int64_t bytes_of(const Program& program, const std::set<int>& buffers) {
  std::int64_t bytes = 0;
  for (const int buffer : buffers) bytes += bytes_of(program, buffer);
  return bytes;
}

/// What a kernel reads by index: an element a position, and no more than there are.
std::int64_t gathered_bytes(const Module& module, const Program& program, const Instruction& instruction,
                            const ArgumentSet& set, std::size_t read) {
  const std::int64_t all = bytes_of(program, whole_of(program, set.reads[read]));
  if (instruction.kernel < 0) return all;
  const FusedView fused(module.kernels[static_cast<std::size_t>(instruction.kernel)].op);
  if (fused.reads[read].index < 0) return all;
  return std::min(all, fused.body.type(fused.body.params()[read]).bytes());
}

/// Work at each position is the same, so it grows with the extent of the outermost dimension.
std::int64_t kernel_flops(const Op& kernel, const Instruction& instruction) {
  const std::int64_t own = flops({kernel.def, {}, kernel.attrs, kernel.regions, {}});
  const std::int64_t extent = outer_extent(kernel);
  std::int64_t total = 0;
  for (const ArgumentSet& set : instruction.sets)
    total += set.extent == extent ? own : static_cast<std::int64_t>(static_cast<double>(own) * set.extent / extent);
  return total;
}

/// What a routine moves whose result lies over an operand; nothing if none does.
std::optional<std::int64_t> bytes_in_place(const Program& program, const Instruction& instruction) {
  const auto* routine = instruction.kernel < 0 ? instruction.def->as<Routine>() : nullptr;
  if (routine == nullptr || !routine->over) return {};
  const ArgumentSet& set = instruction.sets.front();
  const Place from = place_of(program, set.reads[routine->over->operand]), to = place_of(program, set.writes[0]);
  if (!from.overlaps(to)) return {};
  return routine->over->bytes(view(program, instruction));
}

}  // namespace

InstructionCost cost_of(const Module& module, const Program& program, const Instruction& instruction) {
  std::map<int, std::int64_t> reads;
  std::set<int> writes;
  for (const ArgumentSet& set : instruction.sets) {
    for (std::size_t i = 0; i < set.reads.size(); ++i) {
      std::int64_t& bytes = reads[whole_of(program, set.reads[i])];
      bytes = std::max(bytes, gathered_bytes(module, program, instruction, set, i));
    }
    for (const int write : set.writes) writes.insert(whole_of(program, write));
  }
  InstructionCost cost{.bytes = bytes_of(program, writes)};
  for (const auto& [buffer, bytes] : reads) cost.bytes += bytes;
  cost.bytes = bytes_in_place(program, instruction).value_or(cost.bytes);
  if (instruction.kernel >= 0) {
    cost.flops = kernel_flops(module.kernels[static_cast<std::size_t>(instruction.kernel)].op, instruction);
  } else {
    cost.flops = flops(view(program, instruction));
  }
  return cost;
}

ProgramCost cost_of(const Module& module, const Program& program) {
  ProgramCost total{.instructions = static_cast<std::int64_t>(program.instructions.size())};
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const InstructionCost cost = cost_of(module, program, program.instructions[i]);
    std::int64_t times = 1;
    for (const Loop& loop : program.loops)
      if (static_cast<int>(i) >= loop.first && static_cast<int>(i) < loop.end) times *= loop.length;
    total.bytes += times * cost.bytes;
    total.flops += times * cost.flops;
  }
  return total;
}

PlannedMemory planned_memory(const Module& module) {
  PlannedMemory memory{.slots = slot_offsets(module).back()};
  for (const Program& program : module.programs) {
    memory.transient = std::max(memory.transient, program.transient_bytes);
    memory.scratch = std::max(memory.scratch, program.scratch_bytes);
  }
  return memory;
}

}  // namespace nnc::ir
