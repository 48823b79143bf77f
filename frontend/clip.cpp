// `clip_norm = 1.0`, `clip_value = 0.5` -> one rule over all gradients. The formulas are std's; here they are applied to
// each gradient in turn.
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/recipe.h"
#include "frontend/training.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

// The functions of std/clipping.nn that say what clipping is.
constexpr std::string_view clip_elements = "clip_elements";
constexpr std::string_view squared_norm = "squared_norm";
constexpr std::string_view clip_scale = "clip_scale";

Value call_std(Context& context, std::string_view name, std::vector<Value> arguments, const ast::Span& at) {
  const ast::Definition* definition = context.declarations.find(Place::value, std::string(name), true);
  NNC_CHECK(definition && definition->parameters.size() == arguments.size(), "std lacks `{}`", name);
  Frame frame = callee_frame(context, *definition, at);
  const std::vector<ast::Span> places(arguments.size(), at);
  std::vector<std::optional<Value>> given(std::make_move_iterator(arguments.begin()),
                                          std::make_move_iterator(arguments.end()));
  return enter_parameters(context, frame, std::move(given), places) ? run_body(context, frame, at) : poison(context);
}

struct Limit {
  Value value;
  ast::Span at;
};

/// The limit that `train` sets by that name; reports one that is no number above 0.
std::optional<Limit> limit_of(Context& context, std::string_view name) {
  const ast::Setting* setting = nullptr;
  for (const auto& statement : context.declarations.train()->body)
    if (const auto* each = std::get_if<ast::Setting>(&statement.node); each && each->name.text == name) setting = each;
  if (!setting) return std::nullopt;
  Value limit = evaluate(context, *setting->value);
  if (limit.poisoned()) return std::nullopt;
  if (limit.number() && *limit.number() > 0) return Limit{std::move(limit), setting->name.span};
  report(context, setting->value->span, fmt::format("`{}` is a number above 0, found {}", name, describe(limit)));
  return std::nullopt;
}

}  // namespace

void add_clipping(Context& context, ir::Module& module) {
  Frame frame = file_frame();
  const Scoped<Frame*> inside(context.frame, &frame);
  const std::optional<Limit> value = limit_of(context, "clip_value"), norm = limit_of(context, "clip_norm");
  if (context.diagnostics->failed() || (!value && !norm)) return;
  Target target(Target::Kind::rule, std::string(ir::clip_rule));
  const Scoped<Target*> into(context.target, &target);
  std::vector<Value> gradients;
  for (std::size_t i = 0; i < module.updates.size(); ++i) {
    const ir::Type& type = context.find_slot(module.updates[i].parameter)->slot.type;
    gradients.push_back({TensorValue{target.builder.expr(target.graph.body.add_param(type))}, {}});
    target.graph.param_names.push_back(fmt::format("g{}", i));
  }
  if (value)
    for (Value& gradient : gradients) gradient = call_std(context, clip_elements, {gradient, value->value}, value->at);
  if (norm) {
    Value total;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Value part = call_std(context, squared_norm, {gradients[i]}, norm->at);
      total = i == 0 ? part : apply(context, *ir::find_symbol("+", 2), {total, part}, {}, norm->at);
    }
    const Value scale = call_std(context, clip_scale, {total, norm->value}, norm->at);
    for (Value& gradient : gradients)
      gradient = apply(context, *ir::find_symbol("*", 2), {gradient, scale}, {}, norm->at);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].poisoned()) return;
    target.graph.add_result(ir::GraphResult::Kind::value, target.graph.param_names[i],
                            gradients[i].tensor()->expr.value);
  }
  module.rules.push_back(std::move(target.graph));
}

}  // namespace nnc::frontend
