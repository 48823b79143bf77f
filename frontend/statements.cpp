#include "frontend/statements.h"

#include "frontend/evaluate.h"
#include "frontend/scan.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

void run(Context& context, const ast::Block& block, bool top);

/// Names of the file that stand for something else cannot be assigned, nor those outside of a scan.
bool may_assign(Context& context, const ast::Name& target) {
  const auto known = context.frame->variables.find(target.text);
  if (known == context.frame->variables.end() || known->second.fixed.empty())
    return may_change_in_scan(context, target);
  report(context, target.span, fmt::format("`{}` is {}: it cannot be assigned", target.text, known->second.fixed));
  return false;
}

void poison_targets(Context& context, const ast::Block& block) {
  for_each_target(block, [&](const ast::Name& name) {
    const auto known = context.frame->variables.find(name.text);
    if (known == context.frame->variables.end() || known->second.fixed.empty())
      context.frame->variables.insert_or_assign(name.text, Variable{poison(context)});
  });
}

/// Remembers what a branch that is not run would have assigned, for the error where it is used.
void skip(Context& context, const ast::Block& block, const ast::Span& why) {
  for_each_target(block, [&](const ast::Name& name) { context.frame->not_taken.try_emplace(name.text, why); });
}

void run_assign(Context& context, const ast::Assign& assignment) {
  const Value value = evaluate(context, *assignment.value);
  const auto* several = value.as<Several>();
  const std::size_t found = several ? several->values.size() : 1;
  const bool fits = found == assignment.targets.size();
  if (!fits && !value.poisoned())
    report(context, assignment.value->span,
           fmt::format("{} name{} on the left, {} value{} on the right{}", assignment.targets.size(),
                       assignment.targets.size() == 1 ? "" : "s", found, found == 1 ? "" : "s",
                       found > assignment.targets.size() ? "; a `_` takes what is not wanted" : ""));
  for (std::size_t i = 0; i < assignment.targets.size(); ++i)
    assign(context, assignment.targets[i],
           !fits || value.poisoned() ? poison(context)
           : several                 ? several->values[i]
                                     : value);
}

void run_for(Context& context, const ast::For& loop, const ast::Span& at) {
  const auto from = evaluate_integer(context, *loop.from, "the start of a loop");
  const auto to = evaluate_integer(context, *loop.to, "the end of a loop");
  if (!from || !to) return poison_targets(context, loop.body);
  Frame& frame = *context.frame;
  if (*from >= *to) skip(context, loop.body, at);
  const __int128 count = static_cast<__int128>(*to) - *from;
  context.loops.emplace_back(at, static_cast<std::int64_t>(count > max_iterations ? max_iterations : count));
  if (count > max_iterations - context.iterations) {
    report(
        context, at,
        fmt::format("this loop runs {} times, which makes more than {} iterations: `for` is unrolled at compile time",
                    static_cast<std::uint64_t>(count), max_iterations));
    return poison_targets(context, loop.body);
  }
  if (count > 0) context.iterations += static_cast<std::int64_t>(count);
  if (!may_assign(context, loop.variable)) return poison_targets(context, loop.body);
  std::optional<Variable> hidden;
  if (const auto known = frame.variables.find(loop.variable.text); known != frame.variables.end())
    hidden = known->second;
  frame.ended.erase(loop.variable.text);
  for (std::int64_t i = *from; i < *to && !frame.result && !context.exhausted; ++i) {
    frame.variables.insert_or_assign(loop.variable.text, Variable{{i, loop.variable.span}, "the variable of a loop"});
    frame.unroll.push_back(i);
    const int errors = context.diagnostics->count();
    run(context, loop.body, false);
    frame.unroll.pop_back();
    // The next iteration would find the same errors.
    if (context.diagnostics->count() > errors) break;
  }
  frame.variables.erase(loop.variable.text);
  if (hidden) frame.variables.emplace(loop.variable.text, *hidden);
  frame.ended.insert_or_assign(loop.variable.text, at);
}

void run_if(Context& context, const ast::If& choice, const ast::Span& at) {
  bool taken = false;
  for (const auto& branch : choice.branches) {
    if (taken) {
      skip(context, branch.body, at);
      continue;
    }
    const auto condition = evaluate_condition(context, *branch.condition);
    if (!condition) {
      for (const auto& each : choice.branches) poison_targets(context, each.body);
      if (choice.otherwise) poison_targets(context, *choice.otherwise);
      return;
    }
    taken = *condition;
    if (taken)
      run(context, branch.body, false);
    else
      skip(context, branch.body, branch.condition->span);
  }
  if (!choice.otherwise) return;
  if (taken)
    skip(context, *choice.otherwise, at);
  else
    run(context, *choice.otherwise, false);
}

void run_return(Context& context, const ast::Return& back, const ast::Span& at) {
  Frame& frame = *context.frame;
  std::vector<Value> values;
  bool failed = false;
  for (const auto& result : back.results) {
    values.push_back(evaluate(context, *result.value));
    failed = failed || values.back().poisoned();
    if (values.back().as<Several>() && back.results.size() > 1) {
      report(context, result.value->span, fmt::format("expected one value, found {}", describe(values.back())));
      failed = true;
    }
    if (frame.outputs && !values.back().poisoned()) {
      const std::string name = result.name ? result.name->text : "";
      if (!result.name)
        report(context, result.value->span, "the results of `predict` are named: `return NAME = ...`");
      else
        frame.outputs->emplace_back(name, values.back());
    }
  }
  frame.result_at = back.results.empty() ? at : back.results.front().value->span;
  if (failed)
    frame.result = poison(context);
  else
    frame.result = values.size() == 1 ? values.front() : Value{Several{std::move(values)}, at};
}

void run_loss(Context& context, const ast::Loss& loss) {
  Value value = evaluate(context, *loss.value);
  if (!context.frame->objective) return;
  value.origin = loss.value->span;
  context.frame->objective->losses.push_back(std::move(value));
}

void run_statement(Context& context, const ast::Statement& statement, bool top) {
  const auto at_top = [&](std::string_view what) {
    if (!top)
      report(context, statement.span, fmt::format("`{}` stands directly in `train`, not inside `if` or `for`", what));
    return top;
  };
  std::visit(Overloaded{
                 [&](const ast::Assign& assignment) { run_assign(context, assignment); },
                 [&](const ast::For& loop) { run_for(context, loop, statement.span); },
                 [&](const ast::If& choice) { run_if(context, choice, statement.span); },
                 [&](const ast::Scan& scan) { run_scan(context, scan); },
                 [&](const ast::Param& param) { declare_parameter(context, param); },
                 [&](const ast::State& state) {
                   if (context.frame->states) return declare_optimizer_state(context, state);
                   declare_layer_state(context, state);
                 },
                 [&](const ast::Return& back) { run_return(context, back, statement.span); },
                 [&](const ast::Yield& yield) { run_yield(context, yield, statement.span); },
                 [&](const ast::Data&) { at_top("data"); },
                 [&](const ast::Loss& loss) { run_loss(context, loss); },
                 [&](const ast::Metric& metric) {
                   if (!at_top("metric")) return;
                   Value value = evaluate(context, *metric.value);
                   value.origin = metric.value->span;
                   if (context.frame->objective)
                     context.frame->objective->metrics.emplace_back(&metric, std::move(value));
                 },
                 [&](const ast::UseOptimizer&) { at_top("optimizer"); },
                 [&](const ast::Group&) { at_top("group"); },
                 [&](const ast::Stop&) { at_top("stop"); },
                 [&](const ast::Setting& setting) { at_top(setting.name.text); },
             },
             statement.node);
}

void run(Context& context, const ast::Block& block, bool top) {
  for (const auto& statement : block) {
    if (context.frame->result || context.exhausted) return;
    run_statement(context, statement, top);
  }
}

}  // namespace

void execute(Context& context, const ast::Block& block) { run(context, block, true); }

void execute_nested(Context& context, const ast::Block& block) { run(context, block, false); }

void assign(Context& context, const ast::Name& target, Value value) {
  if (ast::is_discarded(target)) return;
  if (!may_assign(context, target)) return;
  context.frame->arguments.erase(target.text);
  // A carry may have a state's name; it is a value of the scan's own.
  if (!context.frame->scan && context.frame->kept.contains(target.text))
    return update_layer_state(context, target, value);
  context.frame->variables.insert_or_assign(target.text, Variable{std::move(value)});
}

}  // namespace nnc::frontend
