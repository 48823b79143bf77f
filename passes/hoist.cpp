#include "passes/hoist.h"

#include "ir/ops/scan.h"
#include "ir/steps.h"
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
using ir::Type;
using ir::ValueId;

namespace {

using Rule = std::optional<Expr> (*)(const ir::StepsCtx&);

Type stacked(Type type, std::int64_t steps) {
  type.shape.insert(type.shape.begin(), steps);
  return type;
}

/// A loop taken apart; values of its region on the one side, of the new block around it on the other.
class Loop {
 public:
  /// `operands` are the scan's in the block that `outside` appends to.
  Loop(ir::Builder& outside, const Block& around, const Op& scan, const std::vector<ValueId>& operands)
      : outside_(outside), scan_(scan), region_(scan.regions[0]), parts_(ir::view(around, scan)) {
    const auto param = [&](std::size_t i) { return region_.params()[i + 1]; };
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (i < parts_.carries)
        carries_.push_back({param(i), operands[i], i});
      else if (i < parts_.carries + parts_.scanned)
        rows_[param(i)] = outside_.expr(operands[i]);
      else
        constants_[param(i)] = outside_.expr(operands[i]);
    }
    for (std::size_t i = parts_.carries; i < region_.results.size(); ++i) yields_.push_back(region_.results[i]);
    for (const auto& [value, outer] : constants_) same_each_step_.insert(value);
    for (const Op& op : region_.ops())
      if (op.results.size() == 1 && op.regions.empty() &&
          std::ranges::all_of(op.operands, [&](ValueId v) { return same_each_step_.contains(v); }))
        same_each_step_.insert(op.results[0]);
    for (const Op& op : region_.ops()) std::ranges::for_each(op.operands, [&](ValueId v) { ++uses_[v]; });
    std::ranges::for_each(region_.results, [&](ValueId v) { ++uses_[v]; });
  }

  bool changed() const { return changed_; }

  /// Ops whose operands are there before the loop.
  void hoist_early() {
    for (const Op& op : region_.ops()) {
      if (op.def->all_steps == nullptr || op.results.size() != 1) continue;
      const bool ready =
          std::ranges::all_of(op.operands, [&](ValueId v) { return rows_.contains(v) || is_constant(v); });
      if (!ready) continue;
      if (const auto made = apply(op.def->all_steps, op, rows_)) {
        rows_[op.results[0]] = *made;
        changed_ = true;
      }
    }
  }

  /// Carries that only add up something: what is added is yielded, or what it is computed from.
  void find_sums() {
    for (auto carry = carries_.begin(); carry != carries_.end();) {
      std::optional<Sum> sum = sum_of(*carry);
      if (!sum) {
        ++carry;
        continue;
      }
      for (const ValueId v : varying_operands(*sum->op)) yield(v);
      sums_.push_back(std::move(*sum));
      carry = carries_.erase(carry);
      changed_ = true;
    }
  }

  /// Ops of which nothing but rows of results is made.
  void find_late() {
    for (const Op& op : region_.ops()) {
      if (op.def->all_steps == nullptr || op.results.size() != 1 || rows_.contains(op.results[0])) continue;
      const auto times = std::ranges::count(yields_, op.results[0]);
      if (times == 0 || times != uses_[op.results[0]] || !is_possible(op.def->all_steps, op)) continue;
      late_.push_back(&op);
      for (const ValueId v : varying_operands(op)) yield(v);
      changed_ = true;
    }
  }

  /// Appends the loop that is left, and what comes after it; gives what stands for the scan's results.
  std::vector<ValueId> finish() {
    std::map<ValueId, Expr> after = append_loop();
    for (const Op* op : late_) after[op->results[0]] = *apply(op->def->all_steps, *op, after);
    std::vector<ValueId> results(scan_.results.size());
    for (const Carry& carry : carries_) results[carry.result] = carry.last;
    for (const Sum& sum : sums_) results[sum.carry.result] = total(sum, after).value;
    for (std::size_t i = parts_.carries; i < results.size(); ++i) results[i] = after.at(region_.results[i]).value;
    return results;
  }

 private:
  struct Carry {
    ValueId param;  // in the region
    ValueId first;  // around the loop
    std::size_t result;
    ValueId last = {};  // around the loop, once that is appended
  };
  /// first + moved(sum over the steps of op)
  struct Sum {
    Carry carry;
    const Op* op;
    std::vector<const Op*> moved;  // the last one first
  };

  const Op* definer(ValueId value) const { return region_.definer(value); }

  /// The value around the loop of what no step changes; ops that it takes are appended there.
  Expr constant(ValueId value) {
    if (const auto known = constants_.find(value); known != constants_.end()) return known->second;
    Op copy = *definer(value);
    copy.results.clear();
    for (ValueId& operand : copy.operands) operand = constant(operand).value;
    const Expr made = outside_.expr(outside_.block().append(std::move(copy), {region_.type(value)})[0]);
    constants_.emplace(value, made);
    return made;
  }

  bool is_constant(ValueId value) const { return same_each_step_.contains(value); }

  std::vector<ValueId> varying_operands(const Op& op) const {
    std::vector<ValueId> varying;
    for (const ValueId v : op.operands)
      if (!is_constant(v)) varying.push_back(v);
    return varying;
  }

  void yield(ValueId value) {
    if (!rows_.contains(value) && std::ranges::find(yields_, value) == yields_.end()) yields_.push_back(value);
  }

  /// What the rule makes of all steps, given the stacked values.
  std::optional<Expr> apply(Rule rule, const Op& op, const std::map<ValueId, Expr>& rows) {
    ir::StepsCtx ctx{outside_, ir::view(region_, op), parts_.length, {}, {}};
    for (const ValueId v : op.operands) {
      const auto row = rows.find(v);
      ctx.stacked.push_back(row != rows.end());
      ctx.operands.push_back(ctx.stacked.back() ? row->second : constant(v));
    }
    outside_.location = op.location;
    outside_.role = op.role;
    return rule(ctx);
  }

  /// Whether the rule applies, tried where nothing is lost.
  bool is_possible(Rule rule, const Op& op) const {
    Block scratch;
    ir::Builder builder(scratch);
    ir::StepsCtx ctx{builder, ir::view(region_, op), parts_.length, {}, {}};
    for (const ValueId v : op.operands) {
      ctx.stacked.push_back(!is_constant(v));
      const Type& type = region_.type(v);
      ctx.operands.push_back(builder.expr(scratch.add_param(ctx.stacked.back() ? stacked(type, parts_.length) : type)));
    }
    return rule(ctx).has_value();
  }

  std::optional<Sum> sum_of(const Carry& carry) const {
    const ValueId result = region_.results[carry.result];
    const Op* add = definer(result);
    const auto used_once = [&](ValueId v) { return uses_.contains(v) && uses_.at(v) == 1; };
    if (add == nullptr || add->def->sum_signs != std::vector{1, 1} || !used_once(result)) return std::nullopt;
    const bool first = add->operands[0] == carry.param;
    if (!first && add->operands[1] != carry.param) return std::nullopt;
    ValueId added = add->operands[first ? 1 : 0];
    if (!used_once(carry.param) || region_.type(added).shape != region_.type(result).shape) return std::nullopt;
    Sum sum{carry, definer(added), {}};
    const auto moves_all = [&](const Op& op) {
      return op.def->as<ir::Movement>() != nullptr && op.operands.size() == 1 &&
             region_.type(op.operands[0]).elements() == region_.type(op.results[0]).elements();
    };
    while (sum.op != nullptr && used_once(added) && moves_all(*sum.op)) {
      sum.moved.push_back(sum.op);
      added = sum.op->operands[0];
      sum.op = definer(added);
    }
    if (sum.op == nullptr || !used_once(added) || sum.op->def->sum_of_steps == nullptr) return std::nullopt;
    if (!is_possible(sum.op->def->sum_of_steps, *sum.op) || !is_worth_it(*sum.op)) return std::nullopt;
    return sum;
  }

  /// A carried sum is read and written in every step: what is kept instead should be no more than that.
  bool is_worth_it(const Op& op) const {
    std::int64_t kept = 0;
    for (const ValueId v : varying_operands(op))
      if (!rows_.contains(v) && std::ranges::find(yields_, v) == yields_.end()) kept += region_.type(v).bytes();
    return kept <= 2 * region_.type(op.results[0]).bytes();
  }

  Expr total(const Sum& sum, const std::map<ValueId, Expr>& after) {
    Expr value = *apply(sum.op->def->sum_of_steps, *sum.op, after);
    for (auto op = sum.moved.rbegin(); op != sum.moved.rend(); ++op) {
      Op copy = **op;
      copy.operands = {value.value};
      copy.results.clear();
      value = outside_.expr(outside_.block().append(std::move(copy), {region_.type((*op)->results[0])})[0]);
    }
    return outside_.expr(sum.carry.first) + value;
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

  /// Appends the new scan; gives the stacked values by those of the region.
  std::map<ValueId, Expr> append_loop() {
    std::vector<ValueId> results, yields;
    for (const Carry& carry : carries_) results.push_back(region_.results[carry.result]);
    const auto is_late = [&](ValueId v) {
      return std::ranges::any_of(late_, [&](const Op* op) { return op->results[0] == v; });
    };
    for (const ValueId v : yields_)
      if (!is_late(v) && !rows_.contains(v) && std::ranges::find(yields, v) == yields.end()) yields.push_back(v);
    results.insert(results.end(), yields.begin(), yields.end());

    std::map<ValueId, Expr> after = rows_;
    if (results.empty()) return after;
    const std::set<ValueId> needed = this->needed(results);
    Block region;
    ir::ValueMap map(region_);
    std::vector<Expr> operands;
    const auto take = [&](ValueId value, Expr operand) {
      map.add_param(region, value);
      operands.push_back(operand);
    };
    map.add_param(region, region_.params()[0]);
    for (const Carry& carry : carries_) take(carry.param, outside_.expr(carry.first));
    for (const auto& [value, operand] : rows_)
      if (needed.contains(value)) take(value, operand);
    const std::size_t scanned = operands.size() - carries_.size();
    for (const auto& [value, operand] : constants_)
      if (definer(value) == nullptr && needed.contains(value)) take(value, operand);
    for (const Op& op : region_.ops()) {
      const auto missing = [&](ValueId v) { return needed.contains(v) && !map.has(v); };
      if (std::ranges::any_of(op.results, missing)) map.copy(region, op);
    }
    for (const ValueId v : results) region.results.push_back(map[v]);

    outside_.location = scan_.location;
    outside_.role = scan_.role;
    const std::vector<Expr> made = ir::build_scan(outside_, {carries_.size(), scanned, parts_.length, parts_.reverse},
                                                  operands, std::move(region));
    for (std::size_t i = 0; i < carries_.size(); ++i) carries_[i].last = made[i].value;
    for (std::size_t i = 0; i < yields.size(); ++i) after[yields[i]] = made[carries_.size() + i];
    return after;
  }

  ir::Builder& outside_;
  const Op& scan_;
  const Block& region_;
  ir::ScanParts parts_;
  std::vector<Carry> carries_;
  std::map<ValueId, Expr> rows_;  // stacked, before the loop
  std::set<ValueId> same_each_step_;
  std::map<ValueId, Expr> constants_;  // of those, the ones that are made around the loop
  std::vector<ValueId> yields_;
  std::map<ValueId, int> uses_;
  std::vector<Sum> sums_;
  std::vector<const Op*> late_;
  bool changed_ = false;
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
    if (!ir::is_scan(op)) {
      next.copy(op);
      continue;
    }
    Loop loop(builder, block, op, next.mapped(op).operands);
    loop.hoist_early();
    loop.find_sums();
    loop.find_late();
    if (!loop.changed()) {
      next.copy(op);
      continue;
    }
    const std::vector<ValueId> results = loop.finish();
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
