#include "passes/fuse.h"

#include "ir/evaluate.h"
#include "ir/fused.h"
#include "ir/op.h"
#include "passes/dce.h"
#include "passes/fusion_block.h"
#include "passes/fusion_grow.h"
#include "passes/fusion_recompute.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

namespace nnc::passes {

using ir::Block;
using ir::Op;
using ir::ValueId;

namespace {

/// Writes the new block: groups and the ops outside of them, each after what it reads.
class Emission {
 public:
  Emission(const FusionBlock& block, std::vector<GrownGroup> groups)
      : block_(block), next_(block.block()), known_(static_cast<std::size_t>(block.block().value_count())) {
    for (int op = 0; op < block.op_count(); ++op) {
      if (block.op(op).live && block.op(op).kind != FusionKind::view) node_of_[op] = op;
    }
    for (GrownGroup& group : groups) {
      const int first = group.ops.front();
      for (const int op : group.ops) node_of_[op] = first;
      groups_.emplace(first, std::move(group));
    }
    for (const ValueId param : block.block().params()) known_[static_cast<std::size_t>(param.index)] = true;
  }

  // Nodes are named by their first op. Of those whose operands are there, the one named first is next.
  Block run() {
    std::map<int, std::set<int>> waits_for, gives_to;
    for (const auto& [op, node] : node_of_) {
      waits_for[node];
      for (const ValueId result : block_.ir_op(op).results) {
        for (const int user : block_.users(result)) {
          const int to = node_of_.at(user);
          if (to == node) continue;
          waits_for[to].insert(node);
          gives_to[node].insert(to);
        }
      }
    }
    std::set<int> ready;
    for (const auto& [node, needs] : waits_for) {
      if (needs.empty()) ready.insert(node);
    }
    while (!ready.empty()) {
      const int node = *ready.begin();
      ready.erase(ready.begin());
      emit(node);
      for (const int to : gives_to[node]) {
        waits_for[to].erase(node);
        if (waits_for[to].empty()) ready.insert(to);
      }
    }
    for (const ValueId result : block_.block().results) make_known(result);
    return next_.finish();
  }

 private:
  void emit(int node) {
    const auto group = groups_.find(node);
    if (group != groups_.end()) {
      append_fused(group->second);
      return;
    }
    const Op& op = block_.ir_op(node);
    for (const ValueId operand : op.operands) make_known(operand);
    next_.copy(op);
    for (const ValueId result : op.results) known_[static_cast<std::size_t>(result.index)] = true;
  }

  /// A view that is used outside of kernels is a reshape of its root.
  void make_known(ValueId value) {
    if (known_[static_cast<std::size_t>(value.index)]) return;
    const Op& view = block_.ir_op(block_.definer(value));
    ir::Builder builder(next_.block());
    builder.location = view.location;
    builder.role = view.role;
    const ValueId root = next_[block_.root(value)];
    next_.replace(value, builder.reshape(builder.expr(root), block_.block().type(value).shape).value);
    known_[static_cast<std::size_t>(value.index)] = true;
  }

  void append_fused(GrownGroup& group) {
    static const ir::OpDef* const fused = ir::find_op(ir::fused_op);
    FusionPlan& plan = group.plan;
    Op op;
    op.def = fused;
    for (const ValueId operand : plan.operands) op.operands.push_back(next_[operand]);
    std::vector<ir::Type> types;
    for (const ValueId result : plan.results) types.push_back(block_.block().type(result));
    op.attrs = ir::fused_attrs(std::move(plan.domain), std::move(plan.reads), std::move(plan.writes), {}, types,
                               std::move(plan.into));
    op.regions.push_back(std::move(plan.body));
    op.role = block_.ir_op(group.ops.front()).role;
    for (const int member : group.ops) {
      const Op& original = block_.ir_op(member);
      op.location = op.location.merged(original.location);
      op.role = merged(op.role, original.role);
    }
    const std::vector<ValueId> results = next_.block().append(std::move(op), types);
    for (std::size_t i = 0; i < results.size(); ++i) {
      next_.replace(plan.results[i], results[i]);
      known_[static_cast<std::size_t>(plan.results[i].index)] = true;
    }
  }

  const FusionBlock& block_;
  Rebuild next_;
  std::vector<bool> known_;           // which values the new block has
  std::map<int, int> node_of_;        // of live ops
  std::map<int, GrownGroup> groups_;  // by node
};

/// A block and the groups that grew in it.
struct Grown {
  explicit Grown(Block given) : block(std::move(given)), view(block) {}
  Grown(const Grown&) = delete;
  Grown& operator=(const Grown&) = delete;

  Block block;
  FusionBlock view;
  GrownGroups groups;
};

/// What the group with that first op consists of.
Remark::Part part_of(const Grown& grown, int first) {
  Remark::Part part;
  const auto group =
      std::ranges::find(grown.groups.groups, first, [](const GrownGroup& each) { return each.ops.front(); });
  for (const int op : group->ops) {
    part.ops.push_back(*grown.view.ir_op(op).def->name);
    part.location = part.location.merged(grown.view.ir_op(op).location);
  }
  return part;
}

struct Seeds {
  std::vector<GrownGroup> groups;
  std::set<ValueId> wrong;
};

/// The groups with copies that are kernels, and the values whose copies make others illegal. One that is illegal without
/// copies is left out, as what it lost held it together: its ops grow anew.
Seeds legal_groups(const FusionBlock& block, const Recomputed& made) {
  Seeds seeds;
  for (std::size_t i = 0; i < made.groups.size(); ++i) {
    std::vector<int> ops = made.groups[i];
    std::erase_if(ops, [&](int op) { return !block.op(op).live; });
    if (ops.empty()) continue;
    std::variant<FusionPlan, std::string> plan = plan_fusion(block, ops);
    if (auto* legal = std::get_if<FusionPlan>(&plan)) {
      seeds.groups.push_back({std::move(ops), std::move(*legal)});
      continue;
    }
    // Without the values that are wrong already it may be legal.
    const auto is_wrong = [&](ValueId value) { return seeds.wrong.contains(value); };
    if (std::ranges::any_of(made.copied[i], is_wrong)) continue;
    seeds.wrong.insert(made.copied[i].begin(), made.copied[i].end());
  }
  return seeds;
}

/// Lets groups compute again what that is cheaper for; they go on growing with the copies. A group that the copies make
/// illegal has to read its values. Null if nothing is saved.
std::unique_ptr<Grown> recomputed(const Grown& grown) {
  std::set<ValueId> values = choose_recomputed(grown.view, grown.groups.groups);
  while (!values.empty()) {
    Recomputed made = recompute(grown.view, grown.groups.groups, values);
    auto again = std::make_unique<Grown>(std::move(made.block));
    Seeds seeds = legal_groups(again->view, made);
    if (!seeds.wrong.empty()) {
      for (const ValueId value : seeds.wrong) values.erase(value);
      continue;
    }
    again->groups = grow_groups(again->view, std::move(seeds.groups));
    const bool better =
        kernel_traffic(again->block, again->groups.groups) < kernel_traffic(grown.block, grown.groups.groups);
    return better ? std::move(again) : nullptr;
  }
  return nullptr;
}

/// Whether an op computes from nothing: positions.
bool is_source(const Op& op) { return op.operands.empty() && op.def->as<ir::Elementwise>() != nullptr; }

/// A source is copied for each use: it costs less than reading it, and a kernel may need it along several dimensions.
/// With one position, which is along none, it is a constant.
Block with_sources_apart(const Block& block) {
  Rebuild next(block);
  ir::Builder builder(next.block());
  std::set<ValueId> used;
  for (const Op& op : block.ops()) {
    if (is_source(op) && block.type(op.results[0]).elements() == 1) {
      builder.location = op.location;
      builder.role = op.role;
      next.replace(op.results[0], builder.constant(ir::evaluate(ir::view(block, op), {})[0]).value);
      continue;
    }
    Op copy = next.mapped(op);
    for (std::size_t i = 0; i < op.operands.size(); ++i) {
      const Op* source = block.definer(op.operands[i]);
      if (source == nullptr || !is_source(*source) || block.type(op.operands[i]).elements() == 1) continue;
      if (used.insert(op.operands[i]).second) continue;
      copy.operands[i] = next.block().append(next.mapped(*source), result_types(block, *source))[0];
    }
    const std::vector<ValueId> results = next.block().append(std::move(copy), result_types(block, op));
    for (std::size_t i = 0; i < results.size(); ++i) next.replace(op.results[i], results[i]);
  }
  return next.finish();
}

}  // namespace

// 1. Fuse the regions of the block's ops, except of fused ones.
// 2. Copy sources. Grow groups, and again with what they compute twice.
// 3. Write the block anew with a fused op for each group, and drop constants that now stand in bodies.
void fuse_block(Block& block, std::vector<Remark>* not_fused) {
  for (Op& op : block.ops()) {
    if (ir::is_fused(op)) continue;
    for (Block& region : op.regions) fuse_block(region, not_fused);
  }
  auto grown = std::make_unique<Grown>(with_sources_apart(block));
  grown->groups = grow_groups(grown->view);
  while (std::unique_ptr<Grown> better = recomputed(*grown)) grown = std::move(better);
  if (not_fused != nullptr) {
    for (FusionRefusal& refusal : grown->groups.refusals)
      not_fused->push_back(
          {part_of(*grown, refusal.first), part_of(*grown, refusal.second), std::move(refusal.reason)});
  }
  block = Emission(grown->view, std::move(grown->groups.groups)).run();
  remove_dead_ops(block);
}

void wrap_ops(Block& block) {
  for (Op& op : block.ops())
    if (!ir::is_fused(op)) std::ranges::for_each(op.regions, wrap_ops);
  const Block given = with_sources_apart(block);
  const FusionBlock view(given);
  std::vector<GrownGroup> groups;
  for (int op = 0; op < view.op_count(); ++op) {
    if (!view.is_fusable(op)) continue;
    std::variant<FusionPlan, std::string> plan = plan_fusion(view, {op});
    if (auto* made = std::get_if<FusionPlan>(&plan)) groups.push_back({{op}, std::move(*made)});
  }
  block = Emission(view, std::move(groups)).run();
  remove_dead_ops(block);
}

ir::Status fuse(ir::Module& module, PassContext& context) {
  for (ir::Graph& rule : module.rules) fuse_block(rule.body);
  for (ir::Graph& graph : module.graphs) {
    const std::size_t first = context.remarks == nullptr ? 0 : context.remarks->size();
    fuse_block(graph.body, context.remarks);
    if (context.remarks == nullptr) continue;
    for (Remark& remark : std::span(*context.remarks).subspan(first)) remark.graph = graph.full_name();
  }
  return ir::Status::ok;
}

}  // namespace nnc::passes
