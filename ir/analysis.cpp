#include "ir/analysis.h"

#include "ir/constant.h"
#include "ir/fused.h"
#include "ir/op.h"
#include "ir/ops/scan.h"
#include "ir/program_memory.h"
#include "ir/tensor.h"

#include <algorithm>
#include <utility>

namespace nnc::ir {
namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// Whatever the type holds; floats are not told apart.
Elements any(DType dtype) {
  using Limits = std::numeric_limits<std::int64_t>;
  Elements made;
  made.add_interval(is_float(dtype) ? Limits::min() : lowest(dtype), is_float(dtype) ? Limits::max() : highest(dtype));
  return made;
}

Elements elements_of(const Tensor& constant) {
  Elements made;
  if (is_float(constant.type().dtype)) return any(constant.type().dtype);
  for (std::int64_t i = 0; i < constant.elements(); ++i) made.add_interval(constant.integer(i), constant.integer(i));
  return made;
}

/// Adds what a further step makes; numbers that grow may be any of the type. Says whether anything has been added.
bool grow(Elements& elements, const Elements& by, DType dtype) {
  const Elements before = elements;
  elements.add(by);
  const bool had_numbers = before.low <= before.high;
  if (had_numbers && (elements.low != before.low || elements.high != before.high)) elements.add(any(dtype));
  return elements != before;
}

std::vector<Elements> own_elements(std::size_t params) {
  std::vector<Elements> elements(params);
  for (std::size_t i = 0; i < params; ++i) elements[i].params = {i};
  return elements;
}

/// What an op makes of its operands' elements.
Elements made_by(const OpView& op, const std::vector<Elements>& operands, std::size_t result) {
  Elements made;
  const DType dtype = op.results[result].dtype;
  const std::int64_t count = op.def->result_count == nullptr ? 0 : op.def->result_count(op, result);
  if (count > 0) {
    made.add_interval(0, count - 1);
    return made;
  }
  const std::vector<int>& kept = op.def->value_operands;
  if (result > 0 || kept.empty()) return any(dtype);
  bool choosing = false;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (op.def->variadic || std::ranges::count(kept, static_cast<int>(i)) > 0)
      made.add(operands[i]);
    else
      choosing = true;
  }
  if (choosing) made.chosen.merge(made.params);
  if (choosing) made.params.clear();
  const Elements all = any(dtype);
  if (made.low <= made.high && (made.low < all.low || made.high > all.high)) made.add(all);
  return made;
}

/// The index operands of an op that is neither a loop nor fused.
void note_operands(const OpView& view, const Op* op, const std::vector<Elements>& operands,
                   std::vector<IndexUse>& uses) {
  const std::vector<OperandDef>& defs = *view.def->operands;
  for (std::size_t i = 0; i < defs.size() && i < operands.size(); ++i)
    if (defs[i].index_extent != nullptr) uses.push_back({op, i, defs[i].index_extent(view), operands[i]});
}

std::vector<Elements> through_kernel(const Op& fused, const Op* op, std::vector<Elements> operands,
                                     std::vector<IndexUse>* uses);

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
    if (is_scan(op)) return follow_loop(op);
    std::vector<Elements> operands;
    for (const ValueId operand : op.operands) operands.push_back((*this)[operand]);
    if (is_fused(op)) {
      std::vector<Elements> results = through_kernel(op, &op, std::move(operands), uses_);
      for (std::size_t i = 0; i < op.results.size(); ++i) elements_[at(op.results[i])] = std::move(results[i]);
      return;
    }
    const OpView op_view = view(block_, op);
    if (uses_ != nullptr) note_operands(op_view, &op, operands, *uses_);
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      const Tensor* const constant = constant_value(block_, op.results[i]);
      elements_[at(op.results[i])] = constant != nullptr ? elements_of(*constant) : made_by(op_view, operands, i);
    }
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
      for (std::size_t i = 0; i < parts.carries; ++i)
        grows |= grow(params[i + 1], step[region.results[i]], region.type(region.results[i]).dtype);
    }
    const ElementFlow step(region, params, uses_);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      elements_[at(op.results[i])] = i < parts.carries ? params[i + 1] : step[region.results[i]];
  }

  const Block& block_;
  std::vector<Elements> elements_;  // by value
  std::vector<IndexUse>* uses_;
};

/// Through a fused op, or a kernel; the uses are those of `op`.
std::vector<Elements> through_kernel(const Op& fused, const Op* op, std::vector<Elements> operands,
                                     std::vector<IndexUse>* uses) {
  const FusedView view(fused);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Access& read = view.reads[i];
    if (uses != nullptr && read.index >= 0) {
      const auto index = static_cast<std::size_t>(read.index);
      uses->push_back({op, index, read.index_extent, operands[index]});
    }
    const DType dtype = view.body.type(view.body.params()[i]).dtype;
    if (read.is_bounded() && !is_float(dtype)) {
      const auto fill = Tensor::splat({dtype, {}, {}}, read.fill).integer(0);
      operands[i].add_interval(fill, fill);
    }
  }
  std::vector<IndexUse> inner;
  const ElementFlow body(view.body, operands, &inner);
  for (IndexUse& use : inner) use.op = nullptr;
  if (uses != nullptr) uses->insert(uses->end(), inner.begin(), inner.end());
  std::vector<Elements> results;
  for (const ValueId result : view.body.results) results.push_back(body[result]);
  return results;
}

/// Follows elements through the buffers of a program, until nothing is added to any: loops hand on what they made.
class BufferFlow {
 public:
  BufferFlow(const Module& module, const Program& program) : module_(module), program_(program) {
    elements_ = own_elements(static_cast<std::size_t>(program.param_count()));
    elements_.resize(program.buffers.size());
    for (std::size_t i = 0; i < program.buffers.size(); ++i) {
      const Buffer& buffer = program.buffers[i];
      if (buffer.value) elements_[i] = elements_of(*buffer.value);
      if (buffer.region == Region::slot) elements_[i] = any(buffer.type.dtype);
    }
    while (std::exchange(grows_, false))
      for (const Instruction& instruction : program.instructions)
        for (const ArgumentSet& set : instruction.sets) follow(instruction, set, nullptr);
  }

  std::vector<IndexUse> uses() {
    std::vector<IndexUse> uses;
    for (const Instruction& instruction : program_.instructions)
      for (const ArgumentSet& set : instruction.sets) follow(instruction, set, &uses);
    return uses;
  }

 private:
  std::size_t root(int buffer) const { return static_cast<std::size_t>(root_of(program_, buffer)); }

  void follow(const Instruction& instruction, const ArgumentSet& set, std::vector<IndexUse>* uses) {
    std::vector<Elements> operands, results;
    for (const int read : set.reads) operands.push_back(elements_[root(read)]);
    if (instruction.kernel >= 0) {
      const Op& kernel = module_.kernels[static_cast<std::size_t>(instruction.kernel)].op;
      results = through_kernel(kernel, nullptr, std::move(operands), uses);
    } else {
      const OpView op = view(program_, instruction);
      if (uses != nullptr) note_operands(op, nullptr, operands, *uses);
      for (std::size_t i = 0; i < set.writes.size(); ++i) results.push_back(made_by(op, operands, i));
    }
    for (std::size_t i = 0; i < set.writes.size(); ++i) {
      const std::size_t written = root(set.writes[i]);
      grows_ |= grow(elements_[written], results[i], program_.buffers[written].type.dtype);
    }
  }

  const Module& module_;
  const Program& program_;
  std::vector<Elements> elements_;  // by buffer, of those whose memory is their own
  bool grows_ = true;
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
  std::vector<IndexUse> uses;
  const ElementFlow flow(block, own_elements(block.params().size()), &uses);
  return uses;
}

std::vector<IndexUse> index_uses(const Module& module, const Program& program) {
  return BufferFlow(module, program).uses();
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

std::int64_t work_of(const OpView& op) {
  if (op.def->as<Elementwise>() == nullptr) return flops(op);
  std::int64_t work = 0;
  for (const ScalarInstr& instr : scalar_program(op).instrs) work += work_of(instr.op);
  return work * op.results[0].elements();
}

std::map<std::string, std::int64_t> index_ranges(const Module& module, bool chosen) {
  std::map<std::string, std::int64_t> ranges;
  const auto add = [&](const std::vector<DataField>& fields, const std::vector<IndexUse>& uses) {
    for (const IndexUse& use : uses) {
      std::set<std::size_t> params = use.elements.params;
      if (chosen) params.insert(use.elements.chosen.begin(), use.elements.chosen.end());
      for (const std::size_t param : params) {
        if (param >= fields.size()) continue;
        const auto [range, first] = ranges.try_emplace(fields[param].name, use.extent);
        range->second = std::min(range->second, use.extent);
      }
    }
  };
  for (const Graph& graph : module.graphs)
    if (const std::vector<DataField>* fields = fields_of(module, graph)) add(*fields, index_uses(graph.body));
  for (const Program& program : module.programs)
    if (const std::vector<DataField>* fields = fields_of(module, program.name))
      add(*fields, index_uses(module, program));
  return ranges;
}

}  // namespace nnc::ir
