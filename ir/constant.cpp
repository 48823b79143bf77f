#include "ir/constant.h"

#include "ir/op.h"

#include <algorithm>
#include <string_view>
#include <variant>

namespace nnc::ir {

const Tensor* constant_value(const Block& block, ValueId value) {
  static const OpDef* const constant = find_op("constant");
  const Op* op = block.definer(value);
  if (op == nullptr || op->def != constant) return nullptr;
  for (const Attr& attr : op->attrs) {
    if (const Tensor* tensor = std::get_if<Tensor>(&attr)) return tensor;
  }
  return nullptr;
}

std::optional<double> splat_value(const Block& block, ValueId value) {
  if (const Tensor* tensor = constant_value(block, value)) {
    return tensor->is_splat() ? std::optional(tensor->real(0)) : std::nullopt;
  }
  const Op* op = block.definer(value);
  const Movement* movement = op == nullptr ? nullptr : op->def->as<Movement>();
  if (movement == nullptr || op->operands.size() != 1) return std::nullopt;
  const std::optional<double> splat = splat_value(block, op->operands[0]);
  if (!splat) return std::nullopt;
  const std::vector<Access> accesses = (*movement->access)(view(block, *op));
  const bool fills = std::all_of(accesses.begin(), accesses.end(), [](const Access& a) { return !a.bounds.empty(); });
  return fills ? std::nullopt : splat;
}

}  // namespace nnc::ir
