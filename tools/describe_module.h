// A module in figures, for people: what `nnc FILE.nn` and `nnc-train --dry-run` say.
//
//   parameters   535,818 elements in 6 slots, 2.04 MiB
//   train@128    212 ops, 411.2 MFLOP
#pragma once

#include "ir/module.h"
#include "ir/program_cost.h"

#include <string>

namespace nnc::tools {

std::string describe_module(const ir::Module& module);
/// What is planned, in all and by region.
std::string describe_memory(const ir::PlannedMemory& memory);

/// 535818 -> "535,818"
std::string grouped(std::int64_t number);

}  // namespace nnc::tools
