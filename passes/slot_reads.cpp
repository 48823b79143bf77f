#include "passes/slot_reads.h"

#include "ir/check.h"
#include "ir/op.h"

#include <variant>

namespace nnc::passes {

const std::string* slot_read_by(const ir::Op& op) {
  if (op.def->as<ir::SlotRead>() == nullptr) return nullptr;
  for (std::size_t i = 0; i < op.def->attrs.size(); ++i) {
    if (op.def->attrs[i].kind == ir::AttrKind::slot) return &std::get<std::string>(op.attrs[i]);
  }
  ir::internal_error(__FILE__, __LINE__, op, "reads a slot without naming it");
}

std::vector<ir::ValueId> reads_of(const ir::Block& block, std::string_view path) {
  std::vector<ir::ValueId> reads;
  for (const ir::Op& op : block.ops()) {
    const std::string* read = slot_read_by(op);
    if (read != nullptr && *read == path) reads.push_back(op.results[0]);
  }
  return reads;
}

}  // namespace nnc::passes
