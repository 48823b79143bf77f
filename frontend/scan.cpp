#include "frontend/scan.h"

#include "frontend/apply.h"
#include "frontend/evaluate.h"
#include "frontend/statements.h"
#include "ir/check.h"
#include "ir/ops/scan.h"
#include "ir/value_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>

namespace nnc::frontend {

namespace {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::ValueId;

/// A value as the tensor that a loop hands on; a number takes its natural type, a runtime scalar f32.
std::optional<Expr> as_carried(Context& context, const Value& value, const ast::Span& where) {
  if (value.poisoned()) return std::nullopt;
  if (const auto* tensor = value.tensor())
    return as_tensor(context, value, tensor->weak ? ir::DType::f32 : tensor->expr.dtype(), where);
  if (value.is_static_number()) return as_tensor(context, value, natural_dtype(value), where);
  auto& diagnostic = report(context, where, fmt::format("a scan hands on tensors, found {}", describe(value)));
  note_origin(diagnostic, value, where);
  return std::nullopt;
}

/// Divides a block where the body of a scan begins.
class Division {
 public:
  Division(const Block& whole, const ScanScope& scope) : whole_(whole), scope_(scope), outer_(whole), inner_(whole) {}

  /// The block without the body. What was there before keeps its number.
  Block outside() {
    Block block;
    for (std::int32_t value = 0; value < scope_.first_value; ++value) {
      if (outer_.has({value})) continue;
      if (const Op* op = whole_.definer({value}))
        outer_.copy(block, *op);
      else
        outer_.add_param(block, {value});
    }
    // Rows that scans further out take are theirs.
    for (const ValueId param : whole_.params())
      if (param.index >= scope_.first_value && !is_own(param)) outer_.add_param(block, param);
    for (const Op& op : body())
      if (ir::slot_of(op)) outer_.copy(block, op);
    for (const ValueId result : whole_.results) block.results.push_back(outer_[result]);
    return block;
  }

  /// The region that yields `results`, and what it uses from outside besides carries and rows.
  Block inside(const std::vector<ValueId>& results, std::vector<ValueId>& uses) {
    Block region;
    inner_.add_param(region, scope_.step.value);
    for (const ValueId carry : scope_.carries) inner_.add_param(region, carry);
    for (const ScanScope::Row& row : scope_.rows) inner_.add_param(region, row.value);
    const auto use = [&](ValueId value) {
      if (!outer_.has(value) || inner_.has(value)) return;
      inner_.add_param(region, value);
      uses.push_back(value);
    };
    for (const Op& op : body()) std::ranges::for_each(op.operands, use);
    std::ranges::for_each(results, use);
    for (const Op& op : body())
      if (!ir::slot_of(op)) inner_.copy(region, op);
    for (const ValueId result : results) region.results.push_back(inner_[result]);
    return region;
  }

  /// A value of the whole block in the block outside.
  ValueId outside(ValueId value) const { return outer_[value]; }

 private:
  std::span<const Op> body() const { return std::span(whole_.ops()).subspan(scope_.first_op); }

  bool is_own(ValueId param) const {
    return param == scope_.step.value || std::ranges::count(scope_.carries, param) > 0 ||
           std::ranges::count(scope_.rows, param, &ScanScope::Row::value) > 0;
  }

  const Block& whole_;
  const ScanScope& scope_;
  ir::ValueMap outer_, inner_;
};

/// The tensor's rows along a dimension, those of the scan's steps, as its first dimension.
Expr rows_first(ir::Builder& builder, const ScanScope& scope, Expr tensor, std::size_t dimension) {
  const ir::Shape shape = tensor.shape();
  if (shape[dimension] != scope.length) {
    ir::Shape start(shape.size(), 0), stop = shape;
    start[dimension] = scope.from;
    stop[dimension] = scope.from + scope.length;
    tensor = builder.op("slice", {tensor}, {{"start", start}, {"stop", stop}});
  }
  if (dimension == 0) return tensor;
  std::vector<std::int64_t> order(shape.size());
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(dimension),
              order.begin() + static_cast<std::ptrdiff_t>(dimension) + 1);
  return builder.permute(tensor, std::move(order));
}

/// Makes the op of what the body appended; `results` are the carries after a step, then what it yields.
std::vector<Expr> close_scan(Context& context, const ScanScope& scope, const std::vector<Expr>& initial,
                             const std::vector<ValueId>& results) {
  Target& target = *scope.target;
  const Block whole = std::move(target.graph.body);
  Division division(whole, scope);
  target.graph.body = division.outside();
  std::vector<ValueId> uses;
  Block region = division.inside(results, uses);

  for (auto& [path, read] : target.reads) read.value = division.outside(read.value);
  for (ScanScope* open : context.scans) {
    if (open == &scope || open->target != &target) continue;
    for (ScanScope::Row& row : open->rows) row.value = division.outside(row.value);
  }

  ir::Builder& builder = target.builder;
  std::vector<Expr> operands = initial;
  for (const ScanScope::Row& row : scope.rows) {
    builder.location = row.location;
    operands.push_back(rows_first(builder, scope, builder.expr(division.outside(row.tensor)), row.dimension));
  }
  for (const ValueId use : uses) operands.push_back(builder.expr(division.outside(use)));
  builder.location = location(context, scope.at);
  ++context.ops;
  return ir::build_scan(builder, {initial.size(), scope.rows.size(), scope.length, /*reverse=*/false}, operands,
                        std::move(region));
}

/// The length of the loop, or nothing.
std::optional<std::int64_t> length_of(Context& context, const ast::Scan& scan, std::int64_t from, std::int64_t to) {
  if (from < to && to - from <= std::numeric_limits<std::int32_t>::max() && from >= 0 &&
      to <= std::numeric_limits<std::int32_t>::max())
    return to - from;
  report(context, scan.from->span,
         from < to ? fmt::format("a scan counts in i32 from 0 on, found {}..{}", from, to)
                   : fmt::format("a scan has at least one step, found {}..{}", from, to));
  return std::nullopt;
}

/// The carry after a step, of the type it had before.
std::optional<Expr> carry_after(Context& context, const ast::NamedValue& carry, const Value& after, Expr before,
                                const ast::Span& started) {
  const ast::Span& where = after.origin.at.known() ? after.origin : carry.name.span;
  const bool follows = after.is_static_number() || (after.tensor() && after.tensor()->weak);
  const auto found = follows ? as_tensor(context, after, before.dtype(), where) : as_carried(context, after, where);
  if (!found || found->type() == before.type()) return found;
  const bool began_whole = before.type().rank() == 0 && !ir::is_float(before.dtype()) && ir::is_float(found->dtype());
  report(context, where,
         fmt::format("the carry `{}` is {} before a step and {} after it: it keeps its type{}", carry.name.text,
                     ir::to_string(before.type()), ir::to_string(found->type()),
                     began_whole ? "; one that starts as a float, `0.0` or `f32(...)`, stays one" : ""))
      .note(started.at, fmt::format("it starts as {} here", ir::to_string(before.type())));
  return std::nullopt;
}

/// Whether the value is there before the scan begins: also a row that a scan further out sees.
bool is_outside(const Context& context, ValueId value, const ScanScope& scope) {
  if (value.index < scope.first_value) return true;
  return std::ranges::any_of(context.scans, [&](const ScanScope* open) {
    return open->target == scope.target && open->first_value < scope.first_value &&
           std::ranges::count(open->rows, value, &ScanScope::Row::value) > 0;
  });
}

/// What stands on the left has to be what the body yields.
bool fits_targets(Context& context, const ast::Scan& scan, const ScanScope& scope) {
  const std::size_t wanted = scan.targets.size(), found = scope.yields ? scope.yields->size() : 0;
  if (wanted == found) return true;
  if (!scope.yields)
    report(context, scan.word,
           "the scan yields nothing to assign: `yield` hands on a value of each step; without it a scan is a statement "
           "of its own");
  else if (wanted == 0)
    report(context, scope.yield_at, "nothing takes what the scan yields: `ys = scan ...` does");
  else
    report(context, scan.word,
           fmt::format("{} name{} on the left, {} value{} yielded", wanted, wanted == 1 ? "" : "s", found,
                       found == 1 ? "" : "s"))
        .note(scope.yield_at.at, "the scan yields here");
  return false;
}

/// Runs the body in a scope of its own, and gives what its carries are then.
std::vector<Value> run_steps(Context& context, const ast::Scan& scan, ScanScope& scope,
                             const std::vector<Value>& carries) {
  Frame& frame = *context.frame;
  const std::map<std::string, Variable> outer = frame.variables;
  scope.outer = &outer;
  for (std::size_t i = 0; i < scan.carries.size(); ++i) {
    scope.carried.insert(scan.carries[i].name.text);
    frame.variables.insert_or_assign(scan.carries[i].name.text, Variable{carries[i]});
  }
  frame.variables.insert_or_assign(
      scan.variable.text, Variable{{TensorValue{scope.variable}, scan.variable.span}, "the variable of a scan"});
  {
    const Scoped<const ScanScope*> innermost(frame.scan, &scope);
    context.scans.push_back(&scope);
    execute_nested(context, scan.body);
    context.scans.pop_back();
  }
  std::vector<Value> after;
  for (const auto& carry : scan.carries) after.push_back(frame.variables.at(carry.name.text).value);
  for (const auto& [name, variable] : frame.variables)
    if (!outer.contains(name) && !scope.carried.contains(name)) frame.scan_names.insert_or_assign(name, scan.word);
  frame.variables = outer;
  return after;
}

}  // namespace

// 1. Evaluate the range and the carries outside.
// 2. Run the body once, on parameters that stand for the step's number, the carries and the rows of scanned tensors.
// 3. Check the carries and what is yielded.
// 4. Make an op of what the body appended.
void run_scan(Context& context, const ast::Scan& scan) {
  const auto give_up = [&] {
    for (const auto& target : scan.targets) assign(context, target, poison(context));
    for (const auto& carry : scan.carries) assign(context, carry.name, poison(context));
  };
  const int errors = context.diagnostics->count();
  const auto from = evaluate_integer(context, *scan.from, "the start of a scan");
  const auto to = evaluate_integer(context, *scan.to, "the end of a scan");
  const auto length = from && to ? length_of(context, scan, *from, *to) : std::nullopt;
  std::vector<Expr> initial;
  std::vector<Value> before;
  for (const auto& carry : scan.carries) {
    const Value value = evaluate(context, *carry.value);
    const auto tensor = context.target ? as_carried(context, value, carry.value->span) : std::nullopt;
    if (tensor) initial.push_back(*tensor);
  }
  if (!context.target) report(context, scan.word, "a scan is run in the training step only");
  if (context.scans.size() >= max_scans) {
    report(context, scan.word, fmt::format("scans stand in each other at most {} deep", max_scans))
        .note(context.scans.front()->at.at, "the outermost one is here");
    return give_up();
  }
  if (!length || initial.size() != scan.carries.size()) return give_up();

  Target& target = *context.target;
  Block& block = target.graph.body;
  ScanScope scope;
  scope.target = &target;
  scope.at = scan.word;
  scope.from = *from;
  scope.length = *length;
  scope.first_op = block.ops().size();
  scope.first_value = block.value_count();
  scope.step = scope.variable = target.builder.expr(block.add_param(ir::Type{ir::DType::i32, {}, {}}));
  for (std::size_t i = 0; i < initial.size(); ++i) {
    scope.carries.push_back(block.add_param(initial[i].type()));
    before.push_back({TensorValue{target.builder.expr(scope.carries.back())}, scan.carries[i].value->span});
  }
  if (*from != 0) {
    target.builder.location = location(context, scan.variable.span);
    scope.variable = scope.step + static_cast<double>(*from);
  }
  const std::vector<Value> after = run_steps(context, scan, scope, before);
  if (context.exhausted) return give_up();

  std::vector<ValueId> results;
  for (std::size_t i = 0; i < after.size(); ++i)
    if (const auto carry = carry_after(context, scan.carries[i], after[i], initial[i], scan.carries[i].value->span))
      results.push_back(carry->value);
  fits_targets(context, scan, scope);
  if (scope.yields) {
    for (const Value& value : *scope.yields) {
      const auto tensor = as_carried(context, value, value.origin);
      if (!tensor) continue;
      ir::Shape stacked = tensor->shape();
      stacked.insert(stacked.begin(), scope.length);
      if (!checked_elements(stacked))
        report(context, value.origin, fmt::format("{} values of {} are too large", scope.length, describe(value)));
      results.push_back(tensor->value);
    }
  }
  // What stands for a mistake outside of the scan gives no message here, and no tensor either.
  const std::size_t wanted = scan.carries.size() + (scope.yields ? scope.yields->size() : 0);
  if (context.diagnostics->count() > errors || results.size() != wanted) return give_up();

  const std::vector<Expr> made = close_scan(context, scope, initial, results);
  for (std::size_t i = 0; i < scan.carries.size(); ++i)
    assign(context, scan.carries[i].name, {TensorValue{made[i]}, scan.carries[i].name.span});
  for (std::size_t i = 0; i < scan.targets.size(); ++i)
    assign(context, scan.targets[i], {TensorValue{made[scan.carries.size() + i]}, scan.word});
}

void run_yield(Context& context, const ast::Yield& yield, const ast::Span& at) {
  // The parser lets `yield` stand in scans only: the scope is the frame's.
  auto* scope = context.scans.empty() ? nullptr : context.scans.back();
  NNC_CHECK(scope && scope == context.frame->scan, "`yield` without a scan");
  std::vector<Value> values;
  for (const auto& expr : yield.values) {
    values.push_back(evaluate(context, *expr));
    if (values.back().as<Several>())
      values.back() = fail(context, expr->span, fmt::format("expected one value, found {}", describe(values.back())));
    values.back().origin = expr->span;
  }
  if (scope->yields) {
    report(context, at, "a scan yields once in a step").note(scope->yield_at.at, "it has yielded here");
    return;
  }
  scope->yields = std::move(values);
  scope->yield_at = at;
}

bool may_change_in_scan(Context& context, const ast::Name& target) {
  const ScanScope* scan = context.frame->scan;
  if (!scan || scan->carried.contains(target.text)) return true;
  const auto outside = scan->outer->find(target.text);
  if (outside == scan->outer->end()) return true;
  report(context, target.span,
         fmt::format("`{}` is changed by each step and not carried: `carry {} = {}` hands it on", target.text,
                     target.text, target.text))
      .note(outside->second.value.origin.at, fmt::format("`{}` outside of the scan comes from here", target.text));
  return false;
}

ScanScope* scan_counted_by(Context& context, const ast::Expr& expr) {
  const auto* use = std::get_if<ast::NameUse>(&expr.node);
  if (!use || context.scans.empty()) return nullptr;
  const auto local = context.frame->variables.find(use->name);
  const TensorValue* tensor = local == context.frame->variables.end() ? nullptr : local->second.value.tensor();
  if (!tensor) return nullptr;
  for (ScanScope* scope : context.scans)
    if (scope->target == context.target && scope->variable.value == tensor->expr.value) return scope;
  return nullptr;
}

std::optional<Expr> row_of_step(Context& context, Expr tensor, std::vector<ScannedDimension> dimensions,
                                const ast::Span& at) {
  // A scan further in may see a row of what one further out sees a row of.
  std::ranges::stable_sort(dimensions, {}, [](const ScannedDimension& d) { return d.scope->first_value; });
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    ScanScope& scope = *dimensions[i].scope;
    const std::size_t d = dimensions[i].dimension;
    if (tensor.value.index >= scope.first_value && std::ranges::count(scope.rows, tensor.value, &ScanScope::Row::value))
      return fail(context, dimensions[i].at, "two dimensions are indexed by one scan's variable"), std::nullopt;
    if (!is_outside(context, tensor.value, scope)) {
      report(context, dimensions[i].at,
             fmt::format("a step sees its part of tensors from outside of its scan only; {} is made inside",
                         ir::to_string(tensor.type())))
          .note(scope.at.at, "the scan is here");
      return std::nullopt;
    }
    ir::Shape shape = tensor.shape();
    if (scope.from + scope.length > shape[d]) {
      report(context, dimensions[i].at,
             fmt::format("the steps {}..{} are not within a dimension of {}", scope.from, scope.from + scope.length,
                         shape[d]))
          .note(scope.at.at, "the scan is here");
      return std::nullopt;
    }
    const auto known = std::ranges::find_if(
        scope.rows, [&](const ScanScope::Row& row) { return row.tensor == tensor.value && row.dimension == d; });
    ValueId row;
    if (known != scope.rows.end()) {
      row = known->value;
    } else {
      ir::Type type{tensor.dtype(), shape, {}};
      type.shape.erase(type.shape.begin() + static_cast<std::ptrdiff_t>(d));
      row = context.target->graph.body.add_param(type);
      scope.rows.push_back({tensor.value, d, row, location(context, at)});
    }
    tensor = context.target->builder.expr(row);
    for (ScannedDimension& other : std::span(dimensions).subspan(i + 1))
      if (other.dimension > d) --other.dimension;
  }
  return tensor;
}

Expr scan_counter(Context& context, Expr counter) {
  for (const ScanScope* scope : context.scans)
    if (scope->target == context.target)
      counter = counter * static_cast<double>(scope->length) + counter.builder->cast(scope->step, ir::DType::i64);
  return counter;
}

}  // namespace nnc::frontend
