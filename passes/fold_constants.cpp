#include "passes/fold_constants.h"

#include "ir/constant.h"
#include "ir/evaluate.h"
#include "passes/dce.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <vector>

namespace nnc::passes {

using ir::Block;
using ir::Op;
using ir::Tensor;
using ir::ValueId;

namespace {

/// The values of an op's operands, or nothing if one is no constant.
std::vector<const Tensor*> constant_operands(const Block& block, const Op& op) {
  std::vector<const Tensor*> values;
  for (const ValueId operand : op.operands) {
    const Tensor* value = ir::constant_value(block, operand);
    if (value == nullptr) return {};
    values.push_back(value);
  }
  return values;
}

/// Whether the host can evaluate the op, whatever the operands are, and in no time.
bool is_foldable(const Block& block, const Op& op) {
  const auto* routine = op.def->as<ir::Routine>();
  if (routine != nullptr && routine->fault != nullptr) return false;
  const auto on_host = [&](ValueId value) { return block.type(value).dtype != ir::DType::bf16; };
  if (!op.regions.empty() || !std::ranges::all_of(op.operands, on_host) || !std::ranges::all_of(op.results, on_host)) {
    return false;
  }
  std::int64_t read = 0, made = 0;
  for (const ValueId operand : op.operands) read += block.type(operand).elements();
  for (const ValueId result : op.results) made += block.type(result).elements();
  return made <= std::max(read, fold_limit) && ir::flops(ir::view(block, op)) <= fold_flops_limit;
}

// 1. Copy each op; its operands may have become constants on the way.
// 2. If now all of them are constants, evaluate it on the host, and let a constant with the op's role and location
//    stand for each of its results.
// 3. If there was any, drop the folded ops, and the constants that only they read.
void fold(Block& block) {
  Rebuild next(block);
  bool folded = false;
  ir::Builder builder(next.block());
  for (const Op& op : block.ops()) {
    Op copy = next.mapped(op);
    for (Block& region : copy.regions) fold(region);
    const std::vector<ValueId> made = next.block().append(copy, result_types(block, op));
    for (std::size_t i = 0; i < made.size(); ++i) next.replace(op.results[i], made[i]);

    copy.results = made;
    const std::vector<const Tensor*> operands = constant_operands(next.block(), copy);
    if (operands.empty() || !is_foldable(next.block(), copy)) continue;
    std::vector<Tensor> values = ir::evaluate(ir::view(next.block(), copy), operands);
    folded = true;
    builder.location = op.location;
    builder.role = op.role;
    for (std::size_t i = 0; i < values.size(); ++i) {
      next.replace(op.results[i], builder.constant(std::move(values[i])).value);
    }
  }
  block = next.finish();
  if (folded) remove_dead_ops(block);
}

}  // namespace

ir::Status fold_constants(ir::Module& module, PassContext&) {
  for_each_body(module, [](Block& body) { fold(body); });
  return ir::Status::ok;
}

}  // namespace nnc::passes
