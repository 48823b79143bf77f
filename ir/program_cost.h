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
};
ProgramCost cost_of(const Module& module, const Program& program);

/// The memory that a module needs while its programs run one after another, bytes: all slots, and of the other regions
/// the largest.
struct PlannedMemory {
  std::int64_t slots = 0, transient = 0, scratch = 0;

  std::int64_t total() const { return slots + transient + scratch; }
};
PlannedMemory planned_memory(const Module& module);

}  // namespace nnc::ir
