#include "passes/rebuild.h"

#include "ir/check.h"

#include <utility>

namespace nnc::passes {

using ir::Block;
using ir::Op;
using ir::ValueId;

Rebuild::Rebuild(const Block& from) : from_(&from), map_(static_cast<std::size_t>(from.value_count())) {
  for (const ValueId param : from.params()) replace(param, to_.add_param(from.type(param)));
}

ValueId Rebuild::operator[](ValueId old) const {
  const ValueId value = map_.at(static_cast<std::size_t>(old.index));
  NNC_CHECK(value.valid(), "value {} is used in the new block before it is made", old.index);
  return value;
}

void Rebuild::replace(ValueId old, ValueId value) { map_.at(static_cast<std::size_t>(old.index)) = value; }

Op Rebuild::mapped(const Op& op) const {
  Op copy = op;
  for (ValueId& operand : copy.operands) operand = (*this)[operand];
  copy.results.clear();
  return copy;
}

std::vector<ValueId> Rebuild::copy(const Op& op) {
  const std::vector<ValueId> results = to_.append(mapped(op), result_types(*from_, op));
  for (std::size_t i = 0; i < results.size(); ++i) replace(op.results[i], results[i]);
  return results;
}

Block Rebuild::finish() {
  for (const ValueId result : from_->results) to_.results.push_back((*this)[result]);
  return std::move(to_);
}

std::vector<ir::Type> result_types(const Block& block, const Op& op) {
  std::vector<ir::Type> types;
  types.reserve(op.results.size());
  for (const ValueId result : op.results) types.push_back(block.type(result));
  return types;
}

}  // namespace nnc::passes
