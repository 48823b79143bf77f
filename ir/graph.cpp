#include "ir/graph.h"

#include "ir/check.h"
#include "ir/module.h"
#include "ir/op.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nnc::ir {

Role merged(const Role& a, const Role& b) {
  using enum Role::Kind;
  if (a.kind == clip && b.kind == update) return b;
  if (a.kind == update && b.kind == clip) return a;
  return {std::min(a.kind, b.kind), a.slot == b.slot ? a.slot : ""};
}

ValueId Block::add_param(Type type) {
  const ValueId value{static_cast<std::int32_t>(types_.size())};
  types_.push_back(std::move(type));
  definers_.push_back(-1);
  params_.push_back(value);
  return value;
}

std::vector<ValueId> Block::append(Op op, const std::vector<Type>& result_types) {
  op.results.clear();
  for (const Type& type : result_types) {
    op.results.push_back({static_cast<std::int32_t>(types_.size())});
    types_.push_back(type);
    definers_.push_back(static_cast<std::int32_t>(ops_.size()));
  }
  ops_.push_back(std::move(op));
  return ops_.back().results;
}

std::vector<ValueId> Block::extend(std::size_t op, std::vector<Block> regions, const std::vector<Type>& further) {
  ops_[op].regions = std::move(regions);
  std::vector<ValueId> results;
  for (const Type& type : further) {
    results.push_back({static_cast<std::int32_t>(types_.size())});
    types_.push_back(type);
    definers_.push_back(static_cast<std::int32_t>(op));
    ops_[op].results.push_back(results.back());
  }
  return results;
}

const Op* Block::definer(ValueId value) const {
  const std::int32_t op = definers_[static_cast<std::size_t>(value.index)];
  return op < 0 ? nullptr : &ops_[static_cast<std::size_t>(op)];
}

std::string Graph::full_name() const { return batch > 0 ? fmt::format("{}@{}", name, batch) : name; }

ValueId Graph::result(GraphResult::Kind kind, std::string_view wanted) const {
  for (std::size_t i = 0; i < results.size(); ++i)
    if (results[i].kind == kind && results[i].name == wanted) return body.results[i];
  return {};
}

void Graph::add_result(GraphResult::Kind kind, std::string result_name, ValueId value) {
  results.push_back({kind, std::move(result_name)});
  body.results.push_back(value);
}

namespace {

constexpr std::array<std::pair<SlotKind, std::string_view>, 6> slot_kinds{{
    {SlotKind::parameter, "parameter"},
    {SlotKind::statistic, "statistic"},
    {SlotKind::optimizer, "optimizer"},
    {SlotKind::accumulator, "accumulator"},
    {SlotKind::counter, "counter"},
    {SlotKind::setting, "setting"},
}};

template <class Range, class Predicate>
auto find_in(const Range& range, Predicate predicate) {
  auto found = std::ranges::find_if(range, predicate);
  return found == range.end() ? nullptr : &*found;
}

}  // namespace

std::string_view name(SlotKind kind) { return slot_kinds[static_cast<std::size_t>(kind)].second; }

std::optional<SlotKind> slot_kind_named(std::string_view wanted) {
  const auto* found = find_in(slot_kinds, [&](const auto& known) { return known.second == wanted; });
  return found ? std::optional(found->first) : std::nullopt;
}

std::string reported_result(std::string_view graph, std::string_view figure) {
  return fmt::format("{}.{}", graph, figure);
}

const Slot* Module::find_slot(std::string_view path) const {
  return find_in(slots, [&](const Slot& slot) { return slot.path == path; });
}
const Graph* Module::find_rule(std::string_view wanted) const {
  return find_in(rules, [&](const Graph& rule) { return rule.name == wanted; });
}
const Graph* Module::find_graph(std::string_view wanted, std::int64_t batch) const {
  return find_in(graphs, [&](const Graph& graph) { return graph.name == wanted && graph.batch == batch; });
}
const Program* Module::find_program(std::string_view wanted, std::int64_t batch) const {
  return find_in(programs, [&](const Program& program) { return program.name == wanted && program.batch == batch; });
}

const std::vector<DataField>* fields_of(const Module& module, std::string_view graph_name) {
  if (graph_name == train_graph || graph_name == eval_graph) return &module.recipe.data;
  if (graph_name == predict_graph) return &module.recipe.predict_data;
  return nullptr;
}
const std::vector<DataField>* fields_of(const Module& module, const Graph& graph) {
  return fields_of(module, graph.name);
}

}  // namespace nnc::ir
