#include "passes/lower_emit.h"

#include "ir/fused.h"
#include "ir/program_cost.h"
#include "ir/program_memory.h"
#include "passes/lower_order.h"
#include "passes/lower_results.h"
#include "passes/lower_values.h"

#include <algorithm>
#include <map>

namespace nnc::passes {

using ir::Buffer;
using ir::GraphResult;
using ir::Instruction;
using ir::Op;
using ir::Region;
using ir::Role;
using ir::ValueId;

namespace {

/// Below this one core is done before a second one would have begun.
constexpr double worth_a_thread_microseconds = 30;
/// What one core does in a microsecond, roughly: data that is in no cache, a kernel's operations, a contraction's.
constexpr double bytes_a_microsecond = 8e3, kernel_flops_a_microsecond = 4e3, contraction_flops_a_microsecond = 4e4;

Role merged(const Role& a, const Role& b) {
  if (a.kind != b.kind) return {};
  return {a.kind, a.slot == b.slot ? a.slot : ""};
}

class Emitter {
 public:
  Emitter(const ir::Graph& graph, KernelTable& kernels)
      : graph_(graph), body_(graph.body), kernels_(kernels), values_(graph) {
    for (std::size_t i = 0; i < graph.results.size(); ++i) {
      const ValueId root = values_.root(body_.results[i]);
      const bool is_slot = graph.results[i].kind == GraphResult::Kind::slot;
      if (is_slot && values_.is_computed(root)) slots_[root] = i;
    }
  }

  ir::Program run() {
    program_.name = graph_.name;
    program_.batch = graph_.batch;
    for (std::size_t i = 0; i < body_.params().size(); ++i) {
      const ValueId param = body_.params()[i];
      buffers_[param] = add({.type = body_.type(param), .region = Region::param, .path = graph_.param_names[i]});
    }
    const std::vector<Order> order = orders(graph_, values_);
    const std::vector<Unordered> instructions = unordered(order);
    for (const std::vector<int>& group : order_instructions(instructions, order)) {
      Instruction instruction;
      for (const int member : group) {
        const Unordered& one = instructions[static_cast<std::size_t>(member)];
        emit(instruction, body_.ops()[static_cast<std::size_t>(one.op)], one.kernel);
      }
      program_.instructions.push_back(std::move(instruction));
    }
    for (std::size_t i = 0; i < graph_.results.size(); ++i)
      if (graph_.results[i].kind == GraphResult::Kind::value)
        program_.results.emplace_back(graph_.results[i].name, typed_buffer(body_.results[i]));
    return std::move(program_);
  }

 private:
  /// Late is what clips and updates, if nothing else waits for it.
  std::vector<Unordered> unordered(const std::vector<Order>& orders) {
    std::vector<bool> late(body_.ops().size(), false);
    for (const int at : values_.instructions()) {
      const Op& op = body_.ops()[static_cast<std::size_t>(at)];
      const auto is_slot = [&](ValueId result) { return slots_.contains(result); };
      late[static_cast<std::size_t>(at)] = op.role.kind == Role::Kind::clip || op.role.kind == Role::Kind::update ||
                                           std::ranges::any_of(op.results, is_slot);
    }
    // Operands precede their uses among the ops: from the last one back, all that wait are known.
    std::vector<std::vector<int>> waiting(body_.ops().size());
    for (const auto& [before, after] : orders)
      if (before < after) waiting[static_cast<std::size_t>(before)].push_back(after);
    std::vector<Unordered> found;
    for (auto at = values_.instructions().rbegin(); at != values_.instructions().rend(); ++at) {
      const auto i = static_cast<std::size_t>(*at);
      late[i] =
          late[i] && std::ranges::all_of(waiting[i], [&](int after) { return late[static_cast<std::size_t>(after)]; });
    }
    for (const int at : values_.instructions()) {
      const Op& op = body_.ops()[static_cast<std::size_t>(at)];
      found.push_back({at, ir::is_fused(op) ? kernels_.kernel_of(op) : -1, late[static_cast<std::size_t>(at)]});
    }
    return found;
  }

  void emit(Instruction& instruction, const Op& op, int kernel) {
    instruction.location = instruction.location.merged(op.location);
    instruction.role = instruction.sets.empty() ? op.role : merged(instruction.role, op.role);
    instruction.kernel = kernel;
    ir::ArgumentSet set;
    if (kernel < 0) {
      instruction.def = op.def;
      instruction.attrs = op.attrs;
    } else {
      set.extent = ir::outer_extent(op);
    }
    for (const ValueId operand : op.operands)
      set.reads.push_back(kernel < 0 ? typed_buffer(operand) : buffer(values_.root(operand)));
    for (const ValueId result : op.results) set.writes.push_back(buffer(result));
    instruction.sets.push_back(std::move(set));
  }

  int add(Buffer buffer) {
    buffer.type.layout.clear();
    program_.buffers.push_back(std::move(buffer));
    return static_cast<int>(program_.buffers.size()) - 1;
  }

  /// The buffer of a root, as large as it is; kernels ask for no more.
  int buffer(ValueId root) {
    const auto known = buffers_.find(root);
    if (known != buffers_.end()) return known->second;
    Buffer made{.type = body_.type(root)};
    const std::string* slot = values_.slot(root);
    if (const auto bound = slots_.find(root); bound != slots_.end()) {
      slot = &graph_.results[bound->second].name;
      made.type = body_.type(body_.results[bound->second]);
    }
    if (slot != nullptr) {
      const auto same = slot_buffers_.find(*slot);
      if (same != slot_buffers_.end()) return buffers_[root] = same->second;
      made.region = Region::slot;
      made.path = *slot;
      return buffers_[root] = slot_buffers_[*slot] = add(std::move(made));
    }
    if (!values_.is_computed(root)) return buffers_[root] = constant(root, made.type);
    made.offset = program_.transient_bytes;
    program_.transient_bytes += ir::aligned(made.type.bytes());
    return buffers_[root] = add(std::move(made));
  }

  /// A constant, with each of its types apart.
  int constant(ValueId root, const ir::Type& type) {
    const auto [known, inserted] = constants_.try_emplace({root, type.shape});
    if (!inserted) return known->second;
    Buffer made{.type = type, .region = Region::constant};
    made.value = constant_value(body_, *values_.definer(root)).reshaped(type.shape);
    return known->second = add(std::move(made));
  }

  bool is_constant_root(ValueId root) const {
    const Op* definer = values_.definer(root);
    return definer != nullptr && is_constant(*definer);
  }

  /// The buffer of a value with its own type.
  int typed_buffer(ValueId value) {
    const ValueId root = values_.root(value);
    ir::Type type = body_.type(value);
    type.layout.clear();
    if (is_constant_root(root)) return constant(root, type);
    const int memory = buffer(root);
    const Buffer& whole = program_.buffers[static_cast<std::size_t>(memory)];
    if (type == whole.type) return memory;
    const auto [known, inserted] = typed_.try_emplace({memory, type.shape});
    if (!inserted) return known->second;
    Buffer other = whole;
    other.type = type;
    other.same_as = memory;
    return known->second = add(std::move(other));
  }

  const ir::Graph& graph_;
  const ir::Block& body_;
  KernelTable& kernels_;
  LowerValues values_;
  ir::Program program_;
  std::map<ValueId, std::size_t> slots_;  // the result as which a root is a slot's new value
  std::map<ValueId, int> buffers_;        // of roots
  std::map<std::string, int> slot_buffers_;
  std::map<std::pair<int, ir::Shape>, int> typed_;
  std::map<std::pair<ValueId, ir::Shape>, int> constants_;
};

int threads_for(const ir::Module& module, const ir::Program& program, const Instruction& instruction, int most) {
  if (most == 1) return 1;
  const ir::InstructionCost cost = ir::cost_of(module, program, instruction);
  double flops_a_microsecond = contraction_flops_a_microsecond;
  if (instruction.kernel >= 0) {
    const Op& kernel = module.kernels[static_cast<std::size_t>(instruction.kernel)].op;
    if (ir::FusedView(kernel).rank() == 0) return 1;
    flops_a_microsecond = kernel_flops_a_microsecond;
  }
  const double microseconds =
      static_cast<double>(cost.bytes) / bytes_a_microsecond + static_cast<double>(cost.flops) / flops_a_microsecond;
  return microseconds < worth_a_thread_microseconds ? 1 : most;
}

std::int64_t scratch_for(const ir::Module& module, const ir::Program& program, const Instruction& instruction,
                         const ir::Target& target) {
  if (instruction.kernel >= 0) return ir::kernel_scratch(module, instruction);
  const ir::OpView op = ir::view(program, instruction);
  if (const auto* routine = op.def->as<ir::Routine>()) return ir::scratch_bytes(*routine, op);
  return target.contraction_scratch(op, instruction.threads);
}

}  // namespace

ir::Program emit_program(const ir::Graph& graph, KernelTable& kernels) { return Emitter(graph, kernels).run(); }

void set_resources(const ir::Module& module, ir::Program& program, const ir::Target& target) {
  program.scratch_bytes = 0;
  for (Instruction& instruction : program.instructions) {
    instruction.threads = threads_for(module, program, instruction, target.threads());
    instruction.scratch = scratch_for(module, program, instruction, target);
    program.scratch_bytes = std::max(program.scratch_bytes, ir::aligned(instruction.scratch));
  }
}

}  // namespace nnc::passes
