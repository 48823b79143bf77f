#include "passes/dce.h"

#include "passes/rebuild.h"

#include <algorithm>
#include <vector>

namespace nnc::passes {

using ir::Block;
using ir::Op;
using ir::ValueId;

// 1. Walk the ops backwards from the results of the block and mark what they need.
//    Ops before `first` are all needed.
// 2. Copy the ops of which at least one result is marked, and do the same to their regions.
bool remove_dead_ops(Block& block, std::size_t first) {
  std::vector<bool> needed(static_cast<std::size_t>(block.value_count()));
  const auto mark = [&](ValueId value) { needed[static_cast<std::size_t>(value.index)] = true; };
  const auto is_live = [&](const Op& op) {
    if (&op < block.ops().data() + first) return true;
    return std::any_of(op.results.begin(), op.results.end(),
                       [&](ValueId value) { return needed[static_cast<std::size_t>(value.index)]; });
  };
  std::for_each(block.results.begin(), block.results.end(), mark);
  bool changed = false;
  for (auto op = block.ops().rbegin(); op != block.ops().rend(); ++op) {
    if (is_live(*op)) {
      std::for_each(op->operands.begin(), op->operands.end(), mark);
      for (Block& region : op->regions) changed |= remove_dead_ops(region);
    }
  }
  if (std::all_of(block.ops().begin(), block.ops().end(), is_live)) return changed;

  Rebuild next(block);
  for (const Op& op : block.ops()) {
    if (is_live(op)) next.copy(op);
  }
  block = next.finish();
  return true;
}

ir::Status dce(ir::Module& module, PassContext&) {
  for_each_body(module, [](Block& body) { remove_dead_ops(body); });
  return ir::Status::ok;
}

}  // namespace nnc::passes
