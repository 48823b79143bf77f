#include "passes/fusion_recompute.h"

#include "ir/analysis.h"
#include "ir/op.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <map>
#include <utility>

namespace nnc::passes {

using ir::Role;
using ir::ValueId;

namespace {

using Values = std::set<ValueId>;

/// Vector instructions take as long as moving bytes, roughly: so many a byte.
constexpr std::int64_t work_per_byte = 4;

/// Who is in which group.
class Groups {
 public:
  Groups(const FusionBlock& block, const std::vector<GrownGroup>& groups)
      : block_(block), groups_(groups), group_of_(static_cast<std::size_t>(block.op_count()), -1) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (const int op : groups[g].ops) group_of_[static_cast<std::size_t>(op)] = static_cast<int>(g);
    }
  }

  int group_of(int op) const { return op < 0 ? -1 : group_of_[static_cast<std::size_t>(op)]; }
  int maker(ValueId root) const { return group_of(block_.definer(root)); }
  const GrownGroup& group(int index) const { return groups_[static_cast<std::size_t>(index)]; }
  int count() const { return static_cast<int>(groups_.size()); }

  bool is_result(ValueId root) const {
    const std::vector<ValueId>& results = group(maker(root)).plan.results;
    return std::ranges::find(results, root) != results.end();
  }
  /// Whether a value stays a result of its group although `chosen` are computed again elsewhere.
  bool is_kept(ValueId root, const Values& chosen) const { return is_result(root) && !chosen.contains(root); }
  /// Whether computing it again means to go on to its operands: it is made by an op that is no reduction and not kept.
  bool is_computed(ValueId root, const Values& chosen) const {
    return maker(root) >= 0 && block_.op(block_.definer(root)).kind != FusionKind::reduction && !is_kept(root, chosen);
  }
  std::set<int> readers(ValueId root) const {
    std::set<int> readers;
    for (const int user : block_.users(root)) {
      if (group_of(user) != maker(root)) readers.insert(group_of(user));
    }
    return readers;
  }

 private:
  const FusionBlock& block_;
  const std::vector<GrownGroup>& groups_;
  std::vector<int> group_of_;
};

/// Clipping and updates stay as they are, the same kernel for each parameter.
bool takes_part(const ir::Op& op) {
  return op.role.kind == Role::Kind::forward || op.role.kind == Role::Kind::gradient;
}

class Choice {
 public:
  Choice(const FusionBlock& block, const std::vector<GrownGroup>& groups) : block_(block), groups_(block, groups) {}

  Values run() const {
    Values all;
    std::vector<bool> touched(static_cast<std::size_t>(groups_.count()));
    for (int g = 0; g < groups_.count(); ++g) {
      if (touched[static_cast<std::size_t>(g)]) continue;
      Values chosen = choose(g);
      if (chosen.empty()) continue;
      std::set<int> touches{g};
      for (const ValueId value : chosen) touches.merge(groups_.readers(value));
      if (std::ranges::any_of(touches, [&](int reader) { return touched[static_cast<std::size_t>(reader)]; })) continue;
      for (const int other : touches) touched[static_cast<std::size_t>(other)] = true;
      all.merge(chosen);
    }
    return all;
  }

 private:
  std::int64_t bytes(ValueId value) const { return block_.block().type(value).bytes(); }

  bool is_candidate(ValueId value) const {
    const int definer = block_.definer(value);
    if (block_.is_result(value) || block_.op(definer).kind == FusionKind::reduction || block_.op(definer).number ||
        !takes_part(block_.ir_op(definer))) {
      return false;
    }
    return std::ranges::all_of(block_.users(value), [&](int user) {
      const FusionOp& reader = block_.op(user);
      const bool reads_part = reader.kind == FusionKind::movement && !reader.tiles;
      return groups_.group_of(user) >= 0 && takes_part(block_.ir_op(user)) && !reads_part;
    });
  }

  /// Starts with all candidates among the group's results, and drops those without which more is saved.
  Values choose(int group) const {
    Values chosen;
    for (const ValueId result : groups_.group(group).plan.results) {
      if (is_candidate(result)) chosen.insert(result);
    }
    for (bool dropped = true; dropped && !chosen.empty();) {
      dropped = false;
      for (const ValueId value : Values(chosen)) {
        Values fewer = chosen;
        fewer.erase(value);
        if (saving(fewer) < saving(chosen)) continue;
        chosen = std::move(fewer);
        dropped = true;
      }
    }
    return chosen;
  }

  /// What has to be read, and what done, to compute values again.
  struct Needs {
    Values reads, computed;
    std::int64_t work = 0;
  };

  void add_needs(ValueId root, const Values& chosen, Needs& needs) const {
    if (block_.splat(root) != nullptr) return;
    if (!groups_.is_computed(root, chosen)) {
      needs.reads.insert(root);
      return;
    }
    if (!needs.computed.insert(root).second) return;
    const ir::Op& op = block_.ir_op(block_.definer(root));
    needs.work += ir::work_of(ir::view(block_.block(), op));
    for (const ValueId operand : op.operands) add_needs(block_.root(operand), chosen, needs);
  }

  /// Bytes saved; nothing if the work takes longer than moving them.
  std::int64_t saving(const Values& chosen) const {
    std::map<int, Needs> needs;
    std::int64_t saved = 0, work = 0;
    for (const ValueId value : chosen) {
      saved += bytes(value);
      for (const int reader : groups_.readers(value)) {
        saved += bytes(value);
        add_needs(value, chosen, needs[reader]);
      }
    }
    Values written;
    for (const auto& [reader, need] : needs) {
      work += need.work;
      const std::vector<ValueId>& known = groups_.group(reader).plan.operands;
      for (const ValueId root : need.reads) {
        if (std::ranges::find(known, root) == known.end() && groups_.maker(root) != reader) saved -= bytes(root);
        if (groups_.maker(root) >= 0 && !groups_.is_result(root) && written.insert(root).second) saved -= bytes(root);
      }
    }
    return work <= work_per_byte * saved ? saved : std::min<std::int64_t>(saved - work, 0);
  }

  const FusionBlock& block_;
  Groups groups_;
};

class Copying {
 public:
  Copying(const FusionBlock& block, const std::vector<GrownGroup>& groups, const Values& values)
      : block_(block), groups_(block, groups), values_(values), next_(block.block()) {
    result_.groups.resize(groups.size());
    result_.copied.resize(groups.size());
  }

  Recomputed run() {
    for (int op = 0; op < block_.op_count(); ++op) {
      const ir::Op& original = block_.ir_op(op);
      ir::Op copy = next_.mapped(original);
      for (std::size_t k = 0; k < copy.operands.size(); ++k) copy.operands[k] = operand_for(original.operands[k], op);
      const std::vector<ValueId> made = append(std::move(copy), original, groups_.group_of(op));
      for (std::size_t i = 0; i < made.size(); ++i) next_.replace(original.results[i], made[i]);
    }
    result_.block = next_.finish();
    return std::move(result_);
  }

 private:
  std::vector<ValueId> append(ir::Op op, const ir::Op& original, int group) {
    if (group >= 0) {
      result_.groups[static_cast<std::size_t>(group)].push_back(static_cast<int>(next_.block().ops().size()));
    }
    return next_.block().append(std::move(op), result_types(block_.block(), original));
  }

  ValueId operand_for(ValueId operand, int reader) {
    const ValueId root = block_.root(operand);
    const int group = groups_.group_of(reader);
    if (!values_.contains(root) || group < 0 || group == groups_.maker(root)) return next_[operand];
    return copied(operand, reader);
  }

  /// The value as the reader's group computes it.
  ValueId copied(ValueId value, int reader) {
    const ValueId root = block_.root(value);
    if (!groups_.is_computed(root, values_)) return next_[value];
    const auto key = std::pair(groups_.group_of(reader), value);
    if (const auto known = copies_.find(key); known != copies_.end()) return known->second;
    const int definer = block_.definer(value);
    const ir::Op& original = block_.ir_op(definer);
    ir::Op op = original;
    op.results.clear();
    op.role = block_.ir_op(reader).role;
    for (ValueId& operand : op.operands) operand = copied(operand, reader);
    const bool view = block_.op(definer).kind == FusionKind::view;
    const std::vector<ValueId> made = append(std::move(op), original, view ? -1 : key.first);
    if (values_.contains(value)) result_.copied[static_cast<std::size_t>(key.first)].insert(value);
    for (std::size_t i = 0; i < made.size(); ++i) copies_.emplace(std::pair(key.first, original.results[i]), made[i]);
    return copies_.at(key);
  }

  const FusionBlock& block_;
  Groups groups_;
  const Values& values_;
  Rebuild next_;
  std::map<std::pair<int, ValueId>, ValueId> copies_;  // by group and value
  Recomputed result_;
};

}  // namespace

std::set<ValueId> choose_recomputed(const FusionBlock& block, const std::vector<GrownGroup>& groups) {
  return Choice(block, groups).run();
}

Recomputed recompute(const FusionBlock& block, const std::vector<GrownGroup>& groups, const std::set<ValueId>& values) {
  return Copying(block, groups, values).run();
}

std::int64_t kernel_traffic(const ir::Block& block, const std::vector<GrownGroup>& groups) {
  std::int64_t total = 0;
  for (const GrownGroup& group : groups) {
    const Values operands(group.plan.operands.begin(), group.plan.operands.end());
    for (const ValueId value : operands) total += block.type(value).bytes();
    for (const ValueId value : group.plan.results) total += block.type(value).bytes();
  }
  return total;
}

}  // namespace nnc::passes
