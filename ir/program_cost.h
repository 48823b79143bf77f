// What a program does and needs, in numbers known before it runs.
#pragma once

#include "ir/module.h"

#include <cstdint>

namespace nnc::ir {

struct InstructionCost {
  std::int64_t bytes = 0;  // moved: what it reads and what it writes, each buffer once
  std::int64_t flops = 0;
};
InstructionCost cost_of(const Module& module, const Program& program, const Instruction& instruction);

struct ProgramCost {
  std::int64_t instructions = 0;
  std::int64_t bytes = 0, flops = 0;  // of all instructions
  // Planned memory, by region. The slots are the same for every program of the module.
  std::int64_t slots = 0, transient = 0, scratch = 0;

  std::int64_t planned_bytes() const { return slots + transient + scratch; }
};
ProgramCost cost_of(const Module& module, const Program& program);

/// The memory that a module needs while its programs run one after another: all slots, and of the other regions the
/// largest.
std::int64_t planned_bytes(const Module& module);

}  // namespace nnc::ir
