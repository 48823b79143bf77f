#include "frontend/evaluate.h"

#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/static_math.h"
#include "frontend/suggest.h"
#include "ir/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace nnc::frontend {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

bool sees_step(const Frame& frame) {
  return frame.kind == Frame::Kind::optimizer || frame.kind == Frame::Kind::schedule;
}

Value runtime_scalar(Context& context, const std::string& name, const ast::Span& at) {
  if (!context.target) return fail(context, at, fmt::format("`{}` is known at run time only", name));
  const bool counts = name == ir::step_slot;
  if (!counts && !context.recipe.epochs && !context.recipe.steps)
    return fail(context, at, "`total_steps` is not known: the training has neither `epochs` nor `steps`");
  const ir::Expr slot = counts ? read_scalar_slot(context, ir::step_slot, ir::SlotKind::counter, at)
                               : read_scalar_slot(context, ir::total_steps_slot, ir::SlotKind::setting, at);
  context.target->builder.location = location(context, at);
  return {TensorValue{context.target->builder.cast(slot, ir::DType::f64), true}, at};
}

/// Why the name, a dimension of the signature of the body, is bound by nothing; empty if it is no such dimension.
std::string unbound_dimension(const Frame& frame, const ast::Span& at) {
  if (!frame.definition) return "";
  const auto has = [&](const ast::TypeExpr& type) {
    return type.dims && std::ranges::any_of(*type.dims, [&](const auto& dim) { return dim->span.at == at.at; });
  };
  for (const auto& parameter : frame.definition->parameters)
    if (parameter.type && has(*parameter.type)) return "dimensions that arguments bind start in upper case";
  for (const auto& type : frame.definition->results)
    if (has(type)) return "no argument binds this dimension, and results bind none";
  return "";
}

bool assigned_in(const ast::Block& block, const std::string& name) {
  bool found = false;
  for_each_target(block, [&](const ast::Name& target) { found = found || target.text == name; });
  return found;
}

Value unknown_name(Context& context, const std::string& name, const ast::Span& at) {
  const Frame& frame = *context.frame;
  if (const auto untaken = frame.not_taken.find(name); untaken != frame.not_taken.end()) {
    report(context, at, fmt::format("`{}` has no value here: it is assigned only where this part is not run", name))
        .note(untaken->second.at, "it is assigned under the condition here, which does not hold");
    return poison(context);
  }
  if (const auto ended = frame.ended.find(name); ended != frame.ended.end()) {
    report(context, at, fmt::format("the loop variable `{}` ends with its loop", name))
        .note(ended->second.at, "the loop is here");
    return poison(context);
  }
  if (const auto scan = frame.scan_names.find(name); scan != frame.scan_names.end()) {
    report(context, at, fmt::format("`{}` ends with its scan: yield it, or carry it out", name))
        .note(scan->second.at, "the scan is here");
    return poison(context);
  }
  for (const auto& [key, instance] : frame.instances)
    if (key == name)
      return fail(context, at,
                  fmt::format("`{}` names a layer call, not a value: its parameters are values, as in `{}.weight`",
                              name, name));
  if (context.declarations.find(Place::value, name, frame.in_std) || ir::find_op(name))
    return fail(context, at, fmt::format("`{}` is a function, not a value: call it, `{}(...)`", name, name));

  if (const std::string why = unbound_dimension(frame, at); !why.empty())
    return fail(context, at, fmt::format("unknown name `{}`: {}", name, why));
  if (frame.kind == Frame::Kind::file && name == "B")
    return fail(context, at, "unknown name `B`: types in `data` describe one example, without the batch");
  if (frame.kind == Frame::Kind::predict && assigned_in(context.declarations.train()->body, name))
    return fail(context, at,
                fmt::format("unknown name `{}`: it is a name of `train`; `predict` sees hypers, its own `data` and "
                            "train's layers",
                            name));

  if (const std::string what = frame.in_std ? "" : context.declarations.elsewhere(name, at.at); !what.empty())
    return fail(context, at, fmt::format("unknown name `{}`{}", name, what));

  std::vector<std::string> candidates = {"true", "false", "none", "inf"};
  for (const auto& [candidate, variable] : frame.variables) candidates.push_back(candidate);
  if (!frame.in_std)
    for (const auto& [candidate, value] : context.hypers) candidates.push_back(candidate);
  const std::string near = suggestion(name, candidates);
  return fail(context, at,
              fmt::format("unknown name `{}`{}", name, near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
}

Value evaluate_name(Context& context, const std::string& name, const ast::Span& at) {
  const Frame& frame = *context.frame;
  if (const auto local = frame.variables.find(name); local != frame.variables.end()) return local->second.value;
  if (!frame.in_std)
    if (const auto hyper = context.hypers.find(name); hyper != context.hypers.end()) return hyper->second;
  if (name == "training" && frame.kind != Frame::Kind::file) return {context.target && context.target->training, at};
  if ((name == ir::step_slot || name == ir::total_steps_slot) && sees_step(frame))
    return runtime_scalar(context, name, at);
  return unknown_name(context, name, at);
}

Value evaluate_list(Context& context, const ast::ListLiteral& list, const ast::Span& at) {
  std::vector<Value> elements;
  for (const auto& element : list.elements) {
    if (std::holds_alternative<ast::Ellipsis>(element->node)) {
      if (!context.frame->ellipsis)
        return fail(context, element->span, "`...` stands for nothing here: no type of the signature has it");
      for (const std::int64_t extent : *context.frame->ellipsis) elements.push_back({extent, element->span});
      continue;
    }
    elements.push_back(evaluate(context, *element));
    if (elements.back().poisoned()) return poison(context);
    if (elements.back().as<Several>())
      return fail(context, element->span, fmt::format("expected one value, found {}", describe(elements.back())));
  }
  Value result{std::move(elements), at};
  if (deep_size(result) > max_list) return fail(context, at, fmt::format("a list has at most {} elements", max_list));
  return result;
}

Value evaluate_member(Context& context, const ast::Member& member, const ast::Span& at) {
  if (member.member.text != "mT") {
    if (auto value = evaluate_parameter_of_instance(context, member, at)) return *value;
    const Value object = evaluate(context, *member.object);
    if (object.poisoned()) return poison(context);
    const std::string& name = member.member.text;
    const bool callable = context.declarations.find(Place::value, name, context.frame->in_std) ||
                          std::ranges::count(builtin_names(), name) > 0 || ir::find_op(name);
    return fail(context, member.member.span,
                fmt::format("{} has no member `{}`; {}", describe(object), name,
                            callable ? fmt::format("it is an argument, as in `{}(x)`", name)
                                     : "`.mT` swaps the last two dimensions"));
  }
  const Value object = evaluate(context, *member.object);
  if (object.poisoned()) return poison(context);
  if (!object.tensor() || object.tensor()->expr.type().rank() < 2)
    return fail(context, member.member.span,
                fmt::format("`.mT` swaps the last two dimensions; {} does not have two", describe(object)));
  if (!belongs_here(context, object, at)) return poison(context);
  context.target->builder.location = location(context, at);
  ++context.ops;
  return {TensorValue{context.target->builder.transpose_last(object.tensor()->expr)}, at};
}

Value evaluate_conditional(Context& context, const ast::Conditional& conditional) {
  const auto condition = evaluate_condition(context, *conditional.condition);
  if (!condition) return poison(context);
  return evaluate(context, *condition ? *conditional.then_value : *conditional.else_value);
}

Value dispatch(Context& context, const ast::Expr& expr) {
  const ast::Span& at = expr.span;
  return std::visit(
      Overloaded{
          [&](const ast::IntegerLiteral& literal) {
            return Value{literal.value, at};
          },
          [&](const ast::RealLiteral& literal) {
            return Value{literal.value, at};
          },
          [&](const ast::StringLiteral& literal) {
            return Value{literal.value, at};
          },
          [&](const ast::BoolLiteral& literal) {
            return Value{literal.value, at};
          },
          [&](const ast::NoneLiteral&) {
            return Value{None{}, at};
          },
          [&](const ast::InfLiteral&) {
            return Value{std::numeric_limits<double>::infinity(), at};
          },
          [&](const ast::NameUse& use) { return evaluate_name(context, use.name, at); },
          [&](const ast::Ellipsis&) { return fail(context, at, "`...` stands in a list or a type only"); },
          [&](const ast::ListLiteral& list) { return evaluate_list(context, list, at); },
          [&](const ast::Call& call) { return evaluate_call(context, call, at); },
          [&](const ast::Index& index) { return evaluate_index(context, index, at); },
          [&](const ast::Member& member) { return evaluate_member(context, member, at); },
          [&](const ast::Unary& unary) { return evaluate_unary(context, unary, at); },
          [&](const ast::Binary& binary) { return evaluate_binary(context, binary, at); },
          [&](const ast::Conditional& conditional) { return evaluate_conditional(context, conditional); },
      },
      expr.node);
}

}  // namespace

Value evaluate(Context& context, const ast::Expr& expr) {
  if (context.exhausted) return poison(context);
  if (context.nesting >= max_nesting)
    return exhaust(context, expr.span, fmt::format("expressions and calls nest more than {} deep", max_nesting));
  if (++context.evaluations > max_evaluations)
    return exhaust(context, expr.span,
                   fmt::format("the program has more than {} expressions after inlining", max_evaluations));
  const Scoped<int> deeper(context.nesting, context.nesting + 1);
  Value value = dispatch(context, expr);
  // A list costs what it holds.
  if (const auto* list = value.as<std::vector<Value>>()) context.evaluations += static_cast<std::int64_t>(list->size());
  return value;
}

std::shared_ptr<const Initializer> evaluate_initializer(Context& context, const ast::Expr& expr) {
  if (const auto* call = std::get_if<ast::Call>(&expr.node)) return initializer_call(context, *call, expr.span);
  if (const auto* conditional = std::get_if<ast::Conditional>(&expr.node)) {
    const auto condition = evaluate_condition(context, *conditional->condition);
    if (!condition) return nullptr;
    return evaluate_initializer(context, *condition ? *conditional->then_value : *conditional->else_value);
  }
  if (const auto* use = std::get_if<ast::NameUse>(&expr.node)) {
    const auto local = context.frame->variables.find(use->name);
    if (local != context.frame->variables.end()) {
      if (local->second.value.poisoned()) return nullptr;
      if (const auto* initializer = local->second.value.as<std::shared_ptr<const Initializer>>()) return *initializer;
    } else if (context.declarations.find(Place::initializer, use->name, context.frame->in_std)) {
      report(context, expr.span, fmt::format("an initializer is called: write `{}()`", use->name));
      return nullptr;
    }
  }
  const Value value = evaluate(context, expr);
  if (!value.poisoned())
    report(context, expr.span, fmt::format("expected an initializer such as `zeros()`, found {}", describe(value)));
  return nullptr;
}

std::optional<std::int64_t> as_integer(Context& context, const Value& value, const ast::Span& at,
                                       std::string_view what) {
  if (value.poisoned()) return std::nullopt;
  if (const auto* integer = value.as<std::int64_t>()) return *integer;
  auto& diagnostic =
      report(context, at, fmt::format("{} is an integer known at compile time, found {}", what, describe(value)));
  note_origin(diagnostic, value, at);
  return std::nullopt;
}

std::optional<std::int64_t> evaluate_integer(Context& context, const ast::Expr& expr, std::string_view what) {
  return as_integer(context, evaluate(context, expr), expr.span, what);
}

std::optional<bool> evaluate_condition(Context& context, const ast::Expr& expr) {
  const Value value = evaluate(context, expr);
  if (value.poisoned()) return std::nullopt;
  if (const auto* flag = value.as<bool>()) return *flag;
  auto& diagnostic =
      report(context, expr.span,
             value.tensor() ? fmt::format("the condition of `if` is known at compile time, found {}; `where(condition, "
                                          "a, b)` chooses at run time",
                                          describe(value))
                            : fmt::format("the condition of `if` is true or false, found {}", describe(value)));
  note_origin(diagnostic, value, expr.span);
  return std::nullopt;
}

std::optional<ir::Type> evaluate_type(Context& context, const ast::TypeExpr& type) {
  using Kind = ast::TypeExpr::Kind;
  const bool text = type.kind == Kind::chars || type.kind == Kind::tokens;
  if (type.kind != Kind::element && type.kind != Kind::boolean && !text) {
    report(context, type.span, "expected the type of a tensor, such as f32[3, 4]");
    return std::nullopt;
  }
  if (type.dtype == ir::DType::bf16) {
    report(context, type.span, "`bf16` is not supported by this version");
    return std::nullopt;
  }
  ir::Type result{text ? ir::DType::i32 : type.dtype, {}, {}};
  if (!type.dims) return result;
  for (const auto& dim : *type.dims) {
    if (std::holds_alternative<ast::Ellipsis>(dim->node)) {
      if (!context.frame->ellipsis) {
        report(context, dim->span, "`...` stands for nothing here: no type of the signature has it");
        return std::nullopt;
      }
      result.shape.insert(result.shape.end(), context.frame->ellipsis->begin(), context.frame->ellipsis->end());
      continue;
    }
    const auto extent = evaluate_integer(context, *dim, "a dimension");
    if (!extent) return std::nullopt;
    if (*extent < 1) {
      report(context, dim->span, fmt::format("a dimension is at least 1, found {}", *extent));
      return std::nullopt;
    }
    result.shape.push_back(*extent);
  }
  if (!checked_elements(result.shape)) {
    report(context, type.span, fmt::format("a tensor of shape {} is too large", describe(result.shape)));
    return std::nullopt;
  }
  return result;
}

}  // namespace nnc::frontend
