#include "passes/simplify.h"

#include "ir/simplify.h"
#include "passes/dce.h"
#include "passes/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace nnc::passes {

using ir::Block;
using ir::Op;
using ir::ValueId;

namespace {

/// How often each value is used, the block's results included.
std::vector<int> use_counts(const Block& block) {
  std::vector<int> counts(static_cast<std::size_t>(block.value_count()));
  const auto count = [&](ValueId value) { ++counts[static_cast<std::size_t>(value.index)]; };
  for (const Op& op : block.ops()) std::for_each(op.operands.begin(), op.operands.end(), count);
  std::for_each(block.results.begin(), block.results.end(), count);
  return counts;
}

/// One round: each op, operands replaced, is rewritten at most once. Whether a rule applied.
bool rewrite_ops(Block& block, std::map<std::string, int>& counts) {
  Rebuild next(block);
  ir::Builder builder(next.block());
  bool changed = false;
  const std::vector<int> uses = use_counts(block);
  for (const Op& op : block.ops()) {
    const std::vector<ValueId> results = next.copy(op);
    if (results.size() != 1) continue;
    std::vector<bool> sole_uses;
    for (const ValueId operand : op.operands) sole_uses.push_back(uses[static_cast<std::size_t>(operand.index)] == 1);
    const std::optional<ir::Simplified> simpler =
        ir::simplify_once(builder, *next.block().definer(results[0]), sole_uses);
    if (!simpler) continue;
    next.replace(op.results[0], simpler->value);
    ++counts[simpler->rule];
    changed = true;
  }
  // Otherwise the new block differs only by what rules appended in vain.
  if (changed) block = next.finish();
  return changed;
}

}  // namespace

// 1. Drop dead ops: a rewritten op is dead, and would be rewritten again in every round.
// 2. Rewrite the ops in order, so that an op sees its operands simplified.
// 3. Repeat until no rule applies, and do the same to the regions.
bool simplify_block(Block& block, std::map<std::string, int>& counts, int max_rounds) {
  for (int round = 0;; ++round) {
    remove_dead_ops(block);
    if (round == max_rounds) return false;
    if (!rewrite_ops(block, counts)) break;
  }
  bool ended = true;
  for (Op& op : block.ops()) {
    for (Block& region : op.regions) ended &= simplify_block(region, counts, max_rounds);
  }
  return ended;
}

ir::Status simplify(ir::Module& module, PassContext& context) {
  std::map<std::string, int> counts;
  bool ended = true;
  for_each_body(module, [&](Block& body) { ended &= simplify_block(body, counts); });
  context.rule_counts.assign(counts.begin(), counts.end());
  if (ended) return ir::Status::ok;
  context.internal_error =
      fmt::format("the rewrite rules do not end in {} rounds; those that applied:", max_simplify_rounds);
  for (const auto& [rule, count] : counts) context.internal_error += fmt::format("\n  {:6} {}", count, rule);
  return ir::Status::failed;
}

}  // namespace nnc::passes
