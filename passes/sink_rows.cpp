#include "passes/sink_rows.h"

#include "ir/builder.h"
#include "ir/ops/gather.h"
#include "ir/ops/scan.h"
#include "passes/rebuild.h"
#include "passes/rows.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace nnc::passes {

namespace {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::Shape;
using ir::ValueId;

/// What a step looks up for itself: rows of a table.
struct Lookup {
  const Op* gather = nullptr;
  Rows rows;    // as they come from it
  Shape index;  // of all steps
};

class Sinking {
 public:
  explicit Sinking(const Block& block) : block_(block), next_(block), builder_(next_.block()) {
    for (const Op& op : block.ops())
      for (const ValueId v : op.operands) ++uses_[v];
    for (const ValueId v : block.results) ++uses_[v];
    for (const Op& op : block.ops())
      if (ir::is_scan(op)) find(op);
  }

  bool any() const { return !sunk_.empty(); }

  Block run() {
    for (const Op& op : block_.ops()) {
      if (sunk_.contains(&op)) continue;
      if (lookups_.contains(&op))
        copy_loop(op);
      else
        next_.copy(op);
    }
    return next_.finish();
  }

 private:
  void find(const Op& scan) {
    const ir::ScanParts parts(ir::view(block_, scan));
    for (std::size_t i = parts.carries; i < parts.carries + parts.scanned; ++i) {
      // A last reshape may cut rows, or join them.
      const ValueId scanned = scan.operands[i];
      const Op* const reshape = block_.definer(scanned);
      const bool reshaped = reshape != nullptr && is(*reshape, "reshape");
      Rows rows = rows_of(block_, reshaped ? reshape->operands[0] : scanned);
      const Op* const gather = block_.definer(rows.source);
      if (gather == nullptr || !is(*gather, "gather") || !ir::names_rows(ir::view(block_, *gather))) continue;
      const auto once = [&](ValueId value) { return uses_[value] == 1; };
      if (!once(scanned) || (reshaped && !once(reshape->operands[0])) || !std::ranges::all_of(rows.passed, once))
        continue;
      Shape index = block_.type(gather->operands[1]).shape;
      const auto axis = static_cast<std::size_t>(std::get<std::int64_t>(gather->attrs[0]));
      if (!rows.moves.empty()) {
        if (axis != 0 || index.size() != 2) continue;
        const ir::Type& moved = block_.type(reshaped ? reshape->operands[0] : scanned);
        index = {moved.elements() / moved.shape.back(), 1};
      }
      if (index[axis] % parts.length != 0) continue;
      index[axis] /= parts.length;
      index.insert(index.begin(), parts.length);
      sunk_.insert({reshape, gather});
      sunk_.insert(rows.moves.begin(), rows.moves.end());
      lookups_[&scan][i] = {gather, std::move(rows), std::move(index)};
    }
  }

  void copy_loop(const Op& scan) {
    const std::map<std::size_t, Lookup>& lookups = lookups_.at(&scan);
    const Block& from = scan.regions[0];
    Op made = scan;
    made.results.clear();
    Block region;
    ir::ValueMap map(from);
    map.add_param(region, from.params()[0]);
    std::map<std::size_t, ValueId> indices;  // of a step, by operand
    for (std::size_t i = 0; i < scan.operands.size(); ++i) {
      const auto lookup = lookups.find(i);
      if (lookup == lookups.end()) {
        map.add_param(region, from.params()[i + 1]);
        made.operands[i] = next_[scan.operands[i]];
        continue;
      }
      stamp(builder_, *lookup->second.gather);
      const Expr index =
          moved(builder_, block_, lookup->second.rows, builder_.expr(next_[lookup->second.gather->operands[1]]));
      made.operands[i] = builder_.reshape(index, lookup->second.index).value;
      indices[i] =
          region.add_param({index.dtype(), {lookup->second.index.begin() + 1, lookup->second.index.end()}, {}});
    }
    ir::Builder inner(region);
    for (const auto& [i, lookup] : lookups) {
      made.operands.push_back(next_[lookup.gather->operands[0]]);
      const Expr table = inner.expr(region.add_param(block_.type(lookup.gather->operands[0])));
      stamp(inner, *lookup.gather);
      const Expr rows = inner.op("gather", {table, inner.expr(indices[i])}, {{"axis", lookup.gather->attrs[0]}});
      map.set(from.params()[i + 1], inner.reshape(rows, from.type(from.params()[i + 1]).shape).value);
    }
    for (const Op& op : from.ops()) map.copy(region, op);
    for (const ValueId v : from.results) region.results.push_back(map[v]);
    made.regions[0] = std::move(region);
    const std::vector<ValueId> results = next_.block().append(std::move(made), ir::result_types(block_, scan));
    for (std::size_t i = 0; i < results.size(); ++i) next_.replace(scan.results[i], results[i]);
  }

  static void stamp(ir::Builder& builder, const Op& op) {
    builder.location = op.location;
    builder.role = op.role;
  }

  const Block& block_;
  Rebuild next_;
  ir::Builder builder_;
  std::map<ValueId, int> uses_;
  std::map<const Op*, std::map<std::size_t, Lookup>> lookups_;  // of a loop, by operand
  std::set<const Op*> sunk_;
};

/// Rows looked up around a loop that sink into it may sink into one within.
void sink_into_loops(Block& block) {
  if (Sinking sinking(block); sinking.any()) block = sinking.run();
  for (Op& op : block.ops())
    for (Block& region : op.regions) sink_into_loops(region);
}

}  // namespace

ir::Status sink_rows(ir::Module& module, PassContext&) {
  for_each_body(module, sink_into_loops);
  return ir::Status::ok;
}

}  // namespace nnc::passes
