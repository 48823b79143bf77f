// The results of a graph in the form in which lowering can place them: each slot's new value is made by one instruction
// for the slot alone, which may write it where the old value is, and each named result lies in memory of its own.
//
//   return @a = %b.old, @w = %1, loss = %1     ->     %2 = fused %b.old ... update @a      (copies)
//                                                     %3 = fused %1 ... update @w
//                                                     return @a = %2, @w = %3, loss = %1
#pragma once

#include "passes/lower_values.h"

#include <utility>
#include <vector>

namespace nnc::passes {

/// The instruction first has to run before the instruction second; positions among the ops.
using Order = std::pair<int, int>;

/// What has to come before what in any block: makers before readers.
std::vector<Order> data_orders(const ir::Block& block, const LowerValues& values);
/// In a graph also all other readers of a slot before its overwriter.
std::vector<Order> orders(const ir::Graph& graph, const LowerValues& values);

/// Appends a fused op that yields its operand.
ir::ValueId append_copy(ir::Block& block, ir::ValueId from, const ir::Role& role);

/// Appends the copies. Fused ops have schedules already; those of the copies are left to be chosen.
void settle_results(ir::Graph& graph);

}  // namespace nnc::passes
