// What neither a record nor std can say: shape and size of a tensor, casts written as calls of a type, splitting
// into several values, what is known while compiling, errors of a program's own, and random numbers, whose stream is the call's place in the program.
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <variant>

namespace nnc::frontend {

namespace {

/// Parameters of a builtin; all but the first `required` may be left out.
struct Builtin {
  std::string_view name;
  std::vector<std::string_view> parameters;
  std::size_t required;
  Value (*call)(Context&, const std::vector<Value>&, const ast::Call&, const ast::Span&);
};

Value shape_of(Context& context, const std::vector<Value>& arguments, const ast::Call&, const ast::Span& at) {
  std::vector<Value> extents;
  if (const auto* tensor = arguments[0].tensor()) {
    for (const std::int64_t extent : tensor->expr.shape()) extents.push_back({extent, at});
  } else if (!arguments[0].is_static_number()) {
    return fail(context, at, fmt::format("`shape` takes a tensor, found {}", describe(arguments[0])));
  }
  return {std::move(extents), at};
}

/// `"f32"`: how a declaration treats tensors of several types differently.
Value dtype_of(Context& context, const std::vector<Value>& arguments, const ast::Call&, const ast::Span& at) {
  if (const auto* tensor = arguments[0].tensor()) return {std::string(ir::name(tensor->expr.dtype())), at};
  if (arguments[0].is_static_number()) return {std::string(ir::name(natural_dtype(arguments[0]))), at};
  return fail(context, at, fmt::format("`dtype` takes a tensor, found {}", describe(arguments[0])));
}

/// Elements of a tensor or a list.
Value size_of(Context& context, const std::vector<Value>& arguments, const ast::Call&, const ast::Span& at) {
  if (const auto* tensor = arguments[0].tensor()) return {tensor->expr.type().elements(), at};
  if (const auto* list = arguments[0].as<std::vector<Value>>()) return {static_cast<std::int64_t>(list->size()), at};
  return fail(context, at, fmt::format("`size` takes a tensor or a list, found {}", describe(arguments[0])));
}

/// The numbers of a nested list, row by row, and the shape of the lists; false if it is not one.
bool flatten(const Value& value, std::size_t depth, ir::Shape& shape, std::vector<double>& numbers) {
  if (const auto number = value.number(); number && depth == shape.size()) {
    numbers.push_back(*number);
    return true;
  }
  const auto* list = value.as<std::vector<Value>>();
  if (!list || list->empty()) return false;
  const auto extent = static_cast<std::int64_t>(list->size());
  if (depth == shape.size() && numbers.empty()) shape.push_back(extent);
  if (depth >= shape.size() || shape[depth] != extent) return false;
  return std::ranges::all_of(*list, [&](const Value& element) { return flatten(element, depth + 1, shape, numbers); });
}

/// A list of numbers, or of such lists of one length, as a tensor.
Value tensor_of(Context& context, const std::vector<Value>& arguments, const ast::Call&, const ast::Span& at) {
  ir::Shape shape;
  std::vector<double> numbers;
  if (!arguments[0].as<std::vector<Value>>() || !flatten(arguments[0], 0, shape, numbers))
    return fail(
        context, at,
        fmt::format("`tensor` takes a list of numbers, or of lists of one length, found {}", describe(arguments[0])));
  if (!context.target) return fail(context, at, "expected something known at compile time, found a tensor");
  ir::Tensor tensor(ir::Type{ir::DType::f32, shape, {}});
  for (std::size_t i = 0; i < numbers.size(); ++i) tensor.set_real(static_cast<std::int64_t>(i), numbers[i]);
  ir::Builder& builder = context.target->builder;
  builder.location = location(context, at);
  ++context.ops;
  return {TensorValue{builder.constant(std::move(tensor))}, at};
}

/// Parts along `axis`, as several values. `name` for messages; `sizes_of` gives the sizes for an extent, or the error.
using Sizes = std::variant<std::vector<std::int64_t>, std::string>;
Value divide(Context& context, std::string_view name, const std::vector<Value>& arguments, const ast::Call& call,
             const ast::Span& at, const std::function<Sizes(std::int64_t)>& sizes_of) {
  const ir::Expr x = arguments[0].tensor()->expr;
  const auto* given = arguments[2].as<std::int64_t>();
  const std::int64_t rank = x.type().rank();
  std::int64_t axis = given ? *given : 0;
  if (axis < -rank || axis >= rank)
    return fail(context, at,
                fmt::format("`{}`: `axis` is {}, but {} has {} dimensions", name, axis, describe(arguments[0]), rank));
  if (axis < 0) axis += rank;
  const Sizes sizes = sizes_of(x.shape()[static_cast<std::size_t>(axis)]);
  if (const auto* error = std::get_if<std::string>(&sizes))
    return fail(context, call.callee.span, fmt::format("`{}`: {}", name, *error));
  if (!belongs_here(context, arguments[0], at)) return poison(context);
  ir::Builder& builder = context.target->builder;
  builder.location = location(context, at);
  std::vector<Value> values;
  std::int64_t place = 0;
  for (const std::int64_t size : std::get<std::vector<std::int64_t>>(sizes)) {
    std::vector<std::int64_t> start(static_cast<std::size_t>(rank), 0), stop = x.shape();
    start[static_cast<std::size_t>(axis)] = place;
    stop[static_cast<std::size_t>(axis)] = place += size;
    ++context.ops;
    values.push_back({TensorValue{builder.op("slice", {x}, {{"start", start}, {"stop", stop}})}, at});
  }
  if (values.size() == 1) return values.front();
  return {Several{std::move(values)}, at};
}

/// A number of equal parts.
Value chunk(Context& context, const std::vector<Value>& arguments, const ast::Call& call, const ast::Span& at) {
  const auto* parts = arguments[1].as<std::int64_t>();
  if (!arguments[0].tensor() || !parts || !(arguments[2].as<std::int64_t>() || arguments[2].as<None>()))
    return fail(context, at,
                fmt::format("`chunk` takes a tensor, a number of parts and an axis; found {}, {}, {}",
                            describe(arguments[0]), describe(arguments[1]), describe(arguments[2])));
  return divide(context, "chunk", arguments, call, at, [&](std::int64_t extent) -> Sizes {
    if (*parts < 1 || extent % *parts != 0)
      return fmt::format("a dimension of {} does not make {} equal parts", extent, *parts);
    return std::vector<std::int64_t>(static_cast<std::size_t>(*parts), extent / *parts);
  });
}

/// Parts of given sizes, or of one size but for the last.
Value split(Context& context, const std::vector<Value>& arguments, const ast::Call& call, const ast::Span& at) {
  const auto* size = arguments[1].as<std::int64_t>();
  const auto list = integers_of(arguments[1]);
  if (!arguments[0].tensor() || !(size || list) || !(arguments[2].as<std::int64_t>() || arguments[2].as<None>()))
    return fail(context, at,
                fmt::format("`split` takes a tensor, a size or a list of sizes, and an axis; found {}, {}, {}",
                            describe(arguments[0]), describe(arguments[1]), describe(arguments[2])));
  return divide(context, "split", arguments, call, at, [&](std::int64_t extent) -> Sizes {
    std::vector<std::int64_t> sizes;
    if (size && *size < 1) return fmt::format("a part has at least 1 position, found {}", *size);
    for (std::int64_t rest = extent; size && rest > 0; rest -= *size) sizes.push_back(std::min(rest, *size));
    if (list) sizes = *list;
    std::int64_t sum = 0;
    for (const std::int64_t part : sizes) {
      if (part < 1 || part > extent) return fmt::format("a part of {} in a dimension of {}", part, extent);
      sum += part;
    }
    if (sum != extent) return fmt::format("parts of {} in all do not make a dimension of {}", sum, extent);
    return sizes;
  });
}

/// The stream is where the call stands in the program: the path, the ordinals of the calls in the texts of their
/// bodies, the loop indices. Names and lines of functions do not matter.
Value random_numbers(Context& context, const std::vector<Value>& arguments, const ast::Call& call,
                     const ast::Span& at) {
  const auto shape = integers_of(arguments[0]);
  if (!shape || !checked_elements(*shape))
    return fail(context, at,
                fmt::format("`random_uniform` takes a shape, a list of integers, found {}", describe(arguments[0])));
  if (!context.target || context.target->kind == Target::Kind::rule)
    return fail(context, at, "optimizers, schedules and settings draw no random numbers");
  const Frame& frame = *context.frame;
  std::string stream = context.target->kind == Target::Kind::initial ? context.target->stream : frame.path;
  stream += frame.site;
  const auto& ordinals = context.numbers(frame).ordinal;
  if (const auto ordinal = ordinals.find(&call); ordinal != ordinals.end())
    stream += fmt::format("/{}", ordinal->second);
  for (const std::int64_t index : frame.unroll) stream += fmt::format("[{}]", index);

  const ir::Expr key = read_scalar_slot(context, ir::key_slot, ir::SlotKind::setting, at);
  ir::Builder& builder = context.target->builder;
  const ir::Expr counter = context.target->kind == Target::Kind::initial
                               ? builder.constant(ir::Tensor(ir::Type{ir::DType::i64, {}, {}}))
                               : read_scalar_slot(context, ir::step_slot, ir::SlotKind::counter, at);
  builder.location = location(context, at);
  ++context.ops;
  return {TensorValue{builder.random(key, scan_counter(context, counter), *shape, stream)}, at};
}

/// Whether no value of the graph is in it: what a declaration may ask before it compares a number.
bool is_known(const Value& value) {
  const auto* list = value.as<std::vector<Value>>();
  return list ? std::ranges::all_of(*list, is_known) : !value.tensor();
}

Value known(Context&, const std::vector<Value>& arguments, const ast::Call&, const ast::Span& at) {
  return {is_known(arguments[0]), at};
}

/// Where the parameter was given that `call` names as found.
std::optional<ast::Span> given_at(const Context& context, const ast::Call& call) {
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    const ast::Argument& argument = call.arguments[i];
    if (argument.name ? argument.name->text != "found" : i != 1) continue;
    const auto* use = std::get_if<ast::NameUse>(&argument.value->node);
    const auto& given = context.frame->arguments;
    if (const auto at = use ? given.find(use->name) : given.end();
        at != given.end() && at->second.at.file == context.declarations.user_file())
      return at->second;
  }
  return std::nullopt;
}

/// Ends the call that evaluates it: how a declaration refuses an argument.
Value refuse(Context& context, const std::vector<Value>& arguments, const ast::Call& call, const ast::Span& at) {
  const auto* text = arguments[0].as<std::string>();
  if (!text) return fail(context, at, fmt::format("`error` takes a text, found {}", describe(arguments[0])));
  if (arguments[1].as<None>() && arguments[2].as<None>()) return fail(context, at, *text);
  std::string message = fmt::format("{}, found {}", *text, describe(arguments[1]));
  if (!arguments[2].as<None>()) message += fmt::format(" beside {}", describe(arguments[2]));
  const auto argument = given_at(context, call);
  if (!argument) return fail(context, at, message);
  report_argument(context, *argument, at, message);
  return poison(context);
}

std::optional<Value> cast(Context& context, const Value& value, ir::DType dtype, const ast::Span& at) {
  if (dtype == ir::DType::bf16) return fail(context, at, "`bf16` is not supported by this version");
  if (value.tensor()) {
    const auto expr = as_tensor(context, value, dtype, at);
    return expr ? Value{TensorValue{*expr}, at} : poison(context);
  }
  if (!value.is_static_number())
    return fail(context, at, fmt::format("`{}` does not take {}", ir::name(dtype), describe(value)));
  const double number = value.number().value_or(value.as<bool>() && *value.as<bool>() ? 1 : 0);
  if (dtype == ir::DType::boolean) return Value{number != 0, at};
  if (ir::is_float(dtype)) return Value{number, at};
  if (const auto* integer = value.as<std::int64_t>();
      integer && *integer >= ir::lowest(dtype) && *integer <= ir::highest(dtype))
    return Value{*integer, at};
  const double whole = std::trunc(number);
  if (!(whole >= static_cast<double>(ir::lowest(dtype)) && whole <= static_cast<double>(ir::highest(dtype))) ||
      std::abs(whole) > 9e18)
    return fail(context, at, fmt::format("{} does not fit {}", describe(value), ir::name(dtype)));
  return Value{static_cast<std::int64_t>(whole), at};
}

const std::vector<Builtin>& builtins() {
  static const std::vector<Builtin> all = {
      {"shape", {"x"}, 1, shape_of},
      {"dtype", {"x"}, 1, dtype_of},
      {"size", {"x"}, 1, size_of},
      {"tensor", {"numbers"}, 1, tensor_of},
      {"chunk", {"x", "parts", "axis"}, 2, chunk},
      {"split", {"x", "sizes", "axis"}, 2, split},
      {"random_uniform", {"shape"}, 1, random_numbers},
      {"known", {"x"}, 1, known},
      {"error", {"text", "found", "beside"}, 1, refuse},
  };
  return all;
}

std::optional<std::vector<Value>> bind(Context& context, const ast::Call& call,
                                       const std::vector<std::string_view>& names, std::size_t required) {
  std::vector<std::optional<Value>> given(names.size());
  std::size_t position = 0;
  bool failed = false;
  for (const ast::Argument& argument : call.arguments) {
    std::size_t index = position;
    if (argument.name)
      index = static_cast<std::size_t>(std::ranges::find(names, argument.name->text) - names.begin());
    else
      ++position;
    if (index >= names.size() || given[index]) {
      report(context, argument.span,
             index < names.size() ? fmt::format("`{}` is given twice", names[index])
             : argument.name      ? fmt::format("`{}` has no parameter `{}`; it has {}", call.callee.text,
                                                argument.name->text, fmt::join(names, ", "))
                                  : fmt::format("`{}` takes {} argument{}, found {}", call.callee.text, names.size(),
                                           names.size() == 1 ? "" : "s", call.arguments.size()));
      failed = true;
      continue;
    }
    given[index] = evaluate(context, *argument.value);
    failed = failed || given[index]->poisoned();
  }
  std::vector<Value> values;
  for (std::size_t i = 0; i < names.size() && !failed; ++i) {
    if (!given[i] && i < required) {
      report(context, call.callee.span, fmt::format("`{}` needs the argument `{}`", call.callee.text, names[i]));
      failed = true;
    } else {
      values.push_back(given[i] ? *given[i] : Value{None{}, call.callee.span});
    }
  }
  if (failed) return std::nullopt;
  return values;
}

}  // namespace

std::vector<std::string> builtin_names() {
  std::vector<std::string> names;
  for (const Builtin& builtin : builtins()) names.emplace_back(builtin.name);
  for (const ir::DType dtype : ir::all_dtypes()) names.emplace_back(ir::name(dtype));
  return names;
}

std::optional<Value> call_builtin(Context& context, const ast::Call& call, const ast::Span& at) {
  if (const auto dtype = ir::dtype_named(call.callee.text)) {
    const auto arguments = bind(context, call, {"x"}, 1);
    return arguments ? cast(context, arguments->front(), *dtype, at) : poison(context);
  }
  for (const Builtin& builtin : builtins()) {
    if (builtin.name != call.callee.text) continue;
    const auto arguments = bind(context, call, builtin.parameters, builtin.required);
    return arguments ? builtin.call(context, *arguments, call, at) : poison(context);
  }
  return std::nullopt;
}

}  // namespace nnc::frontend
