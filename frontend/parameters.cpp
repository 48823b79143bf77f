// Declarations of what lives across steps: a layer's parameters and an optimizer's states. Each becomes a slot, and its
// initializer runs in the `init` graph.
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/statements.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

void bind_poison(Context& context, const ast::Name& name) {
  context.frame->variables.insert_or_assign(name.text, Variable{poison()});
}

}  // namespace

void declare_parameter(Context& context, const ast::Param& param) {
  Frame& frame = *context.frame;
  bind_poison(context, param.name);
  const auto [first, fresh] = frame.params.emplace(param.name.text, param.name.span);
  if (!fresh) {
    report(context, param.name.span, fmt::format("two parameters are named `{}`", param.name.text))
        .note(first->second.at, "the other one is here");
    return;
  }
  if (param.name.text == "mT") {
    report(context, param.name.span, "a parameter cannot be named `mT`: `.mT` swaps the last two dimensions");
    return;
  }
  const auto type = evaluate_type(context, param.type);
  if (!type) return;
  if (!ir::is_float(type->dtype)) {
    report(context, param.type.span,
           fmt::format("a parameter is trained and thus f32 or f64, found {}", ir::name(type->dtype)));
    return;
  }
  const ir::Slot slot{frame.path + "." + param.name.text, *type, ir::SlotKind::parameter, false};
  const bool known = context.find_slot(slot.path) != nullptr;
  if (context.target->predicts && !known) {
    report(context, param.name.span, fmt::format("`train` has no parameter `{}`", slot.path));
    return;
  }
  if (!known) {
    const auto initializer = evaluate_initializer(context, *param.initializer);
    if (!add_slot(context, slot, param.name.span)) return;
    if (initializer) initialize(context, *initializer, slot, param.initializer->span);
  } else if (!add_slot(context, slot, param.name.span)) {
    return;
  }
  const ir::Expr value = read_slot(context, slot, param.name.span);
  frame.variables.insert_or_assign(param.name.text, Variable{{TensorValue{value}, param.name.span}});
}

void declare_optimizer_state(Context& context, const ast::State& state) {
  Frame& frame = *context.frame;
  bind_poison(context, state.name);
  for (const OptimizerState& other : *frame.states)
    if (other.name == state.name.text) {
      report(context, state.name.span, fmt::format("two states are named `{}`", other.name))
          .note(other.at.at, "the other one is here");
      return;
    }
  if (state.name.text == "param" || state.name.text == "grad") {
    report(context, state.name.span,
           fmt::format("`{}` is given to every optimizer and cannot be a state", state.name.text));
    return;
  }
  ir::Type type = context.target->graph.body.type(context.target->graph.body.params().front());
  if (state.type) {
    const auto written = evaluate_type(context, *state.type);
    if (!written) return;
    type = *written;
  }
  auto initializer = evaluate_initializer(context, *state.initializer);
  if (!initializer) return;
  ir::Graph& graph = context.target->graph;
  const ir::ValueId value = graph.body.add_param(type);
  graph.param_names.push_back(state.name.text);
  frame.states->push_back({state.name.text, type, std::move(initializer), state.name.span});
  frame.variables.insert_or_assign(state.name.text,
                                   Variable{{TensorValue{context.target->builder.expr(value)}, state.name.span}});
}

void initialize(Context& context, const Initializer& initializer, const ir::Slot& slot, const ast::Span& at) {
  const ast::Definition& definition = *initializer.definition;
  if (!may_inline(context, definition, initializer.call)) return;
  Frame frame = callee_frame(context, definition, initializer.call);
  frame.site.clear();
  frame.path.clear();
  const Scoped<Target*> initial(context.target, context.initial);
  const Scoped<std::string> stream(context.initial->stream, slot.path);

  std::optional<Match> result;
  if (definition.results.size() == 1 && definition.results[0].dims) {
    const ir::Type& type = slot.type;
    result = Match{&definition.results[0], type.shape, fmt::format("the result of `{}`", definition.name.text),
                   ir::to_string(type),    at,         at};
    if (!bind_dimensions(context, frame, *result, context.frame)) return;
  }
  std::vector<std::optional<Value>> arguments(definition.parameters.size());
  for (std::size_t i = 0; i < arguments.size(); ++i)
    for (const auto& [name, value] : initializer.arguments)
      if (name == definition.parameters[i].name.text) arguments[i] = value;
  const std::vector<ast::Span> places(arguments.size(), initializer.call);
  if (!enter_parameters(context, frame, std::move(arguments), places)) return;
  if (result && !check_dimensions(context, frame, *result, context.frame)) return;

  const Value value = run_body(context, frame, initializer.call);
  if (value.poisoned()) return;
  ir::Builder& builder = context.initial->builder;
  const bool fits = value.is_static_number() || (value.tensor() && ir::is_float(value.tensor()->expr.dtype()));
  auto expr = fits ? as_tensor(context, value, slot.type.dtype, initializer.call) : std::nullopt;
  if (!expr || (expr->shape() != slot.type.shape && expr->type().rank() != 0)) {
    if (fits && !expr) return;
    report(context, at,
           fmt::format("`{}` is {}, but its initializer `{}` gives {}", slot.path, ir::to_string(slot.type),
                       definition.name.text, describe(value)));
    return;
  }
  context.initial->graph.add_result(ir::GraphResult::Kind::slot, slot.path,
                                    builder.broadcast_to(*expr, slot.type.shape).value);
}

}  // namespace nnc::frontend
