// Rebuilding a block op by op: what passes do instead of editing ops in place.
//
//   Rebuild next(old);                        // has old's parameters
//   for (const Op& op : old.ops()) {
//     if (wanted(op)) next.copy(op);          // operands replaced, results noted
//     else next.replace(op.results[0], value);
//   }
//   old = next.finish();                      // old's results replaced
#pragma once

#include "ir/builder.h"
#include "ir/module.h"
#include "ir/value_map.h"

#include <vector>

namespace nnc::passes {

class Rebuild {
 public:
  /// `from` has to outlive this.
  explicit Rebuild(const ir::Block& from);

  ir::Block& block() { return to_; }
  /// The value in the new block that stands for `old`.
  ir::ValueId operator[](ir::ValueId old) const { return map_[old]; }
  /// From now on `value` (of the new block) stands for `old`.
  void replace(ir::ValueId old, ir::ValueId value) { map_.set(old, value); }
  /// The op with its operands replaced and no results yet.
  ir::Op mapped(const ir::Op& op) const { return map_.mapped(op); }
  /// Appends the op with its operands replaced; gives its results, which stand for the old ones.
  std::vector<ir::ValueId> copy(const ir::Op& op) { return map_.copy(to_, op); }
  /// The new block, with the results of the old one.
  ir::Block finish();

 private:
  const ir::Block* from_;
  ir::Block to_;
  ir::ValueMap map_;
};

/// Calls `f(Block&)` on the body of each rule and graph.
template <class F>
void for_each_body(ir::Module& module, F&& f) {
  for (ir::Graph& rule : module.rules) f(rule.body);
  for (ir::Graph& graph : module.graphs) f(graph.body);
}

}  // namespace nnc::passes
