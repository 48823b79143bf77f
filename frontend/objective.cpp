// Several losses add up. Over an epoch the part that depends on the batch is averaged by example, so that a smaller
// last batch counts for what it holds; the rest, such as a penalty on weights, is averaged over steps.
#include "frontend/apply.h"
#include "frontend/training.h"
#include "ir/analysis.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

bool is_loss(Context& context, const Value& value) {
  if (value.poisoned()) return false;
  const bool is_number = value.tensor() && value.tensor()->expr.type().rank() == 0;
  if (is_number && ir::is_float(value.tensor()->expr.dtype())) return true;
  const std::string_view advice = is_number ? "; `f32` converts it" : value.tensor() ? "; `mean` reduces it" : "";
  report(context, value.origin, fmt::format("a loss is one number, f32[], found {}{}", describe(value), advice));
  return false;
}

struct Term {
  ir::ValueId value;
  int sign;
};

/// The scalars that `value` is the sum of, with their signs.
std::vector<Term> terms_of(const ir::Block& block, ir::ValueId value) {
  std::vector<Term> open = {{value, 1}}, terms;
  while (!open.empty()) {
    const Term term = open.back();
    open.pop_back();
    const ir::Op* op = block.definer(term.value);
    bool sum = op && !op->def->sum_signs.empty();
    for (std::size_t i = 0; sum && i < op->operands.size(); ++i) sum = block.type(op->operands[i]).rank() == 0;
    if (!sum || open.size() + terms.size() > 1000) {
      terms.push_back(term);
      continue;
    }
    for (std::size_t i = op->operands.size(); i-- > 0;)
      open.push_back({op->operands[i], term.sign * op->def->sum_signs[i]});
  }
  return terms;
}

}  // namespace

void add_losses(Context& context, Phase phase, const Objective& objective, Target* report_target) {
  Target& target = *context.target;
  ir::Builder& builder = target.builder;
  Value total = objective.losses.front();
  const ast::Span at = total.origin;
  for (const Value& loss : objective.losses)
    if (!is_loss(context, loss)) return;
  for (std::size_t i = 1; i < objective.losses.size(); ++i)
    total = apply(context, *ir::find_symbol("+", 2), {total, objective.losses[i]}, {}, at);
  if (total.poisoned()) return;
  const ir::Expr loss = total.tensor()->expr;
  target.graph.add_result(ir::GraphResult::Kind::value, std::string(ir::loss_result), loss.value);

  const std::vector<bool> depends = ir::depends_on(target.graph.body, target.graph.body.params());
  std::vector<Term> batch_terms, free_terms;
  for (const Term& term : terms_of(target.graph.body, loss.value))
    (depends[static_cast<std::size_t>(term.value.index)] ? batch_terms : free_terms).push_back(term);

  builder.location = location(context, at);
  const auto sum = [&](const std::vector<Term>& terms) {
    std::optional<ir::Expr> result;
    for (const Term& term : terms) {
      const ir::Expr value = builder.cast(builder.expr(term.value), ir::DType::f64);
      if (term.sign < 0)
        result = result ? *result - value : -value;
      else
        result = result ? *result + value : value;
    }
    return *result;
  };
  const std::string path = fmt::format("loss.{}", name(phase));
  std::optional<ir::Expr> reported;
  if (!batch_terms.empty()) {
    const ir::Expr value = free_terms.empty() ? builder.cast(loss, ir::DType::f64) : sum(batch_terms);
    const auto examples = static_cast<double>(target.graph.batch);
    reported =
        accumulate(context, path, "", value * examples, builder.constant(examples, ir::DType::f64), at, report_target);
  }
  if (!free_terms.empty()) {
    const auto mean = accumulate(context, path, batch_terms.empty() ? "" : ".1", sum(free_terms),
                                 builder.constant(1, ir::DType::f64), at, report_target);
    if (report_target) reported = reported ? *reported + *mean : *mean;
  }
  if (report_target)
    report_target->graph.add_result(ir::GraphResult::Kind::value, ir::reported_result(name(phase), ir::loss_result),
                                    reported->value);
}

}  // namespace nnc::frontend
