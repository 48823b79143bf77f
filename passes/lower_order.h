// The order in which instructions run, and which of them are one.
//
// Instructions keep the order of their ops, except that those of the update come last: then those of one kernel are ready
// together, and one instruction does the work for all parameters.
#pragma once

#include "passes/lower_results.h"

#include <vector>

namespace nnc::passes {

struct Unordered {
  int op;      // its position among the ops
  int kernel;  // -1 for a contraction
  bool late;   // of the update
};

/// Instructions as indices into `given` (which is in the order of the ops), each with those of its kernel that are
/// independent of it and next to it. `orders` are between positions of ops.
std::vector<std::vector<int>> order_instructions(const std::vector<Unordered>& given, const std::vector<Order>& orders);

}  // namespace nnc::passes
