// `x[1, :-1, none]`, `x[..., ::2]`: positions and ranges of a tensor become one slice and one reshape; lists give
// elements and parts.
//
//   x[:, 0] with f32[8,3]   ->   slice {start = [0, 0], stop = [8, 1]} : f32[8,1], then reshape : f32[8]
#include "frontend/evaluate.h"
#include "frontend/scan.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

namespace {

/// Positions from `start` up to `stop`, or down to it, without it.
struct Range {
  std::int64_t start = 0, stop = 0, step = 1;

  std::int64_t count() const {
    const std::int64_t length = step > 0 ? stop - start : start - stop, distance = step > 0 ? step : -step;
    return length <= 0 ? 0 : (length + distance - 1) / distance;
  }
};

/// One bound of a slice, from the end if negative.
std::optional<std::int64_t> bound(Context& context, const ast::ExprPtr& expr, std::int64_t extent, std::int64_t last,
                                  std::int64_t absent) {
  if (!expr) return absent;
  const auto given = evaluate_integer(context, *expr, "the bound of a slice");
  if (!given) return std::nullopt;
  const std::int64_t position = *given < 0 ? *given + extent : *given;
  if (position >= 0 && position <= last) return position;
  report(context, expr->span, fmt::format("the bound {} is outside 0..{}", *given, last));
  return std::nullopt;
}

std::optional<Range> slice_range(Context& context, const ast::Slice& slice, std::int64_t extent) {
  std::int64_t step = 1;
  if (slice.step) {
    const auto given = evaluate_integer(context, *slice.step, "the step of a slice");
    if (!given) return std::nullopt;
    const std::int64_t largest = ir::highest(ir::DType::i32);
    if (*given == 0 || *given > largest || *given < -largest) {
      report(context, slice.step->span, fmt::format("the step of a slice is {}", *given == 0 ? "0" : "out of range"));
      return std::nullopt;
    }
    step = *given;
  }
  const auto start = bound(context, slice.start, extent, step > 0 ? extent : extent - 1, step > 0 ? 0 : extent - 1);
  const auto stop = bound(context, slice.stop, extent, extent, step > 0 ? extent : -1);
  if (!start || !stop) return std::nullopt;
  return Range{*start, *stop, step};
}

/// The position along a dimension of a tensor, if `axis` is given, or in a list.
std::optional<std::int64_t> position(Context& context, const ast::Expr& expr, std::int64_t extent,
                                     std::optional<std::size_t> axis = {}) {
  const Value value = evaluate(context, expr);
  if (axis && value.tensor() && !is_float(value.tensor()->expr.dtype())) {
    auto& diagnostic = report(
        context, expr.span,
        fmt::format("a position is an integer known at compile time, found {}; `take(x, index, axis = {})` takes what "
                    "the integers of a tensor name",
                    describe(value), *axis));
    note_origin(diagnostic, value, expr.span);
    return std::nullopt;
  }
  const auto given = as_integer(context, value, expr.span, "a position");
  if (!given) return std::nullopt;
  const std::int64_t at = *given < 0 ? *given + extent : *given;
  if (at >= 0 && at < extent) return at;
  report(context, expr.span, fmt::format("the position {} is outside a dimension of {}", *given, extent));
  return std::nullopt;
}

/// Whether the subscript stands for one dimension of the tensor.
bool takes_dimension(const ast::Subscript& subscript) {
  return !std::holds_alternative<ast::NewDimension>(subscript.value) &&
         !std::holds_alternative<ast::Ellipsis>(subscript.value);
}

/// How many dimensions the subscripts before this one name.
std::size_t dimensions_before(const ast::Index& index, const ast::Subscript& subscript) {
  std::size_t count = 0;
  for (const auto& other : index.subscripts) {
    if (&other == &subscript) break;
    count += takes_dimension(other);
  }
  return count;
}

Value index_list(Context& context, const std::vector<Value>& list, const ast::Index& index, const ast::Span& at) {
  if (index.subscripts.size() != 1 || !takes_dimension(index.subscripts[0]))
    return fail(context, index.brackets, "a list takes one position or one range");
  const auto extent = static_cast<std::int64_t>(list.size());
  const auto& subscript = index.subscripts[0].value;
  if (const auto* expr = std::get_if<ast::ExprPtr>(&subscript)) {
    const auto element = position(context, **expr, extent);
    if (!element) return poison(context);
    Value value = list[static_cast<std::size_t>(*element)];
    value.origin = at;
    return value;
  }
  const auto range = slice_range(context, std::get<ast::Slice>(subscript), extent);
  if (!range) return poison(context);
  std::vector<Value> part;
  for (std::int64_t i = 0; i < range->count(); ++i)
    part.push_back(list[static_cast<std::size_t>(range->start + i * range->step)]);
  return {std::move(part), at};
}

Value index_tensor(Context& context, const Value& object, const ast::Index& index, const ast::Span& at) {
  ir::Shape shape = object.tensor()->expr.shape();
  const auto used = static_cast<std::size_t>(std::ranges::count_if(index.subscripts, takes_dimension));
  const auto is_rest = [](const ast::Subscript& s) { return std::holds_alternative<ast::Ellipsis>(s.value); };
  if (std::ranges::count_if(index.subscripts, is_rest) > 1)
    return fail(context, index.brackets, "`...` stands once among subscripts");
  if (used > shape.size()) {
    auto& diagnostic =
        report(context, index.brackets,
               fmt::format("{} subscripts for {}, which has {} dimensions", used, describe(object), shape.size()));
    note_origin(diagnostic, object, at);
    return poison(context);
  }
  std::vector<std::int64_t> start(shape.size(), 0), stop = shape, step(shape.size(), 1);
  std::vector<ScannedDimension> scanned;
  ir::Shape result;
  std::size_t dimension = 0;
  bool failed = false;
  for (const auto& subscript : index.subscripts) {
    if (std::holds_alternative<ast::NewDimension>(subscript.value)) {
      result.push_back(1);
      continue;
    }
    if (std::holds_alternative<ast::Ellipsis>(subscript.value)) {
      for (; dimension < shape.size() - (used - dimensions_before(index, subscript)); ++dimension)
        result.push_back(shape[dimension]);
      continue;
    }
    const std::size_t d = dimension++;
    if (const auto* expr = std::get_if<ast::ExprPtr>(&subscript.value)) {
      if (ScanScope* scope = scan_counted_by(context, **expr)) {
        scanned.push_back({scope, d, subscript.span});
        continue;
      }
      const auto at_position = position(context, **expr, shape[d], d);
      failed = failed || !at_position;
      start[d] = at_position.value_or(0);
      stop[d] = start[d] + 1;
      continue;
    }
    const auto range = slice_range(context, std::get<ast::Slice>(subscript.value), shape[d]);
    failed = failed || !range;
    if (!range) continue;
    if (range->count() == 0) {
      report(context, subscript.span, fmt::format("the range {}..{} is empty", range->start, range->stop));
      failed = true;
    }
    start[d] = range->start;
    stop[d] = range->stop;
    step[d] = range->step;
    result.push_back(range->count());
  }
  if (failed) return poison(context);
  result.insert(result.end(), shape.begin() + static_cast<std::ptrdiff_t>(dimension), shape.end());

  ir::Builder& builder = context.target->builder;
  builder.location = location(context, at);
  ir::Expr value = object.tensor()->expr;
  if (!scanned.empty()) {
    const auto row = row_of_step(context, value, scanned, at);
    if (!row) return poison(context);
    value = *row;
    // The rest is about the row's dimensions.
    for (std::size_t i = scanned.size(); i-- > 0;) {
      const auto d = static_cast<std::ptrdiff_t>(scanned[i].dimension);
      start.erase(start.begin() + d);
      stop.erase(stop.begin() + d);
      step.erase(step.begin() + d);
      shape.erase(shape.begin() + d);
    }
  }
  const std::vector<std::int64_t> ones(shape.size(), 1);
  std::vector<ir::NamedAttr> attrs{{"start", start}, {"stop", stop}};
  if (step != ones) attrs.push_back({"step", step});
  if (stop != shape || start != std::vector<std::int64_t>(shape.size(), 0) || step != ones)
    value = builder.op("slice", {value}, std::move(attrs));
  context.ops += 2;
  return {TensorValue{builder.reshape(value, std::move(result)), object.tensor()->weak}, at};
}

}  // namespace

Value evaluate_index(Context& context, const ast::Index& index, const ast::Span& at) {
  const Value object = evaluate(context, *index.object);
  if (object.poisoned()) return poison(context);
  if (const auto* list = object.as<std::vector<Value>>()) return index_list(context, *list, index, at);
  if (!object.tensor()) {
    auto& diagnostic = report(context, index.brackets,
                              fmt::format("only tensors and lists have subscripts, found {}", describe(object)));
    note_origin(diagnostic, object, at);
    return poison(context);
  }
  if (context.target && object.tensor()->expr.builder == &context.target->builder)
    return index_tensor(context, object, index, at);
  return fail(context, at, "this tensor belongs to the training step and is not known here");
}

}  // namespace nnc::frontend
