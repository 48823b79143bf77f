// `mean(x, axis = [1, 2], keepdim = true)`: a record called by its name, operands first, then attributes in the
// record's order.
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

namespace {

using ir::AttrKind;

/// Whether a call may give the attribute. The others come with an op's own spelling.
bool is_argument(const ir::AttrDef& attr) {
  return attr.kind != AttrKind::slot && attr.kind != AttrKind::tensor && attr.kind != AttrKind::dtype &&
         attr.kind != AttrKind::result_dtype;
}

/// The language says `axis` for one and for several.
std::string_view spoken_name(const ir::AttrDef& attr) { return attr.kind == AttrKind::axes ? "axis" : attr.name; }

std::string_view expectation(AttrKind kind) {
  switch (kind) {
    case AttrKind::boolean: return "true or false";
    case AttrKind::integer: return "an integer";
    case AttrKind::real: return "a number";
    case AttrKind::text: return "a text";
    case AttrKind::axis: return "a dimension's number";
    case AttrKind::axes: return "a dimension's number or a list of them";
    case AttrKind::integers: return "an integer or a list of them";
    default: return "a shape, a list of integers";
  }
}

std::optional<ir::Attr> attribute(AttrKind kind, const Value& value) {
  switch (kind) {
    case AttrKind::boolean:
      if (const auto* flag = value.as<bool>()) return *flag;
      return std::nullopt;
    case AttrKind::integer:
    case AttrKind::axis:
      if (const auto* integer = value.as<std::int64_t>()) return *integer;
      return std::nullopt;
    case AttrKind::real:
      if (const auto number = value.number()) return *number;
      return std::nullopt;
    case AttrKind::text:
      if (const auto* text = value.as<std::string>()) return *text;
      return std::nullopt;
    default: break;
  }
  if (const auto* integer = value.as<std::int64_t>(); integer && (kind == AttrKind::axes || kind == AttrKind::integers))
    return std::vector<std::int64_t>{*integer};
  if (auto integers = integers_of(value)) return std::move(*integers);
  return std::nullopt;
}

struct Slots {
  std::vector<std::string_view> names;
  std::size_t operands = 0;
  std::vector<const ir::AttrDef*> attrs;
};

Slots slots_of(const ir::OpDef& def) {
  Slots slots;
  for (const auto& operand : *def.operands) slots.names.push_back(operand.name);
  slots.operands = slots.names.size();
  for (const auto& attr : def.attrs)
    if (is_argument(attr)) {
      slots.names.push_back(spoken_name(attr));
      slots.attrs.push_back(&attr);
    }
  return slots;
}

/// Which argument each operand and attribute gets; empty after an error.
std::optional<std::vector<const ast::Argument*>> bind(Context& context, const ir::OpDef& def, const Slots& slots,
                                                      const ast::Call& call) {
  std::vector<const ast::Argument*> given(slots.names.size(), nullptr);
  std::size_t position = 0;
  bool failed = false;
  for (const ast::Argument& argument : call.arguments) {
    std::size_t index = argument.name ? slots.names.size() : position++;
    if (argument.name) {
      for (std::size_t i = 0; i < slots.names.size(); ++i)
        if (slots.names[i] == argument.name->text) index = i;
      if (index >= slots.names.size()) {
        const std::string near = suggestion(argument.name->text, {slots.names.begin(), slots.names.end()});
        report(context, argument.name->span,
               fmt::format("`{}` has no parameter `{}`{}", *def.name, argument.name->text,
                           near.empty() ? fmt::format("; it has {}", fmt::join(slots.names, ", "))
                                        : fmt::format("; did you mean `{}`?", near)));
        failed = true;
        continue;
      }
    } else if (index >= slots.names.size()) {
      report(context, argument.span,
             fmt::format("`{}` takes at most {} arguments ({}), found {}", *def.name, slots.names.size(),
                         fmt::join(slots.names, ", "), call.arguments.size()));
      return std::nullopt;
    }
    if (given[index]) {
      report(context, argument.span,
             fmt::format("`{}` is given twice{}", slots.names[index],
                         def.variadic ? fmt::format("; `{}` takes its tensors as one list", *def.name) : ""))
          .note(given[index]->span.at, "it is first given here");
      failed = true;
    }
    given[index] = &argument;
  }
  for (std::size_t i = 0; i < given.size() && !failed; ++i) {
    const bool required = i < slots.operands || (!slots.attrs[i - slots.operands]->absent &&
                                                 slots.attrs[i - slots.operands]->kind != AttrKind::axes);
    if (given[i] || !required) continue;
    report(context, call.callee.span, fmt::format("`{}` needs the argument `{}`", *def.name, slots.names[i]));
    failed = true;
  }
  if (failed) return std::nullopt;
  return given;
}

}  // namespace

std::optional<std::vector<std::int64_t>> integers_of(const Value& value) {
  const auto* list = value.as<std::vector<Value>>();
  if (!list) return std::nullopt;
  std::vector<std::int64_t> integers;
  for (const Value& element : *list) {
    const auto* integer = element.as<std::int64_t>();
    if (!integer) return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

Value call_primitive(Context& context, const ir::OpDef& def, const ast::Call& call, const ast::Span& at) {
  const Slots slots = slots_of(def);
  const auto given = bind(context, def, slots, call);
  if (!given) return poison(context);
  std::vector<Value> operands;
  std::vector<ir::NamedAttr> attrs;
  bool failed = false;
  for (std::size_t i = 0; i < given->size(); ++i) {
    if (!(*given)[i]) continue;
    const ast::Expr& expr = *(*given)[i]->value;
    Value value = evaluate(context, expr);
    failed = failed || value.poisoned();
    if (failed) continue;
    if (i < slots.operands) {
      const auto* list = value.as<std::vector<Value>>();
      if (!def.variadic || i + 1 < slots.operands) {
        operands.push_back(std::move(value));
      } else if (list && !list->empty()) {
        operands.insert(operands.end(), list->begin(), list->end());
      } else {
        auto& diagnostic = report(context, expr.span,
                                  fmt::format("`{}` takes a list of tensors, as in `{}([x, y])`, found {}", *def.name,
                                              *def.name, describe(value)));
        note_origin(diagnostic, value, expr.span);
        failed = true;
      }
      continue;
    }
    const ir::AttrDef& attr = *slots.attrs[i - slots.operands];
    if (value.as<None>() && (attr.absent || attr.kind == AttrKind::axes)) continue;
    auto converted = attribute(attr.kind, value);
    if (!converted) {
      auto& diagnostic = report(context, expr.span,
                                fmt::format("`{}` of `{}` is {}, found {}", slots.names[i], *def.name,
                                            expectation(attr.kind), describe(value)));
      note_origin(diagnostic, value, expr.span);
      failed = true;
      continue;
    }
    if (attr.kind == AttrKind::result_shape && !checked_elements(std::get<std::vector<std::int64_t>>(*converted))) {
      const auto& shape = std::get<std::vector<std::int64_t>>(*converted);
      const bool inferred = std::ranges::count(shape, -1) > 0;
      report(context, expr.span,
             fmt::format("a tensor of shape {} is too large or has a dimension below 1{}", describe(shape),
                         inferred ? "; none is inferred for -1: write, say, `size(x) / N`, or `flatten`" : ""));
      failed = true;
      continue;
    }
    attrs.push_back({std::string(attr.name), std::move(*converted)});
  }
  return failed ? poison(context) : apply(context, def, operands, std::move(attrs), at);
}

}  // namespace nnc::frontend
