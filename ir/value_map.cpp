#include "ir/value_map.h"

#include "ir/check.h"

#include <utility>

namespace nnc::ir {

std::vector<Type> result_types(const Block& block, const Op& op) {
  std::vector<Type> types;
  types.reserve(op.results.size());
  for (const ValueId result : op.results) types.push_back(block.type(result));
  return types;
}

ValueId ValueMap::operator[](ValueId old) const {
  const ValueId value = map_.at(static_cast<std::size_t>(old.index));
  NNC_CHECK(value.valid(), "value {} is used in the new block before it is made", old.index);
  return value;
}

ValueId ValueMap::add_param(Block& to, ValueId old) {
  const ValueId param = to.add_param(from_->type(old));
  set(old, param);
  return param;
}

Op ValueMap::mapped(const Op& op) const {
  Op copy = op;
  for (ValueId& operand : copy.operands) operand = (*this)[operand];
  copy.results.clear();
  return copy;
}

std::vector<ValueId> ValueMap::append(Block& to, const Op& op, Op made) {
  const std::vector<ValueId> results = to.append(std::move(made), result_types(*from_, op));
  for (std::size_t i = 0; i < results.size(); ++i) set(op.results[i], results[i]);
  return results;
}

}  // namespace nnc::ir
