#include "passes/fusion_grow.h"

#include "ir/fused.h"
#include "ir/op.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <variant>

namespace nnc::passes {

using ir::Role;
using ir::ValueId;

namespace {

/// Among more groups that read one value, only neighbours are tried: all pairs would be too many.
constexpr std::size_t most_siblings = 8;

/// The groups, and the ops outside of them, as nodes of a graph without cycles. A node stands in `order_` behind all
/// that it reads from.
class Nodes {
 public:
  explicit Nodes(const FusionBlock& block) : block_(block) {
    for (int op = 0; op < block.op_count(); ++op) {
      node_of_.push_back(op);
      members_.push_back({op});
      order_.push_back(op);
      place_.push_back(op);
    }
    seen_.resize(members_.size());
    find_landmarks();
  }

  int node_of(int op) const { return node_of_[static_cast<std::size_t>(op)]; }
  const std::vector<int>& members(int node) const { return members_[static_cast<std::size_t>(node)]; }

  /// The ops of some nodes, ascending.
  std::vector<int> joined(const std::vector<int>& nodes) const {
    std::vector<int> ops;
    for (const int node : nodes) ops.insert(ops.end(), members(node).begin(), members(node).end());
    std::ranges::sort(ops);
    return ops;
  }

  /// Whether a path leads from one to the other through a third: merged, the two would need each other's results.
  bool is_between(int a, int b) {
    if (place(a) > place(b)) std::swap(a, b);
    if (passes_landmark(a, b)) return true;
    bool found = false;
    visit_from(a, place(b), [&](int node) {
      if (node != a) for_each_successor(node, [&](int next) { found = found || next == b; });
      return !found;
    });
    return found;
  }

  // The merged node takes the second one's place. What the first one gives to stood between them and moves behind;
  // nothing there gives to the second one. The first of the places from one to the other is left empty.
  int merge(int a, int b) {
    if (place(a) > place(b)) std::swap(a, b);
    const int first = place(a), last = place(b);
    visit_from(a, last, [](int) { return true; });
    const auto is_behind = [&](int node) { return seen_[static_cast<std::size_t>(node)] == visit_; };

    members_.push_back(joined({a, b}));
    to_.push_back(to_[static_cast<std::size_t>(a)] | to_[static_cast<std::size_t>(b)]);
    from_.push_back(from_[static_cast<std::size_t>(a)] | from_[static_cast<std::size_t>(b)]);
    const int node = static_cast<int>(members_.size()) - 1;
    for (const int op : members(node)) node_of_[static_cast<std::size_t>(op)] = node;
    members_[static_cast<std::size_t>(a)].clear();
    members_[static_cast<std::size_t>(b)].clear();

    std::vector<int> interval, behind{node};
    for (int i = first + 1; i < last; ++i) {
      const int other = order_[static_cast<std::size_t>(i)];
      if (other != nobody) (is_behind(other) ? behind : interval).push_back(other);
    }
    interval.insert(interval.end(), behind.begin(), behind.end());
    seen_.push_back(0);
    place_.push_back(0);
    int at = first;
    for (const int empty = last + 1 - static_cast<int>(interval.size()); at < empty; ++at) {
      order_[static_cast<std::size_t>(at)] = nobody;
    }
    for (const int other : interval) {
      order_[static_cast<std::size_t>(at)] = other;
      place_[static_cast<std::size_t>(other)] = at++;
    }
    return node;
  }

  /// The nodes of some ops, each once, in order.
  std::vector<int> distinct(const std::vector<int>& ops) {
    ++visit_;
    std::vector<int> nodes;
    for (const int op : ops) {
      int& seen = seen_[static_cast<std::size_t>(node_of(op))];
      if (seen != visit_) nodes.push_back(node_of(op));
      seen = visit_;
    }
    return nodes;
  }

  /// Calls `f` on each who reads from a node; on some more than once.
  template <class F>
  void for_each_successor(int node, F&& f) const {
    for (const int op : members(node)) {
      for (const ValueId result : block_.ir_op(op).results) {
        for (const int user : block_.users(result)) {
          if (node_of(user) != node) f(node_of(user));
        }
      }
    }
  }

 private:
  static constexpr int nobody = -1;

  int place(int node) const { return place_[static_cast<std::size_t>(node)]; }

  // The way from an op of the forward graph to one of the backward graph leads through all that is between. Some ops
  // along the order, with who reaches them and whom they reach, tell of most such ways without walking them.
  void find_landmarks() {
    const std::size_t ops = members_.size();
    to_.resize(ops);
    from_.resize(ops);
    for (std::size_t i = 0; i < most_landmarks && i < ops; ++i) {
      const std::size_t op = i * ops / std::min(most_landmarks, ops);
      landmarks_.push_back(static_cast<int>(op));
      to_[op] = from_[op] = std::uint64_t{1} << i;
    }
    for (std::size_t op = ops; op-- > 0;) {
      for_each_successor(static_cast<int>(op), [&](int next) { to_[op] |= to_[static_cast<std::size_t>(next)]; });
    }
    for (std::size_t op = 0; op < ops; ++op) {
      for_each_successor(static_cast<int>(op), [&](int next) { from_[static_cast<std::size_t>(next)] |= from_[op]; });
    }
  }

  bool passes_landmark(int a, int b) const {
    const std::uint64_t on_the_way = to_[static_cast<std::size_t>(a)] & from_[static_cast<std::size_t>(b)];
    for (std::size_t i = 0; i < landmarks_.size(); ++i) {
      const int node = node_of(landmarks_[i]);
      if ((on_the_way >> i & 1) != 0 && node != a && node != b) return true;
    }
    return false;
  }

  /// Calls `f` on a node and what it leads to, as far as that stands before `end`, as long as `f` says so.
  template <class F>
  void visit_from(int node, int end, F&& f) {
    ++visit_;
    std::vector<int> rest{node};
    seen_[static_cast<std::size_t>(node)] = visit_;
    while (!rest.empty()) {
      const int next = rest.back();
      rest.pop_back();
      if (!f(next)) return;
      for_each_successor(next, [&](int successor) {
        int& seen = seen_[static_cast<std::size_t>(successor)];
        if (seen == visit_ || place(successor) >= end) return;
        seen = visit_;
        rest.push_back(successor);
      });
    }
  }

  static constexpr std::size_t most_landmarks = 64;

  const FusionBlock& block_;
  std::vector<int> node_of_;
  std::vector<std::vector<int>> members_;
  std::vector<int> order_, place_;
  std::vector<int> seen_;  // by node: the last visit that came by
  int visit_ = 0;
  std::vector<int> landmarks_;            // ops
  std::vector<std::uint64_t> to_, from_;  // by node: landmarks that it reaches, and that reach it
};

/// Whether ops of these roles may be in one kernel: clipping is by itself, and so is each parameter's update, so that
/// all updates by one rule are the same kernel.
bool same_part(const Role& a, const Role& b) {
  const auto apart = [](const Role& role) { return role.kind == Role::Kind::clip || role.kind == Role::Kind::update; };
  if (!apart(a) && !apart(b)) return true;
  return a.kind == b.kind && (a.kind != Role::Kind::update || a.slot == b.slot);
}

/// The part of each op: its role, but of clipping what only one parameter's update reads belongs to that update.
std::vector<Role> parts_of(const FusionBlock& block) {
  std::vector<Role> parts(static_cast<std::size_t>(block.op_count()));
  for (int op = block.op_count(); op-- > 0;) {
    Role& part = parts[static_cast<std::size_t>(op)];
    part = block.ir_op(op).role;
    if (part.kind != Role::Kind::clip || !block.op(op).live) continue;
    const Role* reader = nullptr;
    bool one = true;
    for (const ValueId result : block.ir_op(op).results) {
      one = one && !block.is_result(block.root(result));
      for (const int user : block.users(block.root(result))) {
        const Role& other = parts[static_cast<std::size_t>(user)];
        one = one && other.kind == Role::Kind::update && (reader == nullptr || reader->slot == other.slot);
        reader = &other;
      }
    }
    if (one && reader != nullptr) part = *reader;
  }
  return parts;
}

class Growing {
 public:
  explicit Growing(const FusionBlock& block) : block_(block), nodes_(block), parts_(parts_of(block)) {}

  void seed(GrownGroup group) {
    int node = group.ops.front();
    for (const int op : group.ops) {
      if (op != group.ops.front()) node = nodes_.merge(node, op);
    }
    plans_.emplace(node, std::move(group.plan));
  }

  // 1. A group for each op that is in none and can be a kernel by itself.
  // 2. Take the pair of groups that saves most, of equals the smallest, then the one that comes first. A long chain is
  //    so planned again for each doubling, not for each op; but halves that each have many operands may end as two
  //    kernels.
  // 3. Merge it if the merged group can be planned. Else note why not, and try the two with all others that make parts
  //    of one result. The merged group makes new pairs.
  // 4. Until no pair is left.
  GrownGroups run() {
    for (int op = 0; op < block_.op_count(); ++op) {
      if (!block_.is_fusable(op) || is_group(nodes_.node_of(op))) continue;
      std::variant<FusionPlan, std::string> plan = plan_fusion(block_, {op});
      if (auto* made = std::get_if<FusionPlan>(&plan)) plans_.emplace(op, std::move(*made));
    }
    for (const auto& [node, plan] : plans_) add_pairs(node, true);
    while (!pairs_.empty()) {
      const Pair pair = *pairs_.begin();
      pairs_.erase(pairs_.begin());
      if (plans_.contains(pair.first) && plans_.contains(pair.second)) try_merge(pair.first, pair.second);
    }
    return result();
  }

 private:
  struct Pair {
    std::int64_t bytes;
    std::size_t ops;          // of both
    int first_op, second_op;  // the first of each
    int first, second;

    auto key() const { return std::tuple(-bytes, ops, first_op, second_op, first, second); }
    bool operator<(const Pair& other) const { return key() < other.key(); }
  };

  const Role& part(int node) const { return parts_[static_cast<std::size_t>(nodes_.members(node).front())]; }
  std::int64_t bytes(ValueId value) const { return block_.block().type(value).bytes(); }
  bool is_group(int node) const { return plans_.contains(node); }

  /// Roots that a group reads from outside.
  std::set<ValueId> reads(int node) const {
    const std::vector<ValueId>& operands = plans_.at(node).operands;
    return {operands.begin(), operands.end()};
  }

  /// Bytes that are no longer written and read, or no longer read twice.
  std::int64_t saving(int a, int b) const {
    std::int64_t saved = 0;
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      for (const ValueId value : reads(to)) {
        const int definer = block_.definer(value);
        if (definer < 0 || nodes_.node_of(definer) != from) continue;
        const auto beyond = [&](int user) {
          const int node = nodes_.node_of(user);
          return node != a && node != b;
        };
        const bool written = block_.is_result(value) || std::ranges::any_of(block_.users(value), beyond);
        saved += written ? bytes(value) : 2 * bytes(value);
      }
    }
    const std::set<ValueId> other = reads(b);
    for (const ValueId value : reads(a)) {
      if (other.contains(value) && block_.block().type(value).elements() > 1) saved += bytes(value);
    }
    return saved;
  }

  void add_pair(int a, int b) {
    if (a == b || !is_group(a) || !is_group(b)) return;
    int first_a = nodes_.members(a).front(), first_b = nodes_.members(b).front();
    if (first_a > first_b) {
      std::swap(a, b);
      std::swap(first_a, first_b);
    }
    const std::int64_t saved = saving(a, b);
    const std::size_t ops = nodes_.members(a).size() + nodes_.members(b).size();
    if (saved > 0) pairs_.insert({saved, ops, first_a, first_b, a, b});
  }

  /// Pairs of a group with those it reads from, those that read from it, and those that read what it reads.
  void add_pairs(int node, bool only_later) {
    std::set<int> others;
    nodes_.for_each_successor(node, [&](int successor) { others.insert(successor); });
    for (const ValueId value : reads(node)) {
      const int definer = block_.definer(value);
      if (definer >= 0) others.insert(nodes_.node_of(definer));
      const std::vector<int> readers = nodes_.distinct(block_.users(value));
      const auto here = std::ranges::find(readers, node) - readers.begin();
      for (std::ptrdiff_t i = 0; i < std::ssize(readers); ++i) {
        if (readers.size() <= most_siblings || std::abs(i - here) == 1) {
          others.insert(readers[static_cast<std::size_t>(i)]);
        }
      }
    }
    for (const int other : others) {
      if (!only_later || other > node) add_pair(node, other);
    }
  }

  std::variant<FusionPlan, std::string> plan(const std::vector<int>& nodes) {
    const auto number = [&](int node) { return block_.op(nodes_.members(node).front()).number; };
    for (std::size_t b = 1; b < nodes.size(); ++b) {
      if (!same_part(part(nodes[0]), part(nodes[b]))) return "they belong to different parts of the step";
      if (number(nodes[0]) != number(nodes[b])) return "single numbers are computed apart from tensors";
      for (std::size_t a = 0; a < b; ++a)
        if (nodes_.is_between(nodes[a], nodes[b])) return "an op between them needs the one and gives to the other";
    }
    return plan_fusion(block_, nodes_.joined(nodes));
  }

  /// The two and, where one puts together what the other makes a part of, the groups that make its other parts. None
  /// where these groups go on with what is put together, or are no groups.
  std::vector<int> with_other_parts(int a, int b) const {
    std::vector<int> nodes{a, b};
    const auto is_in = [&](int node) { return std::ranges::find(nodes, node) != nodes.end(); };
    for (const int joining : {a, b}) {
      for (const int op : nodes_.members(joining)) {
        if (!block_.op(op).joins || block_.ir_op(op).operands.size() > ir::max_kernel_buffers) continue;
        for (const ValueId operand : block_.ir_op(op).operands) {
          const int definer = block_.definer(block_.root(operand));
          const int maker = definer < 0 ? -1 : nodes_.node_of(definer);
          if (!is_group(maker)) return {};
          if (!is_in(maker)) nodes.push_back(maker);
        }
        for (const int user : block_.users(block_.ir_op(op).results[0]))
          if (is_in(nodes_.node_of(user))) return {};
      }
    }
    std::ranges::sort(nodes);
    return nodes;
  }

  void try_merge(int a, int b) {
    std::vector<int> nodes{a, b};
    std::variant<FusionPlan, std::string> made = plan(nodes);
    if (auto* reason = std::get_if<std::string>(&made)) {
      refused_.emplace(std::pair(a, b), std::move(*reason));
      nodes = with_other_parts(a, b);
      if (nodes.size() > 2 && tried_.insert(nodes).second) made = plan(nodes);
    }
    auto* merged = std::get_if<FusionPlan>(&made);
    if (merged == nullptr) return;
    int node = nodes.front();
    plans_.erase(node);
    for (const int next : std::span(nodes).subspan(1)) {
      plans_.erase(next);
      node = nodes_.merge(node, next);
    }
    plans_.emplace(node, std::move(*merged));
    add_pairs(node, false);
  }

  GrownGroups result() {
    GrownGroups grown;
    for (const auto& [pair, reason] : refused_) {
      if (!is_group(pair.first) || !is_group(pair.second)) continue;
      grown.refusals.push_back({nodes_.members(pair.first).front(), nodes_.members(pair.second).front(), reason});
    }
    for (auto& [node, plan] : plans_) grown.groups.push_back({nodes_.members(node), std::move(plan)});
    std::ranges::sort(grown.groups, {}, [](const GrownGroup& group) { return group.ops.front(); });
    return grown;
  }

  const FusionBlock& block_;
  Nodes nodes_;
  std::vector<Role> parts_;          // by op
  std::map<int, FusionPlan> plans_;  // by node: the groups
  std::set<Pair> pairs_;
  std::map<std::pair<int, int>, std::string> refused_;
  std::set<std::vector<int>> tried_;  // more than two
};

}  // namespace

GrownGroups grow_groups(const FusionBlock& block) { return grow_groups(block, {}); }

GrownGroups grow_groups(const FusionBlock& block, std::vector<GrownGroup> seeds) {
  Growing growing(block);
  for (GrownGroup& seed : seeds) growing.seed(std::move(seed));
  return growing.run();
}

}  // namespace nnc::passes
