// What can leave a loop, read off its body; hoist.cpp takes it out.
//
//   ys, dw = scan ... {
//     h = matmul x_t, w              // early: its operands are there before the loop
//     dw' = dw + matmul(x_t, d_t)    // a sum: only x_t and d_t have to be there after the loop
//     yield matmul(y_t, v)           // late: nothing in the loop reads it
//   }
#pragma once

#include "ir/graph.h"

#include <cstddef>
#include <vector>

namespace nnc::passes {

/// A carry that only adds up something: its first value + moved(the sum over the steps of op).
struct CarriedSum {
  std::size_t carry;
  const ir::Op* op;
  std::vector<const ir::Op*> moved;  // the last one first
};

/// Ops and values are those of the loop's region.
struct HoistPlan {
  std::vector<const ir::Op*> early;
  std::vector<CarriedSum> sums;
  std::vector<const ir::Op*> late;

  std::vector<std::size_t> carries;  // that the loop keeps
  std::vector<ir::ValueId> yields;   // that the loop has then, each once
  std::vector<bool> same_each_step;  // by value

  bool is_same(ir::ValueId value) const { return same_each_step[static_cast<std::size_t>(value.index)]; }
  bool changes() const { return !early.empty() || !sums.empty() || !late.empty(); }
};

HoistPlan plan_hoist(const ir::Block& around, const ir::Op& scan);

}  // namespace nnc::passes
