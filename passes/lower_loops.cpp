#include "passes/lower_loops.h"

#include "ir/ops/scan.h"
#include "passes/lower_results.h"
#include "passes/lower_values.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <set>

namespace nnc::passes {

using ir::Block;
using ir::Op;
using ir::ValueId;

namespace {

/// Whether one instruction makes the root, which may be placed then.
bool is_placeable(const LowerValues& values, ValueId root) {
  return values.is_computed(root) && !values.is_looped(root);
}

void settle_region(Block& region, std::size_t carries) {
  const Block given = region;
  const LowerValues values(given);
  std::set<ValueId> carried, yielded;
  for (std::size_t i = 0; i < given.results.size(); ++i) {
    const ValueId root = values.root(given.results[i]);
    const auto first = given.params().begin() + 1;
    const bool placed = i < carries
                            ? is_placeable(values, root) && carried.insert(root).second
                            : std::find(first, first + static_cast<std::ptrdiff_t>(carries), root) !=
                                      first + static_cast<std::ptrdiff_t>(carries) ||
                                  carried.contains(root) || (is_placeable(values, root) && yielded.insert(root).second);
    if (!placed) region.results[i] = append_copy(region, given.results[i], {});
  }
}

}  // namespace

std::vector<CarryHistory> carry_histories(const Op& scan) {
  const Block& region = scan.regions[0];
  const LowerValues values(region);
  std::vector<CarryHistory> histories(ir::carry_count(scan));
  for (std::size_t i = histories.size(); i < region.results.size(); ++i) {
    const ValueId root = values.root(region.results[i]);
    for (std::size_t carry = 0; carry < histories.size(); ++carry) {
      if (root == region.params()[carry + 1]) histories[carry].old_values.push_back(i);
      if (root == values.root(region.results[carry])) histories[carry].new_values.push_back(i);
    }
  }
  return histories;
}

void settle_loops(Block& block) {
  if (std::ranges::none_of(block.ops(), ir::is_scan)) return;
  for (Op& op : block.ops()) {
    if (!ir::is_scan(op)) continue;
    settle_loops(op.regions[0]);
    settle_region(op.regions[0], ir::carry_count(op));
  }
  const LowerValues values(block);
  Rebuild next(block);
  const auto is_result = [&](ValueId root) {
    return std::ranges::any_of(block.results, [&](ValueId result) { return values.root(result) == root; });
  };
  for (const Op& op : block.ops()) {
    Op copy = next.mapped(op);
    for (std::size_t i = 0; ir::is_scan(op) && i < ir::carry_count(op); ++i) {
      const ValueId root = values.root(op.operands[i]);
      const auto same = [&](ValueId operand) { return values.root(operand) == root; };
      if (is_placeable(values, root) && values.readers(root).size() == 1 && !is_result(root) &&
          std::ranges::count_if(op.operands, same) == 1)
        continue;
      copy.operands[i] = append_copy(next.block(), copy.operands[i], op.role);
    }
    const std::vector<ValueId> results = next.block().append(std::move(copy), result_types(block, op));
    for (std::size_t i = 0; i < results.size(); ++i) next.replace(op.results[i], results[i]);
  }
  block = next.finish();
}

}  // namespace nnc::passes
