#include "passes/updates.h"

#include "ir/builder.h"
#include "ir/check.h"
#include "passes/slot_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nnc::passes {

using ir::Builder;
using ir::Expr;
using ir::Graph;
using ir::GraphResult;
using ir::Role;
using ir::ValueId;

namespace {

/// The old value of a slot: the first of its `reads`, or a new one.
Expr old_value(Builder& builder, const ir::Module& module, const std::map<std::string, std::vector<ValueId>>& reads,
               const std::string& path) {
  if (const auto read = reads.find(path); read != reads.end()) return builder.expr(read->second.front());
  const ir::Slot* slot = module.find_slot(path);
  NNC_CHECK(slot != nullptr, "an update names slot {}, which the module lacks", path);
  return builder.slot(path, slot->type);
}

/// The gradients among the results, in the order of the updates; takes them out of the results.
std::vector<Expr> take_gradients(Builder& builder, Graph& graph, const std::vector<ir::Update>& updates) {
  std::vector<Expr> gradients;
  for (const ir::Update& update : updates) {
    gradients.push_back(builder.expr(graph.result(GraphResult::Kind::gradient, update.parameter)));
  }
  const std::vector<GraphResult> names = std::exchange(graph.results, {});
  const std::vector<ValueId> values = std::exchange(graph.body.results, {});
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].kind != GraphResult::Kind::gradient) graph.add_result(names[i].kind, names[i].name, values[i]);
  }
  return gradients;
}

void update_graph(const ir::Module& module, Graph& graph) {
  Builder builder(graph.body);
  std::vector<Expr> gradients = take_gradients(builder, graph, module.updates);
  if (const Graph* clip = module.find_rule(ir::clip_rule)) {
    builder.role = {Role::Kind::clip, ""};
    gradients = ir::inline_block(builder, clip->body, gradients, true);
  }
  const std::map<std::string, std::vector<ValueId>> reads = slot_reads(graph.body);
  for (std::size_t i = 0; i < module.updates.size(); ++i) {
    const ir::Update& update = module.updates[i];
    const Graph* rule = module.find_rule(update.rule);
    NNC_CHECK(rule != nullptr, "the update of {} names rule {}, which the module lacks", update.parameter, update.rule);
    builder.role = {Role::Kind::update, update.parameter};
    std::vector<std::string> slots{update.parameter};
    slots.insert(slots.end(), update.states.begin(), update.states.end());
    std::vector<Expr> args;
    for (const std::string& slot : slots) args.push_back(old_value(builder, module, reads, slot));
    args.insert(args.begin() + 1, gradients[i]);
    const std::vector<Expr> next = ir::inline_block(builder, rule->body, args, true);
    NNC_CHECK(next.size() == slots.size(), "rule {} gives {} values for {} slots", update.rule, next.size(),
              slots.size());
    for (std::size_t k = 0; k < slots.size(); ++k) graph.add_result(GraphResult::Kind::slot, slots[k], next[k].value);
  }
}

/// Whether every update has its gradient; reports the first that lacks it.
bool has_gradients(const Graph& graph, const std::vector<ir::Update>& updates, ir::Diagnostics& diagnostics) {
  for (const ir::Update& update : updates) {
    if (graph.result(GraphResult::Kind::gradient, update.parameter).valid()) continue;
    diagnostics.error(fmt::format("graph {} has no gradient of `{}` for its update; run the pass autodiff before",
                                  graph.full_name(), update.parameter));
    return false;
  }
  return true;
}

}  // namespace

// In each `train` graph:
// 1. Take the gradients out of the results.
// 2. Inline the rule `clip`, if there is one, over all of them.
// 3. Inline the rule of each update over the parameter's old value, its gradient and its states' old values, and
//    bind the results to the slots.
// Then drop rules and updates.
ir::Status updates(ir::Module& module, PassContext& context) {
  for (Graph& graph : module.graphs) {
    if (graph.name != ir::train_graph) continue;
    if (!has_gradients(graph, module.updates, context.diagnostics)) return ir::Status::failed;
    update_graph(module, graph);
  }
  module.rules.clear();
  module.updates.clear();
  return ir::Status::ok;
}

}  // namespace nnc::passes
