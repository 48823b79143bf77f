#include "ir/analysis.h"

#include "ir/op.h"

#include <algorithm>

namespace nnc::ir {
namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// For each value of the block, whether `value` is made of its elements.
std::vector<bool> carried_by(const Block& block, ValueId value) {
  std::vector<bool> carried(static_cast<std::size_t>(block.value_count()));
  carried[at(value)] = true;
  for (auto op = block.ops().rbegin(); op != block.ops().rend(); ++op) {
    if (!std::ranges::any_of(op->results, [&](ValueId result) { return carried[at(result)]; })) continue;
    for (const int operand : op->def->value_operands) {
      carried[at(op->operands[static_cast<std::size_t>(operand)])] = true;
    }
    if (op->def->variadic) {
      for (const ValueId operand : op->operands)
        carried[at(operand)] = carried[at(operand)] || !op->def->value_operands.empty();
    }
  }
  return carried;
}

void collect_ranges(const Graph& graph, const std::vector<DataField>& fields,
                    std::map<std::string, std::int64_t>& ranges) {
  const Block& block = graph.body;
  for (const Op& op : block.ops()) {
    const std::vector<OperandDef>& operands = *op.def->operands;
    for (std::size_t i = 0; i < operands.size() && i < op.operands.size(); ++i) {
      if (operands[i].index_extent == nullptr) continue;
      const std::int64_t extent = operands[i].index_extent(view(block, op));
      const std::vector<bool> carried = carried_by(block, op.operands[i]);
      for (std::size_t field = 0; field < fields.size() && field < block.params().size(); ++field) {
        if (!carried[at(block.params()[field])]) continue;
        const auto [range, first] = ranges.try_emplace(fields[field].name, extent);
        range->second = first ? extent : std::min(range->second, extent);
      }
    }
  }
}

}  // namespace

std::vector<bool> depends_on(const Block& block, const std::vector<ValueId>& roots) {
  std::vector<bool> depends(static_cast<std::size_t>(block.value_count()));
  for (const ValueId root : roots) depends[at(root)] = true;
  for (const Op& op : block.ops()) {
    if (!std::ranges::any_of(op.operands, [&](ValueId operand) { return depends[at(operand)]; })) continue;
    for (const ValueId result : op.results) depends[at(result)] = true;
  }
  return depends;
}

std::vector<bool> needed_for(const Block& block, const std::vector<ValueId>& values) {
  std::vector<bool> needed(static_cast<std::size_t>(block.value_count()));
  for (const ValueId value : values) needed[at(value)] = true;
  for (auto op = block.ops().rbegin(); op != block.ops().rend(); ++op) {
    if (!std::ranges::any_of(op->results, [&](ValueId result) { return needed[at(result)]; })) continue;
    for (const ValueId operand : op->operands) needed[at(operand)] = true;
  }
  return needed;
}

std::map<std::string, std::int64_t> index_ranges(const Module& module) {
  std::map<std::string, std::int64_t> ranges;
  for (const Graph& graph : module.graphs) {
    if (const std::vector<DataField>* fields = fields_of(module, graph)) collect_ranges(graph, *fields, ranges);
  }
  return ranges;
}

}  // namespace nnc::ir
