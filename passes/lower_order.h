// The order in which instructions run, and which of them are one.
//
// Instructions keep the order of their ops, except those of the update. A large parameter is updated as soon as its
// gradient is there, which then is in the cache, and whose memory is free afterwards. All others come last: then those of
// one kernel are ready together, and one instruction does the work for all these parameters.
#pragma once

#include "passes/lower_results.h"

#include <cstdint>
#include <vector>

namespace nnc::passes {

struct Unordered {
  enum class When : std::uint8_t { soon, in_order, late };

  int op;      // its position among the ops
  int kernel;  // -1 for a contraction
  When when;
};

/// Instructions as indices into `given` (which is in the order of the ops), each with those of its kernel that are
/// independent of it and next to it. `orders` are between positions of ops.
std::vector<std::vector<int>> order_instructions(const std::vector<Unordered>& given, const std::vector<Order>& orders);

}  // namespace nnc::passes
