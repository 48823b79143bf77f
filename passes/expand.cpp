#include "passes/expand.h"

#include "ir/simplify.h"
#include "passes/dce.h"
#include "passes/rebuild.h"

#include <algorithm>

namespace nnc::passes {

namespace {

using ir::Block;
using ir::Op;

void expand_block(Block& block) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) expand_block(region);
  const auto has_rule = [](const Op& op) { return op.def->expand != nullptr; };
  if (std::ranges::none_of(block.ops(), has_rule)) return;
  Rebuild next(block);
  ir::Builder builder(next.block());
  for (const Op& op : block.ops()) {
    const std::vector<ir::ValueId> made = next.copy(op);
    if (!has_rule(op)) continue;
    builder.location = op.location;
    builder.role = op.role;
    const Op copy = *next.block().definer(made[0]);  // the block grows
    ir::SimplifyCtx context(builder, copy);
    const std::vector<ir::Expr> expanded = op.def->expand(context);
    for (std::size_t i = 0; i < expanded.size(); ++i) next.replace(op.results[i], expanded[i].value);
  }
  block = next.finish();
  remove_dead_ops(block);
}

}  // namespace

ir::Status expand(ir::Module& module, PassContext&) {
  for_each_body(module, expand_block);
  return ir::Status::ok;
}

}  // namespace nnc::passes
