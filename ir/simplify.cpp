#include "ir/simplify.h"

#include "ir/analysis.h"
#include "ir/check.h"
#include "ir/constant.h"
#include "ir/rewrite_rules.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace nnc::ir {

namespace {

/// The values that the letters of a pattern stand for, and the ops that it matched.
struct Match {
  Bindings bindings;
  std::vector<const Op*> ops;
};

class Matcher {
 public:
  explicit Matcher(Builder& builder) : builder_(&builder) {}

  std::optional<Match> match(const Term& pattern, ValueId value) { return match_all({{&pattern, value}}, {}); }

 private:
  using Work = std::vector<std::pair<const Term*, ValueId>>;

  /// Matches all pairs of term and value, the last one first; tries both orders of a commutative op's operands.
  std::optional<Match> match_all(Work work, Match match) {
    if (work.empty()) return match;
    const auto [term, value] = work.back();
    work.pop_back();
    if (term->kind == Term::Kind::letter) {
      const Expr& bound = match.bindings.try_emplace(term->letter, builder_->expr(value)).first->second;
      return is_same(bound.value, value) ? match_all(std::move(work), std::move(match)) : std::nullopt;
    }
    if (term->kind == Term::Kind::number) {
      const std::optional<double> splat = splat_value(builder_->block(), value);
      const bool same = splat && *splat == term->number && std::signbit(*splat) == std::signbit(term->number) &&
                        term->truth == (builder_->block().type(value).dtype == DType::boolean);
      return same ? match_all(std::move(work), std::move(match)) : std::nullopt;
    }
    const Op* op = builder_->block().definer(value);
    if (op == nullptr || op->def != term->def || op->operands.size() != term->args.size()) return std::nullopt;
    match.ops.push_back(op);
    std::vector<ValueId> operands = op->operands;
    for (const bool swapped : {false, true}) {
      if (swapped && (!op->def->commutative || operands.size() != 2)) break;
      if (swapped) std::swap(operands[0], operands[1]);
      Work more = work;
      for (std::size_t i = operands.size(); i-- > 0;) more.emplace_back(&term->args[i], operands[i]);
      if (std::optional<Match> found = match_all(std::move(more), match)) return found;
    }
    return std::nullopt;
  }

  /// One value, or constants of one type all of whose elements are the same number. (A double does not hold all
  /// integers.)
  bool is_same(ValueId a, ValueId b) const {
    if (a == b) return true;
    const Block& block = builder_->block();
    const std::optional<double> left = splat_value(block, a), right = splat_value(block, b);
    return is_float(block.type(a).dtype) && left && right && *left == *right &&
           std::signbit(*left) == std::signbit(*right) && block.type(a) == block.type(b);
  }

  Builder* builder_;
};

/// The cost of the ops of a block from position `first` on.
std::int64_t cost_from(const Block& block, std::size_t first) {
  std::int64_t cost = 0;
  for (std::size_t i = first; i < block.ops().size(); ++i) cost += rule_cost(view(block, block.ops()[i]));
  return cost;
}

/// Applies one rule of data. A match that would not get cheaper, because the replacement has to be broadcast, is none.
/// What the pattern matches is taken to go, even if something else uses it.
std::optional<ValueId> apply_rule(Builder& builder, const Op& op, const RewriteRule& rule) {
  Block& block = builder.block();
  const std::optional<Match> match = Matcher(builder).match(rule.pattern, op.results[0]);
  if (!match) return std::nullopt;
  std::int64_t before = 0;
  for (const Op* matched : match->ops) {
    before += rule_cost(view(block, *matched));
    builder.location = builder.location.merged(matched->location);
  }
  const Type type = block.type(op.results[0]);
  const std::size_t first = block.ops().size();
  const std::optional<Expr> value = build(builder, rule.replacement, match->bindings, type.dtype);
  if (!value || value->dtype() != type.dtype) return std::nullopt;
  const Expr whole = builder.broadcast_to(*value, type.shape);
  return cost_from(block, first) < before ? std::optional(whole.value) : std::nullopt;
}

/// Applies the rule that is a function, where that costs less than the op and what makes its operands.
std::optional<ValueId> apply_function(Builder& builder, const Op& op, const std::vector<bool>& sole_uses) {
  Block& block = builder.block();
  std::int64_t before = rule_cost(view(block, op));
  for (const ValueId operand : op.operands) {
    if (const Op* definer = block.definer(operand)) before += rule_cost(view(block, *definer));
  }
  const std::size_t first = block.ops().size();
  SimplifyCtx context(builder, op, sole_uses);
  const std::optional<ValueId> value = op.def->simplify(context);
  if (!value) return std::nullopt;
  NNC_CHECK_OP(block.type(*value) == block.type(op.results[0]), op, "simplified from {} to {}",
               to_string(block.type(op.results[0])), to_string(block.type(*value)));
  return cost_from(block, first) < before ? value : std::nullopt;
}

/// Elementwise ops broadcast by themselves: an operand that is broadcast already is taken as it was before, where the
/// result keeps its type.
std::optional<ValueId> absorb_broadcast(Builder& builder, const Op& op) {
  static const OpDef* const broadcast = find_op("broadcast");
  if (op.def->as<Elementwise>() == nullptr || !op.def->attrs.empty()) return std::nullopt;
  Block& block = builder.block();
  const Type type = block.type(op.results[0]);
  std::vector<Expr> operands;
  for (const ValueId operand : op.operands) operands.push_back(builder.expr(operand));
  for (Expr& operand : operands) {
    const Op* definer = block.definer(operand.value);
    if (definer == nullptr || definer->def != broadcast) continue;
    const Expr before = std::exchange(operand, builder.expr(definer->operands[0]));
    builder.location = op.location.merged(definer->location);
    const auto made = builder.try_op(*op.def, operands, {});
    const auto* results = std::get_if<std::vector<Expr>>(&made);
    if (results != nullptr && results->front().type() == type) return results->front().value;
    operand = before;
  }
  return std::nullopt;
}

}  // namespace

SimplifyCtx::SimplifyCtx(Builder& builder, const Op& op, std::vector<bool> sole_uses)
    : builder_(&builder), op_(&op), view_(ir::view(builder.block(), op)), sole_uses_(std::move(sole_uses)) {}

const Op* SimplifyCtx::definer(std::size_t i, std::string_view name) const {
  const Op* op = builder_->block().definer(op_->operands[i]);
  return op != nullptr && *op->def->name == name ? op : nullptr;
}

// An op costs four units for each of its instructions, one for each element that it reads or writes, which in a kernel
// are registers, and one for being there. Constants and slots are there already.
std::int64_t rule_cost(const OpView& op) {
  if (op.operands.empty()) return 0;
  std::int64_t read = 0, written = 0;
  for (const Type& type : op.operands) read += type.elements();
  for (const Type& type : op.results) written += type.elements();
  if (op.def->as<Elementwise>() != nullptr) {
    read = written * static_cast<std::int64_t>(op.operands.size());  // a broadcast operand is read for each element
  } else if (op.def->as<Movement>() != nullptr) {
    read = written;
  }
  return 1 + read + written + 4 * work_of(op);
}

std::optional<Simplified> simplify_once(Builder& builder, const Op& in_block, const std::vector<bool>& sole_uses) {
  const Op op = in_block;
  if (op.results.size() != 1) return std::nullopt;
  // Rules look at ops of the block while they append to it: with this much room, none moves.
  constexpr std::size_t most_appended = 256;
  std::vector<Op>& ops = builder.block().ops();
  if (ops.capacity() - ops.size() < most_appended) ops.reserve(2 * ops.size() + most_appended);
  const Op* const before = ops.data();

  const Location location = std::exchange(builder.location, op.location);
  const Role role = std::exchange(builder.role, op.role);
  std::optional<Simplified> simpler;
  const auto take = [&](std::optional<ValueId> value, const std::string& rule) {
    if (value) simpler = {*value, rule};
    builder.location = op.location;
    NNC_CHECK_OP(ops.data() == before, op, "its rules append more than {} ops", most_appended);
    return value.has_value();
  };
  for (const RewriteRule& rule : rewrites_of(*op.def)) {
    if (take(apply_rule(builder, op, rule), rule.text)) break;
  }
  const std::string name(*op.def->name);
  if (!simpler && op.def->simplify != nullptr) take(apply_function(builder, op, sole_uses), name + ": simplify");
  if (!simpler) take(absorb_broadcast(builder, op), name + ": operand before its broadcast");
  builder.location = location;
  builder.role = role;
  return simpler;
}

}  // namespace nnc::ir
