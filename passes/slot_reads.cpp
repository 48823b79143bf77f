#include "passes/slot_reads.h"

#include "ir/op.h"

namespace nnc::passes {

std::map<std::string, std::vector<ir::ValueId>> slot_reads(const ir::Block& block) {
  std::map<std::string, std::vector<ir::ValueId>> reads;
  for (const ir::Op& op : block.ops()) {
    if (const std::string* read = slot_of(op)) reads[*read].push_back(op.results[0]);
  }
  return reads;
}

}  // namespace nnc::passes
