#include "ir/op.h"

#include "ir/check.h"
#include "ir/ops/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace nnc::ir {

const Attr& OpView::attr(std::string_view wanted) const {
  for (std::size_t i = 0; i < def->attrs.size(); ++i)
    if (def->attrs[i].name == wanted) return attrs[i];
  internal_error(__FILE__, __LINE__, fmt::format("{} has no attribute {}", *def->name, wanted));
}

OpView view(const Block& block, const Op& op) {
  OpView result{op.def, {}, op.attrs, op.regions, {}};
  result.operands.reserve(op.operands.size());
  result.results.reserve(op.results.size());
  for (ValueId operand : op.operands) result.operands.push_back(block.type(operand));
  for (ValueId value : op.results) result.results.push_back(block.type(value));
  return result;
}

const std::vector<const OpDef*>& all_ops() {
  static const std::vector<const OpDef*> ops = [] {
    std::vector<const OpDef*> list;
    for (std::span<const OpDef> family :
         {arithmetic_ops(), math_ops(), logic_ops(), reduction_ops(), movement_ops(), gather_ops(), order_ops(),
          cumulative_ops(), linear_algebra_ops(), contraction_ops(), packed_ops(), convolution_ops(), pooling_ops(),
          control_ops(), fused_ops(), source_ops()})
      for (const OpDef& def : family) list.push_back(&def);
    return list;
  }();
  return ops;
}

const OpDef* find_op(std::string_view name) {
  static const std::map<std::string_view, const OpDef*> by_name = [] {
    std::map<std::string_view, const OpDef*> map;
    for (const OpDef* def : all_ops()) NNC_CHECK(map.emplace(*def->name, def).second, "two ops {}", *def->name);
    return map;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

std::int64_t scratch_bytes(const Routine& routine, const OpView& op) {
  return routine.scratch_bytes == nullptr ? 0 : routine.scratch_bytes(op);
}

const std::string* slot_of(const Op& op) {
  if (op.def == nullptr || op.def->as<SlotRead>() == nullptr) return nullptr;
  for (std::size_t i = 0; i < op.attrs.size() && i < op.def->attrs.size(); ++i)
    if (op.def->attrs[i].kind == AttrKind::slot) return std::get_if<std::string>(&op.attrs[i]);
  return nullptr;
}

const OpDef* find_symbol(std::string_view symbol, std::size_t operand_count) {
  for (const OpDef* def : all_ops())
    if (!symbol.empty() && def->symbol == symbol && def->operands->size() == operand_count) return def;
  return nullptr;
}

// --- attributes -----------------------------------------------------------------------------------------------------

KindText kind_text(AttrKind kind) {
  switch (kind) {
    case AttrKind::boolean: return {"true or false", "true or false"};
    case AttrKind::integer: return {"an integer", "an integer"};
    case AttrKind::real: return {"a number", "a number"};
    case AttrKind::text: return {"a string", "a string"};
    case AttrKind::integers: return {"a list of integers", "a list of integers"};
    case AttrKind::dtype: return {"an element type", "an element type"};
    case AttrKind::axis: return {"an axis", "a dimension of the first operand, counted from the end if negative"};
    case AttrKind::axes:
      return {"an axis or a list of axes", "a list of dimensions of the first operand; all of them if absent"};
    case AttrKind::slot: return {"a slot", "a slot, written `@path` among the operands"};
    case AttrKind::tensor: return {"a tensor", "the elements, written among the operands"};
    case AttrKind::result_shape: return {"a shape", "the shape of the result, read off its type"};
    case AttrKind::result_dtype: return {"an element type", "the element type of the result, read off its type"};
    case AttrKind::result_types: return {"types", "the types of the results"};
    case AttrKind::dimensions: return {"dimensions, as in dims(i: 2, j: 3)", "the dimensions of a domain"};
    case AttrKind::accesses: return {"a list of accesses, as in [at(3*i + j)]", "a list of accesses over the domain"};
    case AttrKind::schedule: return {"a schedule, as in plan(parallel i by 64)", "how the loops run"};
  }
  return {};
}

namespace {

bool holds(AttrKind kind, const Attr& value) {
  switch (kind) {
    case AttrKind::boolean: return std::holds_alternative<bool>(value);
    case AttrKind::integer:
    case AttrKind::axis: return std::holds_alternative<std::int64_t>(value);
    case AttrKind::real: return std::holds_alternative<double>(value);
    case AttrKind::text:
    case AttrKind::slot: return std::holds_alternative<std::string>(value);
    case AttrKind::integers:
    case AttrKind::axes:
    case AttrKind::dimensions:
    case AttrKind::result_shape: return std::holds_alternative<std::vector<std::int64_t>>(value);
    case AttrKind::dtype:
    case AttrKind::result_dtype: return std::holds_alternative<DType>(value);
    case AttrKind::tensor: return std::holds_alternative<Tensor>(value);
    case AttrKind::result_types: return std::holds_alternative<std::vector<Type>>(value);
    case AttrKind::accesses: return std::holds_alternative<std::vector<Access>>(value);
    case AttrKind::schedule: return std::holds_alternative<Schedule>(value);
  }
  return false;
}

/// Makes an axis non-negative; false if it is out of range.
bool normalize_axis(std::int64_t& axis, int rank) {
  if (axis < -rank || axis >= rank) return false;
  if (axis < 0) axis += rank;
  return true;
}

/// Converts `value` to the form in which the kind is held; gives the reason where it cannot be.
std::string normalize(const AttrDef& attr, Attr& value, std::span<const Type> operands) {
  if (attr.kind == AttrKind::real)
    if (const auto* integer = std::get_if<std::int64_t>(&value)) value = static_cast<double>(*integer);
  if (attr.kind == AttrKind::axes || attr.kind == AttrKind::integers || attr.kind == AttrKind::result_shape)
    if (const auto* integer = std::get_if<std::int64_t>(&value)) value = std::vector<std::int64_t>{*integer};
  // `[]` is a list of anything.
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value);
      attr.kind == AttrKind::accesses && list != nullptr && list->empty())
    value = std::vector<Access>{};
  if (!holds(attr.kind, value)) return fmt::format("`{}` must be {}", attr.name, kind_text(attr.kind).expected);

  const int rank = operands.empty() ? 0 : operands[0].rank();
  if (attr.kind == AttrKind::axis) {
    auto& axis = std::get<std::int64_t>(value);
    if (const std::int64_t given = axis; !normalize_axis(axis, rank))
      return fmt::format("`{}` is {}, but {} has {} dimensions", attr.name, given, to_string(operands[0]), rank);
  }
  if (attr.kind == AttrKind::axes) {
    auto& axes = std::get<std::vector<std::int64_t>>(value);
    for (std::int64_t& axis : axes)
      if (const std::int64_t given = axis; !normalize_axis(axis, rank))
        return fmt::format("`{}` has {}, but {} has {} dimensions", attr.name, given, to_string(operands[0]), rank);
    std::ranges::sort(axes);
    if (std::ranges::adjacent_find(axes) != axes.end()) return fmt::format("`{}` names an axis twice", attr.name);
  }
  return "";
}

/// Accesses are held with a stride, and a range where they have any, for each dimension of the domain.
void complete_accesses(const OpDef& def, std::vector<Attr>& attrs) {
  const auto domain = std::ranges::find(def.attrs, AttrKind::dimensions, &AttrDef::kind);
  if (domain == def.attrs.end()) return;
  const std::size_t rank = std::get<Shape>(attrs[static_cast<std::size_t>(domain - def.attrs.begin())]).size();
  for (Attr& attr : attrs)
    if (auto* accesses = std::get_if<std::vector<Access>>(&attr))
      for (Access& access : *accesses) {
        if (access.strides.size() < rank) access.strides.resize(rank);
        if (!access.bounds.empty() && access.bounds.size() < rank) access.bounds.resize(rank, Access::everywhere);
      }
}

}  // namespace

CompletedAttrs complete_attrs(const OpDef& def, std::vector<NamedAttr> given, std::span<const Type> operands) {
  CompletedAttrs result;
  std::vector<bool> used(given.size());
  for (const AttrDef& attr : def.attrs) {
    const auto found = std::ranges::find(given, attr.name, &NamedAttr::name);
    if (found != given.end()) {
      used[static_cast<std::size_t>(found - given.begin())] = true;
      result.attrs.push_back(std::move(found->value));
      if (result.error = normalize(attr, result.attrs.back(), operands); !result.error.empty()) return result;
    } else if (attr.absent) {
      result.attrs.push_back(*attr.absent);
      if (result.error = normalize(attr, result.attrs.back(), operands); !result.error.empty()) return result;
    } else if (attr.kind == AttrKind::axes) {
      std::vector<std::int64_t> all(operands.empty() ? 0 : operands[0].shape.size());
      std::iota(all.begin(), all.end(), 0);
      result.attrs.emplace_back(std::move(all));
    } else {
      result.error = fmt::format("`{}` is missing", attr.name);
      return result;
    }
  }
  complete_accesses(def, result.attrs);
  for (std::size_t i = 0; i < given.size(); ++i)
    if (!used[i]) {
      result.error = fmt::format("{} has no attribute `{}`", *def.name, given[i].name);
      return result;
    }
  return result;
}

// --- programs -------------------------------------------------------------------------------------------------------

ScalarProgram scalar_program(const OpView& op) {
  const auto* elementwise = op.def->as<Elementwise>();
  NNC_CHECK(elementwise, "{} has no formula", *op.def->name);
  ScalarBuilder builder;
  ScalarArgs args{&builder, &op, {}};
  for (std::size_t i = 0; i < op.operands.size(); ++i)
    args.inputs.push_back(builder.input(static_cast<int>(i), op.operands[i].dtype));
  const Scalar result = (*elementwise->formula)(args);
  NNC_CHECK(result.dtype() == op.results[0].dtype, "the formula of {} gives {}, its inference {}", *op.def->name,
            name(result.dtype()), name(op.results[0].dtype));
  return builder.finish(std::span(&result, 1));
}

bool uses_coordinates(const OpView& op) {
  const ScalarProgram program = scalar_program(op);
  return std::ranges::any_of(program.instrs, [](const ScalarInstr& i) { return i.op == ScalarOp::coordinate; });
}

Scalar ScalarArgs::position() const {
  Scalar position;
  const Shape& shape = op->results[0].shape;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    const Scalar here = coordinate(static_cast<std::int64_t>(d));
    position = position.id < 0 ? here : position * static_cast<double>(shape[d]) + here;
  }
  return position.id < 0 ? builder->constant(0, DType::i64) : position;
}

Scalar Reduction::Args::lowest() const {
  return constant(is_float(dtype) ? -std::numeric_limits<double>::infinity() : static_cast<double>(ir::lowest(dtype)));
}
Scalar Reduction::Args::highest() const {
  return constant(is_float(dtype) ? std::numeric_limits<double>::infinity() : static_cast<double>(ir::highest(dtype)));
}

ReductionPrograms reduction_programs(const Reduction& reduction, DType dtype) {
  ReductionPrograms programs;
  {
    ScalarBuilder builder;
    const Reduction::Scalars start = (*reduction.start)({&builder, dtype});
    for (Scalar s : start) programs.accumulators.push_back(s.dtype());
    programs.start = builder.finish(start);
  }
  const auto inputs = [&](ScalarBuilder& builder, int first) {
    Reduction::Scalars scalars;
    for (DType accumulator : programs.accumulators) scalars.push_back(builder.input(first++, accumulator));
    return scalars;
  };
  const int k = static_cast<int>(programs.accumulators.size());
  {
    ScalarBuilder builder;
    const Reduction::Scalars accumulators = inputs(builder, 0);
    const Scalar x = builder.input(k, dtype), index = builder.input(k + 1, DType::i64);
    programs.step = builder.finish((*reduction.step)({&builder, dtype}, accumulators, x, index));
  }
  {
    ScalarBuilder builder;
    const Reduction::Scalars a = inputs(builder, 0), b = inputs(builder, k);
    programs.merge = builder.finish((*reduction.merge)({&builder, dtype}, a, b));
  }
  {
    ScalarBuilder builder;
    const Reduction::Scalars accumulators = inputs(builder, 0);
    const Reduction::Scalars results =
        (*reduction.finish)({&builder, dtype}, accumulators, builder.input(k, DType::i64));
    programs.finish = builder.finish(results);
  }
  return programs;
}

// --- cost -----------------------------------------------------------------------------------------------------------

std::int64_t flops(const OpView& op) {
  if (op.def->flops) return op.def->flops(op);
  const bool floating = std::ranges::any_of(op.operands, [](const Type& type) { return is_float(type.dtype); });
  if (!floating) return 0;
  if (op.def->as<Elementwise>()) {
    const ScalarProgram program = scalar_program(op);
    const auto counted = std::ranges::count_if(program.instrs, [](const ScalarInstr& instr) {
      return instr.op != ScalarOp::input && instr.op != ScalarOp::constant && instr.op != ScalarOp::coordinate;
    });
    return counted * op.results[0].elements();
  }
  if (op.def->as<Reduction>()) return op.operands[0].elements();
  return 0;
}

}  // namespace nnc::ir
