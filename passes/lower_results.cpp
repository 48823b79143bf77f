#include "passes/lower_results.h"

#include "ir/builder.h"
#include "ir/fused.h"
#include "ir/program_memory.h"

#include <algorithm>
#include <set>

namespace nnc::passes {

using ir::GraphResult;
using ir::Op;
using ir::ValueId;

namespace {

/// Whether a slot's new value is the old one.
bool keeps_value(const LowerValues& values, const GraphResult& result, ValueId root) {
  const std::string* slot = values.slot(root);
  return result.kind == GraphResult::Kind::slot && slot != nullptr && *slot == result.name;
}

/// What the graph reads of the slot that the result replaces; invalid if it reads nothing, or keeps the value.
ValueId overwritten(const ir::Graph& graph, const LowerValues& values, std::size_t i) {
  const GraphResult& result = graph.results[i];
  if (result.kind != GraphResult::Kind::slot || keeps_value(values, result, values.root(graph.body.results[i])))
    return {};
  return values.read_of(result.name);
}

/// Results that are no computed value of their own: a param, a constant, another slot's old value, a value that is read
/// or bound again where it would be in a slot.
std::vector<std::size_t> shared_results(const ir::Graph& graph) {
  const LowerValues values(graph.body);
  std::vector<std::size_t> found;
  std::vector<int> bound(static_cast<std::size_t>(graph.body.value_count()));
  for (const ValueId result : graph.body.results) ++bound[static_cast<std::size_t>(values.root(result).index)];
  for (std::size_t i = 0; i < graph.results.size(); ++i) {
    const ValueId root = values.root(graph.body.results[i]);
    if (keeps_value(values, graph.results[i], root)) continue;
    const bool shared = bound[static_cast<std::size_t>(root.index)] > 1 || !values.readers(root).empty();
    const bool is_slot = graph.results[i].kind == GraphResult::Kind::slot;
    if (!values.is_computed(root) || (is_slot && (shared || values.is_looped(root)))) found.push_back(i);
  }
  return found;
}

/// Whether the instruction may write the result where it reads the slot, if it does.
bool writes_in_place(const LowerValues& values, const Op& op, ValueId result, ValueId old) {
  const std::size_t write = static_cast<std::size_t>(std::ranges::find(op.results, result) - op.results.begin());
  for (std::size_t read = 0; read < op.operands.size(); ++read) {
    if (values.root(op.operands[read]) != old) continue;
    if (!ir::may_share(op, read, write)) return false;
  }
  return true;
}

class Reachability {
 public:
  Reachability(std::size_t count, const std::vector<Order>& known) : next_(count) {
    for (const auto& [before, after] : known) add(before, after);
  }
  void add(int before, int after) { next_[static_cast<std::size_t>(before)].push_back(after); }
  std::vector<bool> from(int start) const {
    std::vector<bool> reached(next_.size(), false);
    std::vector<int> open{start};
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      for (const int next : next_[static_cast<std::size_t>(at)]) {
        if (reached[static_cast<std::size_t>(next)]) continue;
        reached[static_cast<std::size_t>(next)] = true;
        open.push_back(next);
      }
    }
    return reached;
  }

 private:
  std::vector<std::vector<int>> next_;
};

/// Results that cannot be written where the slot's old value is: it is read after they are known, or by their
/// instruction in another way. Each that can orders the readers before it, which the next ones have to fit.
std::vector<std::size_t> displaced_results(const ir::Graph& graph) {
  const LowerValues values(graph.body);
  std::vector<std::size_t> found;
  Reachability graph_order(graph.body.ops().size(), data_orders(graph.body, values));
  for (std::size_t i = 0; i < graph.results.size(); ++i) {
    const ValueId old = overwritten(graph, values, i);
    if (!old.valid()) continue;
    const ValueId root = values.root(graph.body.results[i]);
    const int writer = values.maker(root);
    const std::vector<bool> later = graph_order.from(writer);
    const auto reads_later = [&](int reader) { return later[static_cast<std::size_t>(reader)]; };
    if (std::ranges::any_of(values.readers(old), reads_later) ||
        !writes_in_place(values, graph.body.ops()[static_cast<std::size_t>(writer)], root, old)) {
      found.push_back(i);
      continue;
    }
    for (const int reader : values.readers(old))
      if (reader != writer) graph_order.add(reader, writer);
  }
  return found;
}

void copy_results(ir::Graph& graph, const std::vector<std::size_t>& which) {
  for (const std::size_t i : which) {
    const bool is_slot = graph.results[i].kind == GraphResult::Kind::slot;
    const ir::Role role = is_slot ? ir::Role{ir::Role::Kind::update, ""} : ir::Role{};
    graph.body.results[i] = append_copy(graph.body, graph.body.results[i], role);
  }
}

}  // namespace

std::vector<Order> data_orders(const ir::Block& block, const LowerValues& values) {
  std::vector<Order> found;
  for (const int reader : values.instructions())
    for (const ValueId operand : block.ops()[static_cast<std::size_t>(reader)].operands)
      if (const int maker = values.maker(values.root(operand)); maker >= 0) found.emplace_back(maker, reader);
  return found;
}

ValueId append_copy(ir::Block& block, ValueId from, const ir::Role& role) {
  const ir::Type type = block.type(from);
  Op op;
  op.def = ir::find_op(ir::fused_op);
  ir::Shape domain;
  if (type.elements() > 1) domain = {type.elements()};
  const std::vector<std::int64_t> strides = ir::row_major_strides(domain);
  ir::Access read{.strides = strides};
  ir::Block body;
  body.results = {body.add_param({type.dtype, domain, {}})};
  const Op* maker = block.definer(from);
  if (maker != nullptr) op.location = maker->location;
  op.operands = {from};
  if (maker != nullptr && is_constant(*maker)) {
    // One number stands for many that are equal.
    const ir::Tensor value = constant_value(block, *maker);
    if (value.is_splat() && type.elements() > 1) {
      ir::Builder builder(block);
      builder.location = op.location;
      ir::Tensor number(ir::Type{type.dtype, {}, {}});
      std::copy_n(value.bytes().begin(), number.bytes().size(), number.bytes().begin());
      op.operands = {builder.constant(std::move(number)).value};
      read.strides = {0};
    }
  }
  op.attrs = ir::fused_attrs(domain, {read}, {{.strides = strides}}, {}, {type});
  op.regions.push_back(std::move(body));
  op.role = role;
  return block.append(std::move(op), {type})[0];
}

std::vector<Order> orders(const ir::Graph& graph, const LowerValues& values) {
  std::vector<Order> found = data_orders(graph.body, values);
  for (std::size_t i = 0; i < graph.results.size(); ++i) {
    const ValueId old = overwritten(graph, values, i);
    if (!old.valid()) continue;
    const int writer = values.maker(values.root(graph.body.results[i]));
    for (const int reader : values.readers(old))
      if (reader != writer) found.emplace_back(reader, writer);
  }
  return found;
}

// A copy reads transient memory or another slot, and nothing reads it: so a displaced result's copy can always be last.
void settle_results(ir::Graph& graph) {
  copy_results(graph, shared_results(graph));
  copy_results(graph, displaced_results(graph));
}

}  // namespace nnc::passes
