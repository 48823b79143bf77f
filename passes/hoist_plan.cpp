#include "passes/hoist_plan.h"

#include "ir/ops/scan.h"
#include "ir/steps.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace nnc::passes {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::Type;
using ir::ValueId;

namespace {

using Rule = std::optional<Expr> (*)(const ir::StepsCtx&);

class Planner {
 public:
  Planner(const Block& around, const Op& scan) : region_(scan.regions[0]), parts_(ir::view(around, scan)) {
    const auto& params = region_.params();
    const auto scanned = params.begin() + 1 + static_cast<std::ptrdiff_t>(parts_.carries);
    const auto shared = scanned + static_cast<std::ptrdiff_t>(parts_.scanned);
    before_.insert(scanned, shared);
    plan_.same_each_step = ir::same_each_step(region_, {shared, params.end()});
    yields_.assign(region_.results.begin() + static_cast<std::ptrdiff_t>(parts_.carries), region_.results.end());
    for (const Op& op : region_.ops()) std::ranges::for_each(op.operands, [&](ValueId v) { ++uses_[v]; });
    std::ranges::for_each(region_.results, [&](ValueId v) { ++uses_[v]; });
  }

  HoistPlan run() {
    find_early();
    find_sums();
    find_late();
    for (const ValueId v : yields_)
      if (!is_late(v) && !is_before(v) && !has(plan_.yields, v)) plan_.yields.push_back(v);
    return std::move(plan_);
  }

 private:
  static bool has(const std::vector<ValueId>& values, ValueId value) { return std::ranges::count(values, value) > 0; }
  bool is_before(ValueId value) const { return before_.contains(value); }
  bool is_late(ValueId value) const {
    return std::ranges::any_of(plan_.late, [&](const Op* op) { return op->results[0] == value; });
  }
  bool is_used_once(ValueId value) const {
    const auto uses = uses_.find(value);
    return uses != uses_.end() && uses->second == 1;
  }

  /// Ops whose operands are there before the loop.
  void find_early() {
    for (const Op& op : region_.ops()) {
      if (!may_leave(op)) continue;
      const bool ready = std::ranges::all_of(op.operands, [&](ValueId v) { return is_before(v) || plan_.is_same(v); });
      if (!ready || !applies(op.def->all_steps, op)) continue;
      plan_.early.push_back(&op);
      before_.insert(op.results[0]);
    }
  }

  /// Carries that only add up something: what is added is yielded, or what it is computed from.
  void find_sums() {
    for (std::size_t carry = 0; carry < parts_.carries; ++carry) {
      std::optional<CarriedSum> sum = sum_of(carry);
      if (!sum) {
        plan_.carries.push_back(carry);
        continue;
      }
      for (const ValueId v : varying_operands(*sum->op)) yield(v);
      plan_.sums.push_back(std::move(*sum));
    }
  }

  /// Ops of which nothing but rows of results is made.
  void find_late() {
    for (const Op& op : region_.ops()) {
      if (!may_leave(op) || is_before(op.results[0])) continue;
      const auto times = std::ranges::count(yields_, op.results[0]);
      if (times == 0 || times != uses_[op.results[0]] || !applies(op.def->all_steps, op)) continue;
      plan_.late.push_back(&op);
      for (const ValueId v : varying_operands(op)) yield(v);
    }
  }

  static bool may_leave(const Op& op) { return op.def->all_steps != nullptr && op.results.size() == 1; }

  std::vector<ValueId> varying_operands(const Op& op) const {
    std::vector<ValueId> varying;
    for (const ValueId v : op.operands)
      if (!plan_.is_same(v)) varying.push_back(v);
    return varying;
  }

  void yield(ValueId value) {
    if (!is_before(value) && !has(yields_, value)) yields_.push_back(value);
  }

  /// Whether the rule applies, tried in a block that is thrown away.
  bool applies(Rule rule, const Op& op) const {
    Block scratch;
    ir::Builder builder(scratch);
    ir::StepsCtx ctx{builder, ir::view(region_, op), parts_.length, {}, {}};
    for (const ValueId v : op.operands) {
      Type type = region_.type(v);
      ctx.stacked.push_back(!plan_.is_same(v));
      if (ctx.stacked.back()) type.shape.insert(type.shape.begin(), parts_.length);
      ctx.operands.push_back(builder.expr(scratch.add_param(type)));
    }
    return rule(ctx).has_value();
  }

  std::optional<CarriedSum> sum_of(std::size_t carry) const {
    const ValueId param = region_.params()[carry + 1], result = region_.results[carry];
    const Op* add = region_.definer(result);
    if (add == nullptr || add->def->sum_signs != std::vector{1, 1} || !is_used_once(result)) return std::nullopt;
    const bool first = add->operands[0] == param;
    if (!first && add->operands[1] != param) return std::nullopt;
    ValueId added = add->operands[first ? 1 : 0];
    if (!is_used_once(param) || region_.type(added).shape != region_.type(result).shape) return std::nullopt;
    CarriedSum sum{carry, region_.definer(added), {}};
    const auto moves_all = [&](const Op& op) {
      return op.def->as<ir::Movement>() != nullptr && op.operands.size() == 1 &&
             region_.type(op.operands[0]).elements() == region_.type(op.results[0]).elements();
    };
    while (sum.op != nullptr && is_used_once(added) && moves_all(*sum.op)) {
      sum.moved.push_back(sum.op);
      added = sum.op->operands[0];
      sum.op = region_.definer(added);
    }
    if (sum.op == nullptr || !is_used_once(added) || sum.op->def->sum_of_steps == nullptr) return std::nullopt;
    if (!applies(sum.op->def->sum_of_steps, *sum.op) || !is_worth_it(*sum.op)) return std::nullopt;
    return sum;
  }

  /// A carried sum is read and written in every step: what is kept instead should be no more than that.
  bool is_worth_it(const Op& op) const {
    std::int64_t kept = 0;
    for (const ValueId v : varying_operands(op))
      if (!is_before(v) && !has(yields_, v)) kept += region_.type(v).bytes();
    return kept <= 2 * region_.type(op.results[0]).bytes();
  }

  const Block& region_;
  ir::ScanParts parts_;
  std::set<ValueId> before_;     // rows that are there before the loop
  std::vector<ValueId> yields_;  // with what leaves the loop late
  std::map<ValueId, int> uses_;
  HoistPlan plan_;
};

}  // namespace

// What leaves early decides what has to be kept for sums, and both what is yielded anyway.
HoistPlan plan_hoist(const Block& around, const Op& scan) { return Planner(around, scan).run(); }

}  // namespace nnc::passes
