#include "passes/fusion_plan.h"

#include "ir/builder.h"
#include "ir/fused.h"
#include "ir/op.h"
#include "passes/fusion_domain.h"
#include "passes/fusion_legality.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace nnc::passes {

using ir::Attr;
using ir::AttrKind;
using ir::Shape;
using ir::Tensor;
using ir::Type;
using ir::ValueId;

namespace {

/// Attributes that records of this kind agree on.
constexpr std::string_view keep_dimensions = "keepdim", dimensions_behind = "trailing";

/// Writes the body: each op again, with types of the domain's frame and attributes that mean there what they meant.
class BodyWriter {
 public:
  BodyWriter(const FusionBlock& block, const FusionGroup& group, const FusionDomain& domain)
      : block_(block), group_(group), domain_(domain), values_(group.sources.size()) {}

  /// What is wrong, or nothing.
  std::string run(FusionPlan& plan) {
    plan.domain = domain_.extents;
    std::vector<int> operands(group_.sources.size(), -1);  // by source: a gathered read names its index by number
    for (std::size_t i = 0; i < group_.sources.size(); ++i) {
      const FusionSource& source = group_.sources[i];
      if (source.kind != FusionSource::Kind::read) continue;
      const ir::DType dtype = block_.block().type(source.value).dtype;
      values_[i] = body_.add_param({dtype, source.number ? Shape{} : frame(source.varies), {}});
      operands[i] = static_cast<int>(plan.operands.size());
      plan.operands.push_back(source.value);
      plan.reads.push_back(domain_.over_domain(source.access));
      int& index = plan.reads.back().index;
      if (index >= 0) index = operands[static_cast<std::size_t>(index)];
    }
    for (const FusionMember& member : group_.members) {
      if (std::string fault = append(member); !fault.empty()) return fault;
    }
    for (const FusionResult& result : group_.results) {
      if (plan.results.empty() || plan.results.back() != result.value) plan.results.push_back(result.value);
      plan.into.push_back(std::ssize(plan.results) - 1);
      plan.writes.push_back(domain_.over_domain(result.access));
      body_.results.push_back(values_[static_cast<std::size_t>(result.source)]);
    }
    if (plan.into.size() == plan.results.size()) plan.into.clear();
    plan.body = std::move(body_);
    return "";
  }

 private:
  Shape frame(AtomSet varies) const {
    Shape shape = domain_.extents;
    for (int d = 0; d < domain_.rank(); ++d) {
      if (!domain_.has(d, varies)) shape[static_cast<std::size_t>(d)] = 1;
    }
    return shape;
  }

  /// Constants stand before their first use.
  ValueId value(int source) {
    ValueId& made = values_[static_cast<std::size_t>(source)];
    if (made.valid()) return made;
    const Tensor& tensor = *block_.splat(group_.source(source).value);
    Tensor number(Type{tensor.type().dtype, {}, {}});
    std::memcpy(number.bytes().data(), tensor.bytes().data(), number.bytes().size());
    made = ir::Builder(body_).constant(std::move(number)).value;
    return made;
  }

  std::string append(const FusionMember& member) {
    const ir::Op& original = block_.ir_op(member.op);
    if (block_.op(member.op).kind == FusionKind::choice) return append_choice(member);
    ir::Op op;
    op.def = original.def;
    op.location = original.location;
    op.attrs = original.attrs;
    for (const int operand : member.operands) op.operands.push_back(value(operand));
    ir::OpView view = ir::view(body_, op);
    if (std::string fault = reframe(member, view, op.attrs); !fault.empty()) return fault;
    view.attrs = op.attrs;
    ir::Inferred inferred = (*op.def->infer)(view);
    if (!inferred.error.empty()) return inferred.error;
    for (std::size_t r = 0; r < member.results.size(); ++r) {
      if (!fits(inferred.types[r], member.results[r])) {
        return fmt::format("{} would be {} among their dimensions", *op.def->name, ir::to_string(inferred.types[r]));
      }
    }
    const std::vector<ValueId> results = body_.append(std::move(op), inferred.types);
    for (std::size_t r = 0; r < results.size(); ++r) values_[static_cast<std::size_t>(member.results[r])] = results[r];
    return "";
  }

  /// Of the operands the last one within whose bounds the position is, else the first.
  std::string append_choice(const FusionMember& member) {
    ir::Builder builder(body_);
    builder.location = block_.ir_op(member.op).location;
    ir::Expr chosen = builder.expr(value(member.operands[0]));
    for (std::size_t k = 1; k < member.operands.size(); ++k) {
      const ir::Expr operand = builder.expr(value(member.operands[k]));
      const std::optional<ir::Expr> inside = within(builder, member, block_.op(member.op).accesses[k]);
      chosen = inside ? where(*inside, operand, chosen) : operand;
    }
    if (!fits(chosen.type(), member.results[0])) return "a choice has fewer dimensions than its result";
    values_[static_cast<std::size_t>(member.results[0])] = chosen.value;
    return "";
  }

  /// Whether the position is within the bounds; nothing if it always is.
  std::optional<ir::Expr> within(ir::Builder& builder, const FusionMember& member, const ir::Access& access) const {
    std::optional<ir::Expr> inside;
    const auto ask = [&](ir::Expr condition) { inside = inside ? *inside && condition : condition; };
    for (std::size_t d = 0; d < access.bounds.size(); ++d) {
      if (member.dims[d].empty()) continue;
      const int dimension = domain_.dimension_of(member.dims[d][0]);
      const std::int64_t extent = domain_.extents[static_cast<std::size_t>(dimension)];
      const auto [low, high] = access.bounds[d];
      if (low <= 0 && high >= extent) continue;
      const ir::Expr at = builder.iota(extent, domain_.rank() - 1 - dimension);
      if (low > 0) ask(at >= builder.constant(static_cast<double>(low), at.dtype()));
      if (high < extent) ask(at < builder.constant(static_cast<double>(high), at.dtype()));
    }
    return inside;
  }

  bool fits(const Type& type, int source) const {
    Shape expected = frame(group_.source(source).varies);
    if (type.shape.size() > expected.size()) return false;
    const auto missing = static_cast<std::ptrdiff_t>(expected.size() - type.shape.size());
    return type.dtype == block_.block().type(group_.source(source).value).dtype &&
           std::all_of(expected.begin(), expected.begin() + missing, [](std::int64_t extent) { return extent == 1; }) &&
           std::equal(expected.begin() + missing, expected.end(), type.shape.begin());
  }

  /// Attributes by their kind: axes become dimensions of the domain, shapes those of the frame.
  std::string reframe(const FusionMember& member, const ir::OpView& view, std::vector<Attr>& attrs) const {
    const bool reduces = block_.op(member.op).kind == FusionKind::reduction;
    const int rank = view.operands.empty() ? 0 : view.operands[0].rank();
    for (std::size_t i = 0; i < attrs.size(); ++i) {
      const ir::AttrDef& attr = view.def->attrs[i];
      if (attr.kind == AttrKind::axes && reduces) {
        std::vector<std::int64_t> axes;
        for (int d = 0; d < domain_.rank(); ++d) {
          if (domain_.has(d, member.removed)) axes.push_back(d - (domain_.rank() - rank));
        }
        attrs[i] = std::move(axes);
      } else if (attr.kind == AttrKind::boolean && attr.name == keep_dimensions && reduces) {
        attrs[i] = true;
      } else if (attr.kind == AttrKind::axis) {
        const auto own = static_cast<std::size_t>(std::get<std::int64_t>(attrs[i]));
        const bool here = own < member.dims.size() && !member.dims[own].empty();
        const int axis = here ? domain_.dimension_of(member.dims[own][0]) - (domain_.rank() - rank) : -1;
        if (axis < 0) return fmt::format("the axis of {} is no dimension of theirs", *view.def->name);
        attrs[i] = std::int64_t{axis};
      } else if (attr.kind == AttrKind::axes) {
        return fmt::format("the axes of {} have no place among their dimensions", *view.def->name);
      } else if (attr.kind == AttrKind::result_shape) {
        attrs[i] = frame(group_.source(member.results[0]).varies);
      } else if (attr.kind == AttrKind::integer && attr.name == dimensions_behind && !member.dims.empty()) {
        if (member.dims[0].empty()) return fmt::format("the dimension of {} has one position", *view.def->name);
        attrs[i] = std::int64_t{domain_.rank() - 1 - domain_.dimension_of(member.dims[0][0])};
      }
    }
    return "";
  }

  const FusionBlock& block_;
  const FusionGroup& group_;
  const FusionDomain& domain_;
  std::vector<ValueId> values_;  // in the body, by source
  ir::Block body_;
};

}  // namespace

std::variant<FusionPlan, std::string> plan_fusion(const FusionBlock& block, const std::vector<int>& ops) {
  if (ops.size() > max_kernel_ops) return fmt::format("{} ops are more than a kernel takes", ops.size());
  std::variant<FusionGroup, std::string> unified = unify_dimensions(block, ops);
  if (auto* reason = std::get_if<std::string>(&unified)) return std::move(*reason);
  const FusionGroup& group = std::get<FusionGroup>(unified);
  const std::variant<std::vector<int>, std::string> ordered = order_atoms(block, group);
  if (const auto* reason = std::get_if<std::string>(&ordered)) return *reason;
  const auto& order = std::get<std::vector<int>>(ordered);
  if (std::string reason = refuse_fusion(block, group, order); !reason.empty()) return reason;
  const FusionDomain domain = join_atoms(block, group, order);
  if (domain.rank() > ir::max_domain_rank) return "their domain has too many dimensions";
  FusionPlan plan;
  if (std::string reason = BodyWriter(block, group, domain).run(plan); !reason.empty()) return reason;
  return plan;
}

}  // namespace nnc::passes
