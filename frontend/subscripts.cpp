// `x[1, :-1, none]`: positions and ranges of a tensor become one slice and one reshape; lists give elements and parts.
//
//   x[:, 0] with f32[8,3]   ->   slice {start = [0, 0], stop = [8, 1]} : f32[8,1], then reshape : f32[8]
#include "frontend/evaluate.h"
#include "frontend/scan.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

struct Range {
  std::int64_t start = 0, stop = 0;
};

/// One bound of a slice, from the end if negative; `what` is the size.
std::optional<std::int64_t> bound(Context& context, const ast::ExprPtr& expr, std::int64_t extent,
                                  std::int64_t absent) {
  if (!expr) return absent;
  const auto given = evaluate_integer(context, *expr, "the bound of a slice");
  if (!given) return std::nullopt;
  const std::int64_t position = *given < 0 ? *given + extent : *given;
  if (position >= 0 && position <= extent) return position;
  report(context, expr->span, fmt::format("the bound {} is outside 0..{}", *given, extent));
  return std::nullopt;
}

std::optional<Range> slice_range(Context& context, const ast::Slice& slice, std::int64_t extent) {
  if (slice.step) {
    const auto step = evaluate_integer(context, *slice.step, "the step of a slice");
    if (!step) return std::nullopt;
    if (*step != 1) {
      report(context, slice.step->span, "a slice step other than 1 is not supported by this version");
      return std::nullopt;
    }
  }
  const auto start = bound(context, slice.start, extent, 0);
  const auto stop = bound(context, slice.stop, extent, extent);
  if (!start || !stop) return std::nullopt;
  return Range{*start, *stop};
}

std::optional<std::int64_t> position(Context& context, const ast::Expr& expr, std::int64_t extent) {
  const auto given = evaluate_integer(context, expr, "a position");
  if (!given) return std::nullopt;
  const std::int64_t at = *given < 0 ? *given + extent : *given;
  if (at >= 0 && at < extent) return at;
  report(context, expr.span, fmt::format("the position {} is outside a dimension of {}", *given, extent));
  return std::nullopt;
}

Value index_list(Context& context, const std::vector<Value>& list, const ast::Index& index, const ast::Span& at) {
  if (index.subscripts.size() != 1 || std::holds_alternative<ast::NewDimension>(index.subscripts[0].value))
    return fail(context, index.brackets, "a list takes one position or one range");
  const auto extent = static_cast<std::int64_t>(list.size());
  const auto& subscript = index.subscripts[0].value;
  if (const auto* expr = std::get_if<ast::ExprPtr>(&subscript)) {
    const auto element = position(context, **expr, extent);
    if (!element) return poison();
    Value value = list[static_cast<std::size_t>(*element)];
    value.origin = at;
    return value;
  }
  const auto range = slice_range(context, std::get<ast::Slice>(subscript), extent);
  if (!range) return poison();
  if (range->start >= range->stop) return {std::vector<Value>{}, at};
  return {std::vector<Value>(list.begin() + range->start, list.begin() + range->stop), at};
}

Value index_tensor(Context& context, const Value& object, const ast::Index& index, const ast::Span& at) {
  ir::Shape shape = object.tensor()->expr.shape();
  std::size_t used = 0;
  for (const auto& subscript : index.subscripts) used += !std::holds_alternative<ast::NewDimension>(subscript.value);
  if (used > shape.size()) {
    auto& diagnostic =
        report(context, index.brackets,
               fmt::format("{} subscripts for {}, which has {} dimensions", used, describe(object), shape.size()));
    note_origin(diagnostic, object, at);
    return poison();
  }
  std::vector<std::int64_t> start(shape.size(), 0), stop = shape;
  std::vector<ScannedDimension> scanned;
  ir::Shape result;
  std::size_t dimension = 0;
  bool failed = false;
  for (const auto& subscript : index.subscripts) {
    if (std::holds_alternative<ast::NewDimension>(subscript.value)) {
      result.push_back(1);
      continue;
    }
    const std::size_t d = dimension++;
    if (const auto* expr = std::get_if<ast::ExprPtr>(&subscript.value)) {
      if (ScanScope* scope = scan_counted_by(context, **expr)) {
        scanned.push_back({scope, d, subscript.span});
        continue;
      }
      const auto at_position = position(context, **expr, shape[d]);
      failed = failed || !at_position;
      start[d] = at_position.value_or(0);
      stop[d] = start[d] + 1;
      continue;
    }
    const auto range = slice_range(context, std::get<ast::Slice>(subscript.value), shape[d]);
    failed = failed || !range;
    if (!range) continue;
    if (range->start >= range->stop) {
      report(context, subscript.span, fmt::format("the range {}..{} is empty", range->start, range->stop));
      failed = true;
    }
    start[d] = range->start;
    stop[d] = range->stop;
    result.push_back(range->stop - range->start);
  }
  if (failed) return poison();
  result.insert(result.end(), shape.begin() + static_cast<std::ptrdiff_t>(dimension), shape.end());

  ir::Builder& builder = context.target->builder;
  builder.location = location(context, at);
  ir::Expr value = object.tensor()->expr;
  if (!scanned.empty()) {
    const auto row = row_of_step(context, value, scanned, at);
    if (!row) return poison();
    value = *row;
    // The rest is about the row's dimensions.
    for (std::size_t i = scanned.size(); i-- > 0;) {
      const auto d = static_cast<std::ptrdiff_t>(scanned[i].dimension);
      start.erase(start.begin() + d);
      stop.erase(stop.begin() + d);
      shape.erase(shape.begin() + d);
    }
  }
  if (stop != shape || start != std::vector<std::int64_t>(shape.size(), 0))
    value = builder.op("slice", {value}, {{"start", start}, {"stop", stop}});
  context.ops += 2;
  return {TensorValue{builder.reshape(value, std::move(result)), object.tensor()->weak}, at};
}

}  // namespace

Value evaluate_index(Context& context, const ast::Index& index, const ast::Span& at) {
  const Value object = evaluate(context, *index.object);
  if (object.poisoned()) return poison();
  if (const auto* list = object.as<std::vector<Value>>()) return index_list(context, *list, index, at);
  if (!object.tensor()) {
    auto& diagnostic = report(context, index.brackets,
                              fmt::format("only tensors and lists have subscripts, found {}", describe(object)));
    note_origin(diagnostic, object, at);
    return poison();
  }
  if (context.target && object.tensor()->expr.builder == &context.target->builder)
    return index_tensor(context, object, index, at);
  return fail(context, at, "this tensor belongs to the training step and is not known here");
}

}  // namespace nnc::frontend
