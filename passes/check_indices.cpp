#include "passes/check_indices.h"

#include "ir/analysis.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <map>
#include <utility>

namespace nnc::passes {

namespace {

using ir::Block;
using ir::Op;
using ir::ValueId;

/// By operand: the number of positions that it indexes.
using Extents = std::map<std::size_t, std::int64_t>;

/// Regions first: the ops of a block stay where they are until it is rebuilt.
void check(Block& block, const std::map<const Op*, Extents>& unsure) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) check(region, unsure);
  if (std::ranges::none_of(block.ops(), [&](const Op& op) { return unsure.contains(&op); })) return;

  Rebuild next(block);
  ir::Builder builder(next.block());
  std::map<std::pair<std::int32_t, std::int64_t>, ValueId> checked;
  for (const Op& op : block.ops()) {
    const auto found = unsure.find(&op);
    if (found == unsure.end()) {
      next.copy(op);
      continue;
    }
    Op sure = next.mapped(op);
    builder.location = op.location;
    builder.role = op.role;
    for (const auto& [operand, extent] : found->second) {
      ValueId& made = checked[{op.operands[operand].index, extent}];
      if (!made.valid())
        made = builder.op("checked_index", {builder.expr(sure.operands[operand])}, {{"below", extent}}).value;
      sure.operands[operand] = made;
    }
    const std::vector<ValueId> results = next.block().append(std::move(sure), result_types(block, op));
    for (std::size_t i = 0; i < results.size(); ++i) next.replace(op.results[i], results[i]);
  }
  block = next.finish();
}

}  // namespace

ir::Status check_indices(ir::Module& module, PassContext&) {
  for (ir::Graph& graph : module.graphs) {
    const std::vector<ir::DataField>* fields = ir::fields_of(module, graph);
    const std::size_t read = fields == nullptr ? 0 : fields->size();
    std::map<const Op*, Extents> unsure;
    for (const ir::IndexUse& use : ir::index_uses(graph.body)) {
      if (use.op == nullptr) continue;  // within a kernel, where nothing is read at it
      const bool from_data = std::ranges::all_of(use.elements.params, [&](std::size_t param) { return param < read; });
      if (!from_data || !use.elements.chosen.empty() || !use.elements.below(use.extent))
        unsure[use.op][use.operand] = use.extent;
    }
    if (!unsure.empty()) check(graph.body, unsure);
  }
  return ir::Status::ok;
}

}  // namespace nnc::passes
