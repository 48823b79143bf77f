// What loops hand on and yield, in the form in which lowering can place it.
//
// A carry has a buffer of rows that go round: at step t its old value is row t, its new one row t + 1, so that nothing is
// copied. There are two rows, or one more than steps where the values of all steps are yielded, old or new: then the
// stacked yields are rows of that buffer too.
#pragma once

#include "ir/graph.h"

#include <cstddef>
#include <vector>

namespace nnc::passes {

/// The yields of a scan that are the values of a carry, as numbers of results.
struct CarryHistory {
  std::vector<std::size_t> old_values, new_values;

  bool kept() const { return !old_values.empty() || !new_values.empty(); }
};
std::vector<CarryHistory> carry_histories(const ir::Op& scan);

/// Copies, in all loops of the block, where the first value of a carry is not made for it alone, or where an instruction
/// of the region does not make a result for it alone.
void settle_loops(ir::Block& block);

}  // namespace nnc::passes
