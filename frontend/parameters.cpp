// Declarations of what lives across steps: a layer's parameters and an optimizer's states. Each becomes a slot, and its
// initializer runs in the `init` graph.
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/statements.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

/// Whether the layer's body may declare a slot of that name here; the name is known afterwards.
bool may_declare(Context& context, const ast::Name& name, std::string_view what) {
  const auto [first, fresh] = context.frame->params.emplace(name.text, name.span);
  if (!fresh) {
    report(context, name.span, fmt::format("two parameters or states are named `{}`", name.text))
        .note(first->second.at, "the other one is here");
    return false;
  }
  if (name.text != "mT") return true;
  report(context, name.span, fmt::format("{} cannot be named `mT`: `.mT` swaps the last two dimensions", what));
  return false;
}

/// Makes a layer's slot with its first value, or checks that it is the one made before.
bool declare_slot(Context& context, const ir::Slot& slot, const ast::Span& at, const ast::Expr& initial) {
  const bool known = context.find_slot(slot.path) != nullptr;
  if (context.target->predicts && !known) {
    report(context, at, fmt::format("`train` has no {} `{}`", ir::name(slot.kind), slot.path));
    return false;
  }
  if (known) return add_slot(context, slot, at);
  const auto initializer = evaluate_initializer(context, initial);
  if (!add_slot(context, slot, at)) return false;
  if (initializer) initialize(context, *initializer, slot, initial.span);
  return true;
}

/// What the parameter's name means after its declaration; nothing after an error.
std::optional<Value> declared_parameter(Context& context, const ast::Param& param) {
  ast::Name name = param.name;
  if (param.index) {
    const auto index = evaluate_integer(context, *param.index, "an index in a name");
    if (!index) return std::nullopt;
    if (*index < 0) {
      report(context, param.index->span, fmt::format("an index in a name is at least 0, found {}", *index));
      return std::nullopt;
    }
    name.text.insert(param.index_at, std::to_string(*index));
  }
  if (!may_declare(context, name, "a parameter")) return std::nullopt;
  const auto type = evaluate_type(context, param.type);
  if (!type) return std::nullopt;
  if (!ir::is_float(type->dtype)) {
    report(context, param.type.span,
           fmt::format("a parameter is trained and thus f32 or f64, found {}", ir::name(type->dtype)));
    return std::nullopt;
  }
  const ir::Slot slot{context.frame->path + "." + name.text, *type, ir::SlotKind::parameter, false};
  if (!declare_slot(context, slot, param.name.span, *param.initializer)) return std::nullopt;
  return Value{TensorValue{read_slot(context, slot, param.name.span)}, param.name.span};
}

std::optional<Value> declared_state(Context& context, const ast::State& state) {
  if (!may_declare(context, state.name, "a state")) return std::nullopt;
  if (!state.type) {
    report(context, state.name.span,
           fmt::format("a layer's state has a type: write `state {}: f32[...] = ...`", state.name.text));
    return std::nullopt;
  }
  const auto type = evaluate_type(context, *state.type);
  if (!type) return std::nullopt;
  const ir::Slot slot{context.frame->path + "." + state.name.text, *type, ir::SlotKind::statistic, false};
  if (!declare_slot(context, slot, state.name.span, *state.initializer)) return std::nullopt;
  context.frame->kept.insert_or_assign(state.name.text, slot.path);
  return Value{TensorValue{newest(context, slot, state.name.span)}, state.name.span};
}

/// In its own initializer the name still means what it did before. Without a value it is that of an error, which follows
/// unless a value does.
void define(Context& context, const ast::Name& name, std::optional<Value> value) {
  context.frame->variables.insert_or_assign(name.text, Variable{value ? *std::move(value) : Value{}});
}

}  // namespace

void declare_parameter(Context& context, const ast::Param& param) {
  define(context, param.name, declared_parameter(context, param));
}

void declare_layer_state(Context& context, const ast::State& state) {
  define(context, state.name, declared_state(context, state));
}

void update_layer_state(Context& context, const ast::Name& name, const Value& value) {
  Frame& frame = *context.frame;
  const ir::Slot slot = context.find_slot(frame.kept.at(name.text))->slot;
  define(context, name, std::nullopt);
  if (value.poisoned()) return;
  if (!context.scans.empty()) {
    report(context, name.span,
           fmt::format("`{}` is a state, which a layer called in a scan cannot assign: it is updated once in a step",
                       name.text));
    return;
  }
  const auto replacement = as_replacement(context, value, name.text, slot.type, name.span);
  if (!replacement) return;
  context.target->kept.insert_or_assign(slot.path, *replacement);
  frame.variables.insert_or_assign(name.text, Variable{{TensorValue{*replacement}, value.origin}});
}

std::optional<ir::Expr> as_replacement(Context& context, const Value& value, const std::string& name,
                                       const ir::Type& type, const ast::Span& at) {
  if (value.poisoned()) return std::nullopt;
  const bool number = value.is_static_number() || (value.tensor() && value.tensor()->weak);
  if (!number && (!value.tensor() || value.tensor()->expr.type() != type)) {
    auto& diagnostic = report(
        context, at, fmt::format("`{}` is {}, but its new value is {}", name, ir::to_string(type), describe(value)));
    note_origin(diagnostic, value, at);
    return std::nullopt;
  }
  const auto expr = as_tensor(context, value, type.dtype, at);
  if (!expr) return std::nullopt;
  return context.target->builder.broadcast_to(*expr, type.shape);
}

void declare_optimizer_state(Context& context, const ast::State& state) {
  Frame& frame = *context.frame;
  auto initializer = evaluate_initializer(context, *state.initializer);
  define(context, state.name, std::nullopt);
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
