// Arguments against a signature, in three rounds: bare capitals and `...` bind or unify over all arguments; defaults
// are evaluated, which may use them; then every other dimension is checked.
//
//   layer f(x: f32[N, D], w: f32[D, 2 * D])  with  f32[8,3], f32[3,6]   ->   N = 8, D = 3, and 6 is 2 * D
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/print_ast.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

using ast::TypeExpr;

const std::string* bare_dimension(const ast::Expr& dim) {
  const auto* use = std::get_if<ast::NameUse>(&dim.node);
  const bool capital = use && !use->name.empty() && use->name[0] >= 'A' && use->name[0] <= 'Z';
  return capital ? &use->name : nullptr;
}

/// Index of `...` among the dimensions, or their number.
std::size_t ellipsis_position(const std::vector<ast::ExprPtr>& dims) {
  for (std::size_t i = 0; i < dims.size(); ++i)
    if (std::holds_alternative<ast::Ellipsis>(dims[i]->node)) return i;
  return dims.size();
}

/// Which dimension of the shape each dimension expression speaks of; -1 for `...`. Empty if the ranks do not fit.
std::optional<std::vector<int>> align(const std::vector<ast::ExprPtr>& dims, const ir::Shape& shape) {
  const std::size_t dots = ellipsis_position(dims);
  const bool open = dots < dims.size();
  if (open ? shape.size() + 1 < dims.size() : shape.size() != dims.size()) return std::nullopt;
  std::vector<int> positions;
  for (std::size_t i = 0; i < dims.size(); ++i)
    positions.push_back(i == dots ? -1 : static_cast<int>(i < dots ? i : shape.size() + i - dims.size()));
  return positions;
}

/// Reports in the frame of the caller.
ir::Diagnostic& report_match(Context& context, const Match& match, Frame* reported_in, std::string message) {
  const Scoped<Frame*> caller(context.frame, reported_in);
  auto& diagnostic = report(context, match.at, std::move(message));
  if (match.origin.at.known() && match.origin.at != match.at.at && match.origin.at != diagnostic.at)
    diagnostic.note(match.origin.at, fmt::format("{} comes from here", match.found));
  return diagnostic;
}

bool widens(ir::DType from, ir::DType to) {
  if (ir::is_float(from) || from == to) return false;
  if (ir::is_float(to)) return true;
  if (to == ir::DType::i64) return true;
  return to == ir::DType::i32 && from != ir::DType::i64;
}

/// What makes `shape` the other one, if that is dropping a last dimension of 1.
std::string drop_hint(ir::Shape shape, const ir::Shape& other) {
  if (shape.empty() || shape.back() != 1) return "";
  shape.pop_back();
  if (shape != other) return "";
  std::string index;
  for (std::size_t d = 0; d < shape.size(); ++d) index += ":, ";
  return fmt::format("; `[{}0]` behind it gives {}", index, describe(shape));
}

void report_rank(Context& context, const Match& match, Frame* reported_in) {
  const auto& dims = *match.type->dims;
  const std::size_t found = match.shape.size();
  const bool open = ellipsis_position(dims) < dims.size();
  const std::string expected = open               ? fmt::format("at least {} are", dims.size() - 1)
                               : dims.size() == 1 ? "1 is"
                                                  : fmt::format("{} are", dims.size());
  report_match(context, match, reported_in,
               fmt::format("{} is {}, found {}: {} dimension{} where {} expected{}", match.subject, print(*match.type),
                           match.found, found, found == 1 ? "" : "s", expected,
                           found + 1 == dims.size() && !open ? "; `none` in an index adds one of 1" : ""))
      .note(match.type->span.at, fmt::format("{} is declared here", match.subject));
}

/// What `...`, dimension i of the type, stands for.
ir::Shape rest_of(const Match& match, std::size_t i) {
  const auto first = match.shape.begin() + static_cast<std::ptrdiff_t>(i);
  return {first, first + static_cast<std::ptrdiff_t>(match.shape.size() + 1 - match.type->dims->size())};
}

/// It stands for the same in the whole signature.
bool agrees_with_rest(Context& context, const Frame& callee, const Match& match, const ir::Shape& rest,
                      Frame* reported_in) {
  if (!callee.ellipsis || *callee.ellipsis == rest) return true;
  report_match(context, match, reported_in,
               fmt::format("{} is {}, found {}: `...` stands for {} here and for {} before", match.subject,
                           print(*match.type), match.found, describe(rest), describe(*callee.ellipsis)))
      .note(match.type->span.at, fmt::format("{} is declared here", match.subject))
      .note(callee.ellipsis_at.at, callee.ellipsis_from + drop_hint(*callee.ellipsis, rest));
  return false;
}

}  // namespace

std::optional<Value> convert_argument(Context& context, const ast::Parameter& parameter, const Value& value,
                                      const ast::Span& at) {
  const auto wrong = [&](std::string_view advice = "") -> std::optional<Value> {
    auto& diagnostic = report(
        context, at,
        fmt::format("`{}` is {}, found {}{}", parameter.name.text, print(*parameter.type), describe(value), advice));
    note_origin(diagnostic, value, at);
    diagnostic.note(parameter.name.span.at, fmt::format("`{}` is declared here", parameter.name.text));
    return std::nullopt;
  };
  if (value.as<Several>()) {
    report(context, at, fmt::format("expected one value, found {}", describe(value)));
    return std::nullopt;
  }
  if (!parameter.type) return value;
  const TypeExpr& type = *parameter.type;
  const bool optional =
      parameter.default_value && std::holds_alternative<ast::NoneLiteral>(parameter.default_value->node);
  if (value.as<None>() && optional) return value;
  switch (type.kind) {
    case TypeExpr::Kind::integer: return value.as<std::int64_t>() ? std::optional(value) : wrong();
    case TypeExpr::Kind::boolean: return value.as<bool>() ? std::optional(value) : wrong();
    case TypeExpr::Kind::string: return value.as<std::string>() ? std::optional(value) : wrong();
    case TypeExpr::Kind::initializer:
      return value.as<std::shared_ptr<const Initializer>>() ? std::optional(value) : wrong();
    case TypeExpr::Kind::chars:
    case TypeExpr::Kind::tokens: return wrong();
    case TypeExpr::Kind::element: break;
  }
  if (!type.dims) {  // a number, static if the argument is
    if (ir::is_float(type.dtype) && value.number()) return Value{*value.number(), value.origin};
    if (ir::is_integer(type.dtype) && value.as<std::int64_t>()) return value;
    const bool tensor = value.tensor() && value.tensor()->expr.type().rank() != 0;
    if (tensor) return wrong(fmt::format("; a tensor's type has dimensions: {}[...]", ir::name(type.dtype)));
    if (!value.tensor()) return wrong();
    if (value.tensor()->weak) return value;
  } else if (!value.tensor() || value.tensor()->weak) {
    const bool scalar = type.dims->empty() && (value.tensor() || value.is_static_number());
    if (!scalar) return wrong(tensor_advice(value));
    const auto expr = as_tensor(context, value, type.dtype, at);
    return expr ? std::optional(Value{TensorValue{*expr}, value.origin}) : std::nullopt;
  }
  const ir::DType found = value.tensor()->expr.dtype();
  if (found == type.dtype) return value;
  if (!widens(found, type.dtype)) return wrong(fmt::format("; a cast is written: {}(...)", ir::name(type.dtype)));
  const auto expr = as_tensor(context, value, type.dtype, at);
  return expr ? std::optional(Value{TensorValue{*expr}, value.origin}) : std::nullopt;
}

bool bind_dimensions(Context& context, Frame& callee, const Match& match, Frame* reported_in) {
  const auto& dims = *match.type->dims;
  const auto positions = align(dims, match.shape);
  if (!positions) {
    report_rank(context, match, reported_in);
    return false;
  }
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if ((*positions)[i] < 0) {
      const ir::Shape rest = rest_of(match, i);
      if (!agrees_with_rest(context, callee, match, rest, reported_in)) return false;
      if (!callee.ellipsis) {
        callee.ellipsis_from = fmt::format("{} is {}", match.subject, match.found);
        callee.ellipsis_at = match.origin;
      }
      callee.ellipsis = rest;
      continue;
    }
    const std::string* name = bare_dimension(*dims[i]);
    if (!name) continue;
    const std::int64_t extent = match.shape[static_cast<std::size_t>((*positions)[i])];
    const auto [at, fresh] =
        callee.variables.emplace(*name, Variable{{extent, match.origin}, "a dimension", match.subject});
    if (fresh) continue;
    const auto* bound = at->second.value.as<std::int64_t>();
    if (!bound || *bound == extent) continue;
    auto& diagnostic =
        report_match(context, match, reported_in,
                     fmt::format("{} is {}, found {}: `{}` is {} here, but {} from {}", match.subject,
                                 print(*match.type), match.found, *name, extent, *bound, at->second.from));
    diagnostic.note(at->second.value.origin.at, fmt::format("`{}` = {} comes from here", *name, *bound));
    diagnostic.note(match.type->span.at, fmt::format("{} is declared here", match.subject));
    return false;
  }
  return true;
}

bool check_dimensions(Context& context, Frame& callee, const Match& match, Frame* reported_in) {
  const auto& dims = *match.type->dims;
  const auto positions = align(dims, match.shape);
  if (!positions) {
    report_rank(context, match, reported_in);
    return false;
  }
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if ((*positions)[i] < 0) {
      if (!agrees_with_rest(context, callee, match, rest_of(match, i), reported_in)) return false;
      continue;
    }
    const Scoped<Frame*> inside(context.frame, &callee);
    const auto expected = evaluate_integer(context, *dims[i], "a dimension");
    if (!expected) return false;
    const std::int64_t extent = match.shape[static_cast<std::size_t>((*positions)[i])];
    if (extent == *expected) continue;
    const std::string text = print(*dims[i]);
    const std::string value = text == std::to_string(*expected) ? "" : fmt::format(" (`{}`)", text);
    auto& diagnostic =
        report_match(context, match, reported_in,
                     fmt::format("{} is {}, found {}: dimension {} is {}, expected {}{}", match.subject,
                                 print(*match.type), match.found, (*positions)[i], extent, *expected, value));
    if (const std::string* name = bare_dimension(*dims[i]))
      if (const auto bound = callee.variables.find(*name); bound != callee.variables.end())
        diagnostic.note(bound->second.value.origin.at,
                        fmt::format("`{}` is {} from {}", *name, *expected, bound->second.from));
    diagnostic.note(match.type->span.at, fmt::format("{} is declared here", match.subject));
    return false;
  }
  return true;
}

bool enter_parameters(Context& context, Frame& callee, std::vector<std::optional<Value>> arguments,
                      const std::vector<ast::Span>& places) {
  Frame* const caller = context.frame;
  const auto& parameters = callee.definition->parameters;
  std::vector<Match> matches;
  bool ok = true;
  const auto enter = [&](std::size_t i, const Value& value, const ast::Span& at, Frame* reported_in) {
    const Scoped<Frame*> in(context.frame, reported_in);
    auto converted = convert_argument(context, parameters[i], value, at);
    if (!converted) return ok = false;
    if (converted->tensor() && parameters[i].type && parameters[i].type->dims) {
      matches.push_back({&*parameters[i].type, converted->tensor()->expr.shape(),
                         fmt::format("`{}`", parameters[i].name.text), describe(value), value.origin, at});
      ok = bind_dimensions(context, callee, matches.back(), reported_in) && ok;
    }
    callee.variables.insert_or_assign(parameters[i].name.text, Variable{std::move(*converted)});
    return ok;
  };
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (arguments[i]) enter(i, *arguments[i], places[i], caller);
  if (!ok) return false;
  const std::size_t given = matches.size();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (arguments[i]) continue;
    NNC_CHECK(parameters[i].default_value, "a missing argument was not reported");
    const ast::Expr& expr = *parameters[i].default_value;
    const Scoped<Frame*> inside(context.frame, &callee);
    const std::optional<Value> value = evaluate_argument(context, parameters[i], expr);
    if (!value || !enter(i, *value, expr.span, &callee)) return false;
  }
  for (std::size_t i = 0; i < matches.size(); ++i)
    ok = check_dimensions(context, callee, matches[i], i < given ? caller : &callee) && ok;
  return ok;
}

}  // namespace nnc::frontend
