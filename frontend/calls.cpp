#include "frontend/calls.h"

#include "frontend/apply.h"
#include "frontend/evaluate.h"
#include "frontend/instances.h"
#include "frontend/print_ast.h"
#include "frontend/statements.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

namespace {

using Kind = ast::Definition::Kind;

Frame::Kind frame_kind(Kind kind) {
  switch (kind) {
    case Kind::layer: return Frame::Kind::layer;
    case Kind::fn: return Frame::Kind::fn;
    case Kind::optimizer: return Frame::Kind::optimizer;
    case Kind::schedule: return Frame::Kind::schedule;
    case Kind::init: return Frame::Kind::init;
  }
  return Frame::Kind::fn;
}

Value unknown_callee(Context& context, const ast::Call& call) {
  const Frame& frame = *context.frame;
  const std::string& name = call.callee.text;
  std::vector<std::string> candidates = context.declarations.names(Place::value, frame.in_std);
  for (const ir::OpDef* def : ir::all_ops())
    if (def->callable) candidates.emplace_back(*def->name);
  for (std::string& builtin : builtin_names()) candidates.push_back(std::move(builtin));
  if (frame.schedules)
    for (std::string& schedule : context.declarations.names(Place::schedule, false)) candidates.push_back(schedule);
  const std::pair<Place, std::string_view> elsewhere[] = {
      {Place::initializer, "an initializer; it is called after `=` of `param` and `state`"},
      {Place::schedule, "a schedule; it is called in the arguments of `optimizer`"},
      {Place::optimizer, "an optimizer; it is named after `optimizer` in `train`"}};
  for (const auto& [place, what] : elsewhere)
    if (context.declarations.find(place, name, frame.in_std))
      return fail(context, call.callee.span, fmt::format("`{}` is {}", name, what));
  std::string near(name == "int" ? "i32" : element_type_called(name));
  if (near.empty() || near.ends_with(']')) near = suggestion(name, candidates);
  report(context, call.callee.span,
         fmt::format("unknown function or layer `{}`{}", name,
                     near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  for (const ast::Argument& argument : call.arguments) {
    const auto* inner = std::get_if<ast::Call>(&argument.value->node);
    if (!inner || !context.declarations.find(Place::initializer, inner->callee.text, frame.in_std))
      evaluate(context, *argument.value);
  }
  return poison(context);
}

/// Layers stand where instances have a path.
bool may_own(Context& context, const ast::Definition& definition, const ast::Span& at) {
  const Frame::Kind kind = context.frame->kind;
  if (definition.kind != Kind::layer || kind == Frame::Kind::layer || kind == Frame::Kind::train ||
      kind == Frame::Kind::predict)
    return true;
  report(context, at,
         fmt::format("`{}` is a layer, which owns parameters: only `layer`, `train` and `predict` call layers",
                     definition.name.text));
  return false;
}

Value call_definition(Context& context, const ast::Definition& definition, const ast::Call& call, const ast::Span& at) {
  if (!may_own(context, definition, at) || !may_inline(context, definition, at)) return poison(context);
  if (call.alias && definition.kind != Kind::layer)
    report(context, call.alias->span,
           fmt::format("`{}` is a {}, which owns no parameters: `as` stands directly behind the call of a layer",
                       definition.name.text, spelling(definition.kind)));

  const auto given = bind_arguments(context, definition, call);
  const auto arguments = given ? evaluate_arguments(context, definition, *given) : std::nullopt;
  // The call is named although its arguments may have errors, so that the name is known afterwards.
  std::optional<std::string> path;
  if (definition.kind == Kind::layer && !(path = name_instance(context, definition, call, at))) return poison(context);
  if (!arguments) return poison(context);

  Frame callee = callee_frame(context, definition, at);
  const auto& ordinals = context.numbers(*context.frame).ordinal;
  if (const auto ordinal = ordinals.find(&call); ordinal != ordinals.end())
    callee.site += fmt::format("/{}", ordinal->second);
  if (path) callee.path = *path;
  note_arguments(context, callee, *given);
  if (!enter_parameters(context, callee, *arguments, spans_of(*given, at))) return poison(context);
  return run_body(context, callee, at);
}

bool check_result(Context& context, Frame& frame, const ast::TypeExpr& type, Value& value, const ast::Span& at) {
  const ast::Definition& definition = *frame.definition;
  const auto wrong = [&]() {
    auto& diagnostic = report(
        context, at,
        fmt::format("`{}` returns {}, but its signature says {}", definition.name.text, describe(value), print(type)));
    note_origin(diagnostic, value, at);
    diagnostic.note(type.span.at, "the result type is here");
    return false;
  };
  using TypeKind = ast::TypeExpr::Kind;
  if (type.kind == TypeKind::integer) return value.as<std::int64_t>() || wrong();
  if (type.kind == TypeKind::boolean) return value.as<bool>() || wrong();
  if (type.kind == TypeKind::string) return value.as<std::string>() || wrong();
  if (type.kind != TypeKind::element) return wrong();
  if (!type.dims) return value.number() || (value.tensor() && value.tensor()->expr.type().rank() == 0) || wrong();
  if (!value.tensor() || value.tensor()->expr.dtype() != type.dtype) return wrong();
  return check_dimensions(context, frame,
                          {&type, value.tensor()->expr.shape(), fmt::format("the result of `{}`", definition.name.text),
                           describe(value), value.origin, at},
                          &frame);
}

}  // namespace

Frame callee_frame(const Context& context, const ast::Definition& definition, const ast::Span& at) {
  const Frame& caller = *context.frame;
  Frame callee;
  callee.kind = frame_kind(definition.kind);
  callee.definition = &definition;
  callee.block = &definition.body;
  callee.in_std = context.declarations.is_std(definition);
  callee.calls = caller.calls;
  callee.calls.push_back(at);
  callee.open = caller.open;
  callee.open.push_back(&definition);
  callee.path = caller.path;
  callee.site = caller.site;
  for (const std::int64_t index : caller.unroll) callee.site += fmt::format("[{}]", index);
  return callee;
}

bool may_inline(Context& context, const ast::Definition& definition, const ast::Span& at) {
  const auto& open = context.frame->open;
  if (const auto first = std::find(open.begin(), open.end(), &definition); first != open.end()) {
    std::string cycle;
    for (auto each = first; each != open.end(); ++each) cycle += fmt::format("`{}` calls ", (*each)->name.text);
    report(
        context, at,
        fmt::format("recursion: {}`{}`; calls are inlined, so that this would not end", cycle, definition.name.text));
    return false;
  }
  context.inlined.insert(&definition);
  if (open.size() < static_cast<std::size_t>(max_depth)) return true;
  exhaust(context, at, fmt::format("calls nest more than {} deep", max_depth));
  return false;
}

Value run_body(Context& context, Frame& frame, const ast::Span& at) {
  const ast::Definition& definition = *frame.definition;
  {
    const Scoped<Frame*> inside(context.frame, &frame);
    execute(context, *frame.block);
    check_shares(context, frame);
    if (context.exhausted) return poison(context);
    if (!frame.result)
      return fail(context, definition.name.span, fmt::format("`{}` ends without `return`", definition.name.text));
    if (frame.result->poisoned()) return poison(context);
    const auto* several = frame.result->as<Several>();
    std::vector<Value> values = several ? several->values : std::vector<Value>{*frame.result};
    if (!definition.results.empty() && definition.results.size() != values.size())
      return fail(context, frame.result_at,
                  fmt::format("`{}` returns {} values, but its signature has {}", definition.name.text, values.size(),
                              definition.results.size()));
    for (std::size_t i = 0; i < definition.results.size(); ++i)
      if (definition.kind != Kind::init &&
          !check_result(context, frame, definition.results[i], values[i], frame.result_at))
        return poison(context);
  }
  Value result = std::move(*frame.result);
  result.origin = at;
  if (auto* several = std::get_if<Several>(&result.data))
    for (Value& value : several->values) value.origin = at;
  return result;
}

Value evaluate_call(Context& context, const ast::Call& call, const ast::Span& at) {
  const Frame& frame = *context.frame;
  if (frame.schedules)
    if (const auto* schedule = context.declarations.find(Place::schedule, call.callee.text, frame.in_std))
      return call_definition(context, *schedule, call, at);
  if (const auto* definition = context.declarations.find(Place::value, call.callee.text, frame.in_std))
    return call_definition(context, *definition, call, at);
  const ir::OpDef* def = ir::find_op(call.callee.text);
  const bool primitive = def && def->callable;
  if (call.alias && (primitive || !builtin_names().empty()))
    if (primitive || std::ranges::count(builtin_names(), call.callee.text))
      return fail(context, call.alias->span,
                  fmt::format("`{}` owns no parameters: only layer calls are named", call.callee.text));
  if (auto value = call_builtin(context, call, at)) return *value;
  if (primitive) return call_primitive(context, *def, call, at);
  return unknown_callee(context, call);
}

std::shared_ptr<const Initializer> initializer_call(Context& context, const ast::Call& call, const ast::Span& at) {
  const Frame& frame = *context.frame;
  const auto* definition = context.declarations.find(Place::initializer, call.callee.text, frame.in_std);
  if (!definition) {
    const std::string near = suggestion(call.callee.text, context.declarations.names(Place::initializer, frame.in_std));
    report(context, call.callee.span,
           fmt::format("unknown initializer `{}`{}", call.callee.text,
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
    return nullptr;
  }
  if (call.alias) {
    report(context, call.alias->span, "an initializer owns no parameters: only layer calls are named");
    return nullptr;
  }
  const auto given = bind_arguments(context, *definition, call);
  const auto values = given ? evaluate_arguments(context, *definition, *given) : std::nullopt;
  if (!values) return nullptr;
  Initializer initializer{definition, {}, at};
  for (std::size_t i = 0; i < values->size(); ++i) {
    const auto& value = (*values)[i];
    if (!value) continue;
    if (value->tensor()) {
      report(context, (*given)[i]->span,
             fmt::format("an initializer's arguments are known at compile time, found {}", describe(*value)));
      return nullptr;
    }
    initializer.arguments.emplace_back(definition->parameters[i].name.text, *value);
  }
  return std::make_shared<const Initializer>(std::move(initializer));
}

}  // namespace nnc::frontend
