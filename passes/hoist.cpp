#include "passes/hoist.h"

#include "ir/ops/scan.h"
#include "ir/steps.h"
#include "passes/hoist_plan.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace nnc::passes {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::ValueId;

namespace {

using Rule = std::optional<Expr> (*)(const ir::StepsCtx&);

/// A loop being taken apart; values of its region on the one side, of the new block around it on the other.
class Loop {
 public:
  /// `operands` are the scan's in the block that `outside` appends to.
  Loop(ir::Builder& outside, const Block& around, const Op& scan, const std::vector<ValueId>& operands,
       const HoistPlan& plan)
      : outside_(outside),
        scan_(scan),
        region_(scan.regions[0]),
        parts_(ir::view(around, scan)),
        plan_(plan),
        operands_(operands),
        same_(region_) {
    for (std::size_t i = parts_.carries; i < operands.size(); ++i) {
      if (i < parts_.carries + parts_.scanned)
        rows_[param(i)] = outside_.expr(operands[i]);
      else
        same_.set(param(i), operands[i]);
    }
  }

  /// Appends what is done before the loop, the loop that is left, and what comes after it; gives what stands for the
  /// scan's results.
  std::vector<ValueId> finish() {
    std::vector<ValueId> results(scan_.results.size());
    for (const Op* op : plan_.early) rows_[op->results[0]] = apply(op->def->all_steps, *op);
    append_loop(results);
    for (const Op* op : plan_.late) rows_[op->results[0]] = apply(op->def->all_steps, *op);
    for (const CarriedSum& sum : plan_.sums) results[sum.carry] = total(sum).value;
    for (std::size_t i = parts_.carries; i < results.size(); ++i) results[i] = rows_.at(region_.results[i]).value;
    return results;
  }

 private:
  ValueId param(std::size_t operand) const { return region_.params()[operand + 1]; }

  /// The value around the loop of what no step changes; ops that it takes are appended there.
  Expr same(ValueId value) {
    if (!same_.has(value)) {
      const Op& op = *region_.definer(value);
      std::ranges::for_each(op.operands, [&](ValueId v) { same(v); });
      same_.copy(outside_.block(), op);
    }
    return outside_.expr(same_[value]);
  }

  /// What the rule makes of all steps.
  Expr apply(Rule rule, const Op& op) {
    ir::StepsCtx ctx{outside_, ir::view(region_, op), parts_.length, {}, {}};
    for (const ValueId v : op.operands) {
      const auto row = rows_.find(v);
      ctx.stacked.push_back(row != rows_.end());
      ctx.operands.push_back(ctx.stacked.back() ? row->second : same(v));
    }
    outside_.location = op.location;
    outside_.role = op.role;
    return *rule(ctx);
  }

  Expr total(const CarriedSum& sum) {
    Expr value = apply(sum.op->def->sum_of_steps, *sum.op);
    for (auto op = sum.moved.rbegin(); op != sum.moved.rend(); ++op) {
      Op copy = **op;
      copy.operands = {value.value};
      copy.results.clear();
      value = outside_.expr(outside_.block().append(std::move(copy), result_types(region_, **op))[0]);
    }
    return outside_.expr(operands_[sum.carry]) + value;
  }

  /// The ops of the region that the new loop needs, and the parameters that they and its results read.
  std::set<ValueId> needed(const std::vector<ValueId>& results) const {
    std::set<ValueId> needed(results.begin(), results.end());
    for (auto op = region_.ops().rbegin(); op != region_.ops().rend(); ++op) {
      const auto is_needed = [&](ValueId v) { return needed.contains(v) && !rows_.contains(v); };
      if (std::ranges::any_of(op->results, is_needed)) needed.insert(op->operands.begin(), op->operands.end());
    }
    return needed;
  }

  /// Appends the new scan; what it yields are rows from then on.
  void append_loop(std::vector<ValueId>& last) {
    std::vector<ValueId> results;
    for (const std::size_t carry : plan_.carries) results.push_back(region_.results[carry]);
    results.insert(results.end(), plan_.yields.begin(), plan_.yields.end());
    if (results.empty()) return;

    const std::set<ValueId> needed = this->needed(results);
    Block region;
    ir::ValueMap map(region_);
    std::vector<Expr> operands;
    const auto take = [&](ValueId value, Expr operand) {
      map.add_param(region, value);
      operands.push_back(operand);
    };
    map.add_param(region, region_.params()[0]);
    for (const std::size_t carry : plan_.carries) take(param(carry), outside_.expr(operands_[carry]));
    for (const auto& [value, operand] : rows_)
      if (needed.contains(value)) take(value, operand);
    const std::size_t scanned = operands.size() - plan_.carries.size();
    for (std::size_t i = parts_.carries + parts_.scanned; i < operands_.size(); ++i)
      if (needed.contains(param(i))) take(param(i), outside_.expr(operands_[i]));
    for (const Op& op : region_.ops()) {
      const auto missing = [&](ValueId v) { return needed.contains(v) && !map.has(v); };
      if (std::ranges::any_of(op.results, missing)) map.copy(region, op);
    }
    for (const ValueId v : results) region.results.push_back(map[v]);

    outside_.location = scan_.location;
    outside_.role = scan_.role;
    const std::vector<Expr> made = ir::build_scan(
        outside_, {plan_.carries.size(), scanned, parts_.length, parts_.reverse}, operands, std::move(region));
    std::size_t next = 0;
    for (const std::size_t carry : plan_.carries) last[carry] = made[next++].value;
    for (const ValueId v : plan_.yields) rows_[v] = made[next++];
  }

  ir::Builder& outside_;
  const Op& scan_;
  const Block& region_;
  ir::ScanParts parts_;
  const HoistPlan& plan_;
  const std::vector<ValueId>& operands_;
  std::map<ValueId, Expr> rows_;  // stacked values that are there by now
  ir::ValueMap same_;             // what no step changes, as far as it is around the loop
};

// 1. Loops within come first: what leaves them may leave this one too.
// 2. Of each loop, take out what is ready before it, then sums, then what only its results need.
// 3. Where nothing can leave, the loop stays as it is.
void hoist_block(Block& block) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) hoist_block(region);
  if (std::ranges::none_of(block.ops(), ir::is_scan)) return;
  Rebuild next(block);
  ir::Builder builder(next.block());
  for (const Op& op : block.ops()) {
    const HoistPlan plan = ir::is_scan(op) ? plan_hoist(block, op) : HoistPlan{};
    if (!plan.changes()) {
      next.copy(op);
      continue;
    }
    const std::vector<ValueId> operands = next.mapped(op).operands;
    const std::vector<ValueId> results = Loop(builder, block, op, operands, plan).finish();
    for (std::size_t i = 0; i < results.size(); ++i) next.replace(op.results[i], results[i]);
  }
  block = next.finish();
}

}  // namespace

ir::Status hoist(ir::Module& module, PassContext&) {
  for_each_body(module, hoist_block);
  return ir::Status::ok;
}

}  // namespace nnc::passes
