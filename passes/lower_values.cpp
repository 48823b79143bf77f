#include "passes/lower_values.h"

#include "ir/evaluate.h"
#include "ir/fused.h"
#include "ir/ops/scan.h"

#include <algorithm>
#include <map>

namespace nnc::passes {

using ir::Access;
using ir::Op;
using ir::ValueId;

bool is_view(const ir::Block& block, const Op& op) {
  const auto* movement = op.def->as<ir::Movement>();
  if (movement == nullptr || op.operands.size() != 1) return false;
  const ir::OpView view = ir::view(block, op);
  if (view.operands[0].elements() != view.results[0].elements()) return false;
  const std::vector<Access> accesses = (*movement->access)(view);
  if (accesses.size() != 1) return false;
  const Access& access = accesses[0];
  const ir::Shape& shape = view.results[0].shape;
  const std::vector<std::int64_t> dense = ir::row_major_strides(shape);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1 && access.strides[d] != dense[d]) return false;
  return access.offset == 0 && access.bounds.empty() && access.index < 0;
}

bool is_constant(const Op& op) {
  return op.def->as<ir::Whole>() != nullptr && op.operands.empty() && op.regions.empty();
}

ir::Tensor constant_value(const ir::Block& block, const Op& op) { return ir::evaluate(ir::view(block, op), {})[0]; }

bool is_instruction(const Op& op) { return ir::is_fused(op) || ir::is_scan(op) || op.def->is_instruction(); }

LowerValues::LowerValues(const ir::Block& block) : block_(&block) {
  find_roots();
  find_instructions();
}

void LowerValues::find_roots() {
  const ir::Block& body = *block_;
  for (int value = 0; value < body.value_count(); ++value) roots_.push_back({value});
  makers_.assign(roots_.size(), -1);
  std::map<std::string, ValueId> read;
  for (std::size_t i = 0; i < body.ops().size(); ++i) {
    const Op& op = body.ops()[i];
    for (const ValueId result : op.results) {
      ValueId& mine = roots_[static_cast<std::size_t>(result.index)];
      if (const std::string* path = slot_of(op)) mine = read.try_emplace(*path, result).first->second;
      if (is_view(body, op)) mine = root(op.operands[0]);
      if (is_instruction(op)) makers_[static_cast<std::size_t>(result.index)] = static_cast<int>(i);
    }
  }
}

void LowerValues::find_instructions() {
  const std::vector<Op>& ops = block_->ops();
  std::vector<bool> needed(ops.size(), false);
  const auto need = [&](ValueId value) {
    if (const int by = maker(root(value)); by >= 0) needed[static_cast<std::size_t>(by)] = true;
  };
  for (const ValueId result : block_->results) need(result);
  for (std::size_t i = ops.size(); i-- > 0;)
    if (needed[i]) std::ranges::for_each(ops[i].operands, need);
  readers_.resize(roots_.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (!needed[i]) continue;
    instructions_.push_back(static_cast<int>(i));
    for (const ValueId operand : ops[i].operands) {
      std::vector<int>& readers = readers_[static_cast<std::size_t>(root(operand).index)];
      if (readers.empty() || readers.back() != static_cast<int>(i)) readers.push_back(static_cast<int>(i));
    }
  }
}

const std::string* LowerValues::slot(ValueId root) const {
  const Op* op = definer(root);
  return op == nullptr ? nullptr : slot_of(*op);
}

bool LowerValues::is_computed(ValueId root) const { return maker(root) >= 0; }

bool LowerValues::is_looped(ValueId root) const { return is_computed(root) && ir::is_scan(*definer(root)); }

ValueId LowerValues::read_of(const std::string& path) const {
  for (const Op& op : block_->ops()) {
    const std::string* read = slot_of(op);
    if (read != nullptr && *read == path) return op.results[0];
  }
  return {};
}

}  // namespace nnc::passes
