#include "ir/analysis.h"

#include "ir/constant.h"
#include "ir/op.h"
#include "ir/ops/scan.h"
#include "ir/tensor.h"

#include <algorithm>

namespace nnc::ir {
namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// Follows elements through a block, in the order of its ops.
class ElementFlow {
 public:
  ElementFlow(const Block& block, const std::vector<Elements>& params, std::vector<IndexUse>* uses)
      : block_(block), elements_(static_cast<std::size_t>(block.value_count())), uses_(uses) {
    for (std::size_t i = 0; i < params.size(); ++i) elements_[at(block.params()[i])] = params[i];
    for (const Op& op : block.ops()) follow(op);
  }

  const Elements& operator[](ValueId value) const { return elements_[at(value)]; }

 private:
  void follow(const Op& op) {
    note_uses(op);
    if (is_scan(op)) return follow_loop(op);
    for (std::size_t i = 0; i < op.results.size(); ++i) elements_[at(op.results[i])] = made_by(op, i);
  }

  Elements made_by(const Op& op, std::size_t result) const {
    Elements made;
    const DType dtype = block_.type(op.results[result]).dtype;
    if (const Tensor* constant = constant_value(block_, op.results[result]); constant != nullptr && !is_float(dtype)) {
      for (std::int64_t i = 0; i < constant->elements(); ++i)
        made.add_interval(constant->integer(i), constant->integer(i));
      return made;
    }
    const std::int64_t count = op.def->result_count == nullptr ? 0 : op.def->result_count(view(block_, op), result);
    if (count > 0) {
      made.add_interval(0, count - 1);
      return made;
    }
    const std::vector<int>& kept = op.def->value_operands;
    if (result > 0 || kept.empty()) return any(dtype);
    bool choosing = false;
    for (std::size_t i = 0; i < op.operands.size(); ++i) {
      if (op.def->variadic || std::ranges::count(kept, static_cast<int>(i)) > 0)
        made.add((*this)[op.operands[i]]);
      else
        choosing = true;
    }
    if (choosing) made.chosen.merge(made.params);
    if (choosing) made.params.clear();
    const Elements all = any(dtype);
    if (made.low <= made.high && (made.low < all.low || made.high > all.high)) made.add(all);
    return made;
  }

  /// Whatever the type holds; floats are not told apart.
  static Elements any(DType dtype) {
    using Limits = std::numeric_limits<std::int64_t>;
    Elements made;
    made.add_interval(is_float(dtype) ? Limits::min() : lowest(dtype),
                      is_float(dtype) ? Limits::max() : highest(dtype));
    return made;
  }

  // A carry holds what it starts with and what a step makes of it: both grow until they stay as they are. Numbers that a
  // step adds may be any of the type.
  void follow_loop(const Op& op) {
    const ScanParts parts(view(block_, op));
    const Block& region = op.regions[0];
    std::vector<Elements> params(region.params().size());
    params[0].add_interval(0, parts.length - 1);
    for (std::size_t i = 0; i < op.operands.size(); ++i) params[i + 1] = (*this)[op.operands[i]];
    for (bool grows = true; grows;) {
      grows = false;
      const ElementFlow step(region, params, nullptr);
      for (std::size_t i = 0; i < parts.carries; ++i) {
        Elements after = params[i + 1];
        after.add(step[region.results[i]]);
        if (after == params[i + 1]) continue;
        if (after.low != params[i + 1].low || after.high != params[i + 1].high)
          after.add(any(region.type(region.results[i]).dtype));
        params[i + 1] = std::move(after);
        grows = true;
      }
    }
    const ElementFlow step(region, params, uses_);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      elements_[at(op.results[i])] = i < parts.carries ? params[i + 1] : step[region.results[i]];
  }

  void note_uses(const Op& op) {
    if (uses_ == nullptr) return;
    const std::vector<OperandDef>& operands = *op.def->operands;
    for (std::size_t i = 0; i < operands.size() && i < op.operands.size(); ++i)
      if (operands[i].index_extent != nullptr)
        uses_->push_back({&op, i, operands[i].index_extent(view(block_, op)), (*this)[op.operands[i]]});
  }

  const Block& block_;
  std::vector<Elements> elements_;  // by value
  std::vector<IndexUse>* uses_;
};

}  // namespace

void Elements::add(const Elements& other) {
  params.insert(other.params.begin(), other.params.end());
  chosen.insert(other.chosen.begin(), other.chosen.end());
  if (other.low <= other.high) add_interval(other.low, other.high);
}

void Elements::add_interval(std::int64_t from, std::int64_t to) {
  low = std::min(low, from);
  high = std::max(high, to);
}

std::vector<IndexUse> index_uses(const Block& block) {
  std::vector<Elements> params(block.params().size());
  for (std::size_t i = 0; i < params.size(); ++i) params[i].params = {i};
  std::vector<IndexUse> uses;
  const ElementFlow flow(block, params, &uses);
  return uses;
}

std::vector<bool> depends_on(const Block& block, const std::vector<ValueId>& roots) {
  std::vector<bool> depends(static_cast<std::size_t>(block.value_count()));
  for (const ValueId root : roots) depends[at(root)] = true;
  for (const Op& op : block.ops()) {
    if (!std::ranges::any_of(op.operands, [&](ValueId operand) { return depends[at(operand)]; })) continue;
    for (const ValueId result : op.results) depends[at(result)] = true;
  }
  return depends;
}

std::vector<bool> needed_for(const Block& block, const std::vector<ValueId>& values) {
  std::vector<bool> needed(static_cast<std::size_t>(block.value_count()));
  for (const ValueId value : values) needed[at(value)] = true;
  for (auto op = block.ops().rbegin(); op != block.ops().rend(); ++op) {
    if (!std::ranges::any_of(op->results, [&](ValueId result) { return needed[at(result)]; })) continue;
    for (const ValueId operand : op->operands) needed[at(operand)] = true;
  }
  return needed;
}

std::map<std::string, std::int64_t> index_ranges(const Module& module, bool chosen) {
  std::map<std::string, std::int64_t> ranges;
  for (const Graph& graph : module.graphs) {
    const std::vector<DataField>* fields = fields_of(module, graph);
    if (fields == nullptr) continue;
    for (const IndexUse& use : index_uses(graph.body)) {
      std::set<std::size_t> params = use.elements.params;
      if (chosen) params.insert(use.elements.chosen.begin(), use.elements.chosen.end());
      for (const std::size_t param : params) {
        if (param >= fields->size()) continue;
        const auto [range, first] = ranges.try_emplace((*fields)[param].name, use.extent);
        range->second = std::min(range->second, use.extent);
      }
    }
  }
  return ranges;
}

}  // namespace nnc::ir
