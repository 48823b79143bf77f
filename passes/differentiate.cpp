#include "ir/check.h"
#include "ir/ops/scan.h"
#include "passes/autodiff.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace nnc::passes {

using ir::Block;
using ir::Builder;
using ir::Op;
using ir::Type;
using ir::ValueId;

namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// The gradients found so far, by value of the forward block.
class Gradients {
 public:
  explicit Gradients(const Block& block) : of_(static_cast<std::size_t>(block.value_count())) {}

  ValueId operator[](ValueId value) const { return of_[at(value)]; }
  void add(Builder& builder, ValueId value, ValueId contribution) {
    ValueId& sum = of_[at(value)];
    sum = sum.valid() ? (builder.expr(sum) + builder.expr(contribution)).value : contribution;
  }

 private:
  std::vector<ValueId> of_;
};

const ir::Differentiation differentiation{
    .flows_to = differentiable_from,
    .differentiate = [](Builder& builder, const std::vector<ValueId>& values, const std::vector<ValueId>& gradients,
                        const std::vector<ValueId>& wrt) { return differentiate(builder, values, gradients, wrt); }};

/// Applies the rule of the op at a position, of which `op` is a copy, and adds what it gives to the gradients of the
/// operands.
void back_through(Builder& builder, const Op& op, std::size_t position, const std::vector<bool>& active,
                  Gradients& gradients) {
  std::vector<bool> wanted;
  for (const ValueId operand : op.operands) wanted.push_back(active[at(operand)]);
  std::vector<ValueId> dys;
  for (const ValueId result : op.results) dys.push_back(gradients[result]);
  ir::GradCtx context(builder, op, position, dys, wanted, differentiation);
  op.def->grad->rule(context);
  for (std::size_t i = 0; i < op.operands.size(); ++i) {
    const ValueId contribution = context.contributions()[i];
    if (!wanted[i] || !contribution.valid()) continue;
    NNC_CHECK_OP(builder.block().type(contribution) == builder.block().type(op.operands[i]), op,
                 "the gradient of operand {} is {}, the operand {}", i, to_string(builder.block().type(contribution)),
                 to_string(builder.block().type(op.operands[i])));
    gradients.add(builder, op.operands[i], contribution);
  }
}

}  // namespace

std::vector<bool> differentiable_from(const Block& block, const std::vector<ValueId>& roots) {
  std::vector<bool> active(static_cast<std::size_t>(block.value_count()));
  for (const ValueId root : roots) active[at(root)] = is_float(block.type(root).dtype);
  for (const Op& op : block.ops()) {
    if (op.def->grad->kind != ir::Gradient::Kind::rule) continue;
    if (std::none_of(op.operands.begin(), op.operands.end(), [&](ValueId value) { return active[at(value)]; }))
      continue;
    const std::vector<bool> within = ir::is_scan(op) ? differentiable_within(op, active) : std::vector<bool>();
    for (std::size_t i = 0; i < op.results.size(); ++i)
      active[at(op.results[i])] =
          is_float(block.type(op.results[i]).dtype) && (within.empty() || within[at(op.regions[0].results[i])]);
  }
  return active;
}

std::vector<bool> differentiable_within(const Op& scan, const std::vector<bool>& active) {
  std::vector<bool> wanted;
  for (const ValueId operand : scan.operands) wanted.push_back(active[at(operand)]);
  return ir::flows_in_body(scan.regions[0], ir::carry_count(scan), wanted, differentiable_from);
}

// 1. Mark the values through which a gradient can reach one of `wrt`; nothing else gets a gradient.
// 2. Begin with the gradients given.
// 3. Walk the ops backwards. An op of which a result has a gradient has, by then, the whole of it: all uses of
//    the result come later. Its rule turns the gradients of the results into contributions to those of its operands, which are
//    added up.
std::vector<ValueId> differentiate(Builder& builder, const std::vector<ValueId>& values,
                                   const std::vector<ValueId>& given, const std::vector<ValueId>& wrt) {
  Block& block = builder.block();
  const std::vector<bool> active = differentiable_from(block, wrt);
  Gradients gradients(block);
  const std::size_t forward_ops = block.ops().size();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (active[at(values[i])]) gradients.add(builder, values[i], given[i]);

  for (std::size_t i = forward_ops; i-- > 0;) {
    const Op op = block.ops()[i];  // a copy: the block grows
    const auto reached = [&](ValueId result) { return gradients[result].valid(); };
    const auto wanted = [&](ValueId operand) { return active[at(operand)]; };
    if (std::none_of(op.results.begin(), op.results.end(), reached)) continue;
    if (std::none_of(op.operands.begin(), op.operands.end(), wanted)) continue;
    builder.location = op.location;
    back_through(builder, op, i, active, gradients);
  }
  std::vector<ValueId> found;
  for (const ValueId value : wrt) found.push_back(gradients[value]);
  return found;
}

std::vector<ValueId> differentiate(Builder& builder, ValueId loss, const std::vector<ValueId>& wrt) {
  const Block& block = builder.block();
  const Type type = block.type(loss);
  NNC_CHECK(is_float(type.dtype) && type.shape.empty(), "the loss is {}, not a floating scalar", to_string(type));
  if (!differentiable_from(block, wrt)[at(loss)]) return std::vector<ValueId>(wrt.size());
  if (const Op* op = block.definer(loss)) builder.location = op->location;
  return differentiate(builder, {loss}, {builder.constant(1.0, type.dtype).value}, wrt);
}

}  // namespace nnc::passes
