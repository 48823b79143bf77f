// Local algebra: each rule replaces an op by something equal that costs less, so that applying rules ends.
//
// Rules are data in the op records. Most are text:
//
//   "mul(x, 1) -> x"            "pow(x, 2) -> mul(x, x)"            "neg(neg(x)) -> x"
//
// with lower-case letters for any value and numbers for constants all of whose elements have that value. A rule that
// computes attributes (a transpose of a transpose) is a function, `OpDef::simplify`.
#pragma once

#include "ir/builder.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::ir {

/// What a rule sees: the op, its operands' definers, and a builder for the replacement.
class SimplifyCtx {
 public:
  SimplifyCtx(Builder& builder, const Op& op, std::vector<bool> sole_uses = {});

  const Op& op() const { return *op_; }
  const OpView& view() const { return view_; }
  Builder& builder() { return *builder_; }
  Expr operand(std::size_t i) { return builder_->expr(op_->operands[i]); }
  /// The op named `name` that makes operand i, or null.
  const Op* definer(std::size_t i, std::string_view name) const;
  /// Whether nothing but this op uses operand i: what makes it may go with the op.
  bool sole_use(std::size_t i) const { return i < sole_uses_.size() && sole_uses_[i]; }

 private:
  Builder* builder_;
  const Op* op_;
  OpView view_;
  std::vector<bool> sole_uses_;
};

/// The work of an op for the purpose of rules: what a rewrite must reduce.
std::int64_t rule_cost(const OpView& op);

struct Simplified {
  ValueId value;
  std::string rule;  // for counting: the rule's text, or the op and what was done
};
/// Applies the first rule of `op` (which is in the builder's block) that matches; appends the replacement's ops.
/// The replacement has the op's type. `sole_uses` says of each operand whether nothing else uses it; empty: unknown.
std::optional<Simplified> simplify_once(Builder& builder, const Op& op, const std::vector<bool>& sole_uses = {});

}  // namespace nnc::ir
