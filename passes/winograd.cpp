#include "passes/winograd.h"

#include "ir/check.h"
#include "ir/winograd.h"
#include "passes/rebuild.h"

#include <algorithm>

namespace nnc::passes {

namespace {

using ir::Block;
using ir::Op;

void choose(Block& block, const ir::Target& target) {
  for (Op& op : block.ops()) {
    for (Block& region : op.regions) choose(region, target);
    const auto tiles = ir::winograd_tiles(ir::view(block, op));
    if (!tiles || !target.prefers_winograd(*tiles)) continue;
    const auto flag = std::ranges::find(op.def->attrs, ir::winograd_attr, &ir::AttrDef::name);
    op.attrs[static_cast<std::size_t>(flag - op.def->attrs.begin())] = true;
  }
}

}  // namespace

ir::Status winograd(ir::Module& module, PassContext& context) {
  NNC_CHECK(context.target != nullptr, "no target to choose for");
  for_each_body(module, [&](Block& block) { choose(block, *context.target); });
  return ir::Status::ok;
}

}  // namespace nnc::passes
