#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/print_ast.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

std::string parameter_list(const ast::Definition& definition) {
  std::string text;
  for (const auto& parameter : definition.parameters) text += (text.empty() ? "" : ", ") + parameter.name.text;
  if (text.empty()) return "no parameters";
  return (definition.parameters.size() == 1 ? "the parameter " : "the parameters ") + text;
}

void report_unknown(Context& context, const ast::Definition& definition, const ast::Name& name) {
  std::vector<std::string> names;
  for (const auto& parameter : definition.parameters) names.push_back(parameter.name.text);
  const std::string near = suggestion(name.text, names);
  report(context, name.span,
         near.empty()
             ? fmt::format("`{}` has no parameter `{}`; it has {}", definition.name.text, name.text,
                           parameter_list(definition))
             : fmt::format("`{}` has no parameter `{}`; did you mean `{}`?", definition.name.text, name.text, near));
}

}  // namespace

std::optional<std::vector<const ast::Expr*>> bind_arguments(Context& context, const ast::Definition& definition,
                                                            const ast::Call& call,
                                                            const std::map<std::string, const ast::Expr*>& overrides) {
  const auto& parameters = definition.parameters;
  std::vector<const ast::Expr*> given(parameters.size(), nullptr);
  bool failed = false;
  std::size_t position = 0;
  for (const ast::Argument& argument : call.arguments) {
    std::size_t index = parameters.size();
    if (!argument.name) {
      index = position++;
      if (index >= parameters.size()) {
        if (index == parameters.size())
          report(context, argument.span,
                 fmt::format("`{}` takes {} argument{}, found {}", definition.name.text, parameters.size(),
                             parameters.size() == 1 ? "" : "s", call.arguments.size()))
              .note(definition.name.span.at, fmt::format("it is declared here, with {}", parameter_list(definition)));
        failed = true;
        continue;
      }
    } else {
      for (std::size_t i = 0; i < parameters.size(); ++i)
        if (parameters[i].name.text == argument.name->text) index = i;
      if (index == parameters.size()) {
        report_unknown(context, definition, *argument.name);
        failed = true;
        continue;
      }
    }
    if (given[index]) {
      report(context, argument.name ? argument.name->span : argument.span,
             fmt::format("`{}` is given twice", parameters[index].name.text))
          .note(given[index]->span.at, "it is first given here");
      failed = true;
      continue;
    }
    given[index] = argument.value.get();
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (const auto override = overrides.find(parameters[i].name.text); override != overrides.end())
      given[i] = override->second;
    if (given[i] || parameters[i].default_value || failed) continue;
    report(context, call.callee.span,
           fmt::format("`{}` needs the argument `{}`{}", definition.name.text, parameters[i].name.text,
                       parameters[i].type ? fmt::format(": {}", print(*parameters[i].type)) : ""))
        .note(parameters[i].name.span.at, "it is declared here");
    failed = true;
  }
  if (failed) return std::nullopt;
  return given;
}

std::optional<Value> evaluate_argument(Context& context, const ast::Parameter& parameter, const ast::Expr& given) {
  if (parameter.type && parameter.type->kind == ast::TypeExpr::Kind::initializer) {
    auto initializer = evaluate_initializer(context, given);
    return initializer ? std::optional(Value{std::move(initializer), given.span}) : std::nullopt;
  }
  Value value = evaluate(context, given);
  return value.poisoned() ? std::nullopt : std::optional(std::move(value));
}

std::optional<std::vector<std::optional<Value>>> evaluate_arguments(Context& context, const ast::Definition& definition,
                                                                    const std::vector<const ast::Expr*>& given) {
  std::vector<std::optional<Value>> values;
  bool failed = false;
  for (std::size_t i = 0; i < given.size(); ++i) {
    values.push_back(given[i] ? evaluate_argument(context, definition.parameters[i], *given[i]) : std::nullopt);
    failed = failed || (given[i] && !values.back());
  }
  if (failed) return std::nullopt;
  return values;
}

std::vector<ast::Span> spans_of(const std::vector<const ast::Expr*>& given, const ast::Span& call) {
  std::vector<ast::Span> spans;
  for (const ast::Expr* expr : given) spans.push_back(expr ? expr->span : call);
  return spans;
}

void note_arguments(const Context& context, Frame& callee, const std::vector<const ast::Expr*>& given) {
  const Frame& caller = *context.frame;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i]) continue;
    ast::Span place = given[i]->span;
    const auto* use = std::get_if<ast::NameUse>(&given[i]->node);
    if (const auto outer = use && caller.in_std ? caller.arguments.find(use->name) : caller.arguments.end();
        outer != caller.arguments.end())
      place = outer->second;
    callee.arguments.insert_or_assign(callee.definition->parameters[i].name.text, place);
  }
}

}  // namespace nnc::frontend
