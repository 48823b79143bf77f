#include "passes/lower_emit.h"

#include "ir/fused.h"
#include "ir/ops/scan.h"
#include "ir/program_cost.h"
#include "ir/program_memory.h"
#include "passes/lower_loops.h"
#include "passes/lower_order.h"
#include "passes/lower_results.h"
#include "passes/lower_values.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace nnc::passes {

using ir::Buffer;
using ir::GraphResult;
using ir::Instruction;
using ir::Op;
using ir::Region;
using ir::Role;
using ir::ValueId;

namespace {

/// An update of so many bytes takes hundreds of microseconds; that it is an instruction by itself costs a few.
constexpr std::int64_t worth_updating_soon_bytes = std::int64_t{2} << 20;

/// Writes the instructions of a block: of a graph, or of a loop's region.
class Emitter {
 public:
  Emitter(const ir::Block& body, ir::Program& program, KernelTable& kernels)
      : body_(body), program_(program), kernels_(kernels), values_(body) {}

  const LowerValues& values() const { return values_; }
  /// The memory of a root, where it is decided already.
  void bind(ValueId root, int buffer) { buffers_[root] = buffer; }
  void bind_slot(ValueId root, const std::string& slot, const ir::Type& type) { slots_[root] = {slot, type}; }

  void emit(const std::vector<Order>& order) {
    for (const int at : values_.instructions()) {
      const Op& op = body_.ops()[static_cast<std::size_t>(at)];
      if (ir::is_scan(op)) place_carries(op);
    }
    const std::vector<Unordered> instructions = unordered(order);
    for (const std::vector<int>& group : order_instructions(instructions, order)) {
      const Unordered& leader = instructions[static_cast<std::size_t>(group.front())];
      if (const Op& op = body_.ops()[static_cast<std::size_t>(leader.op)]; ir::is_scan(op)) {
        emit_loop(op);
        continue;
      }
      Instruction instruction;
      for (const int member : group) {
        const Unordered& one = instructions[static_cast<std::size_t>(member)];
        emit(instruction, body_.ops()[static_cast<std::size_t>(one.op)], one.kernel);
      }
      program_.instructions.push_back(std::move(instruction));
    }
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
    if (whole.value) {
      other.value = whole.value->reshaped(type.shape);
    } else {
      other.same_as = whole.same_as >= 0 ? whole.same_as : memory;
    }
    return known->second = add(std::move(other));
  }

  int add(Buffer buffer) {
    buffer.type.layout.clear();
    program_.buffers.push_back(std::move(buffer));
    return static_cast<int>(program_.buffers.size()) - 1;
  }

 private:
  struct SlotResult {
    std::string slot;
    ir::Type type;
  };
  /// Where the old and the new value of a carry are, and its first and last one: rows of one buffer.
  struct Carry {
    int buffer = -1;
    std::int64_t old_row = 0, new_row = 1, last = 0;
  };

  /// Late is what clips and updates, if nothing else waits for it; but soon what updates a large slot, and what that
  /// waits for.
  std::vector<Unordered> unordered(const std::vector<Order>& orders) {
    using When = Unordered::When;
    std::vector<bool> late(body_.ops().size(), false), soon(body_.ops().size(), false);
    for (const int at : values_.instructions()) {
      const Op& op = body_.ops()[static_cast<std::size_t>(at)];
      const auto is_slot = [&](ValueId result) { return slots_.contains(result); };
      late[static_cast<std::size_t>(at)] = op.role.kind == Role::Kind::clip || op.role.kind == Role::Kind::update ||
                                           std::ranges::any_of(op.results, is_slot);
      soon[static_cast<std::size_t>(at)] = std::ranges::any_of(op.results, [&](ValueId result) {
        return is_slot(result) && body_.type(result).bytes() >= worth_updating_soon_bytes;
      });
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
      soon[i] = late[i] && (soon[i] || std::ranges::any_of(waiting[i], [&](int after) {
                              return soon[static_cast<std::size_t>(after)];
                            }));
    }
    for (const int at : values_.instructions()) {
      const Op& op = body_.ops()[static_cast<std::size_t>(at)];
      const auto i = static_cast<std::size_t>(at);
      const When when = soon[i] ? When::soon : late[i] ? When::late : When::in_order;
      found.push_back({at, ir::is_fused(op) ? kernels_.kernel_of(op) : -1, when});
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

  // --- loops --------------------------------------------------------------------------------------------------------

  /// A buffer that is one row, or several, of another.
  int rows(int all, std::int64_t row, ir::Type type, int loop = -1) {
    Buffer made = program_.buffers[static_cast<std::size_t>(all)];
    made.type = std::move(type);
    made.value.reset();
    made.offset = 0;
    made.same_as = -1;
    made.row_of = all;
    made.row = row;
    made.loop = loop;
    return add(std::move(made));
  }

  // Forwards the value of before the first step is in row 0, and that of after the last one in row `length`; backwards
  // it is the other way round, each modulo the number of rows.
  void place_carries(const Op& scan) {
    const ir::ScanParts parts(ir::view(body_, scan));
    const std::vector<CarryHistory> histories = carry_histories(scan);
    for (std::size_t i = 0; i < parts.carries; ++i) {
      const ir::Type type = body_.type(scan.operands[i]);
      const std::int64_t count = histories[i].kept() ? parts.length + 1 : 2, end = parts.length % count;
      Carry carry;
      carry.buffer = add_transient(stacked(type, count));
      carry.old_row = parts.reverse ? 1 : 0;
      carry.new_row = parts.reverse ? 0 : 1;
      carry.last = parts.reverse ? 0 : end;
      const ValueId first = values_.root(scan.operands[i]);
      bind(first, rows(carry.buffer, parts.reverse ? end : 0, body_.type(first)));
      bind(scan.results[i], rows(carry.buffer, carry.last, type));
      for (const auto* yields : {&histories[i].old_values, &histories[i].new_values})
        for (const std::size_t yield : *yields) {
          const std::int64_t row = yields == &histories[i].old_values ? carry.old_row : carry.new_row;
          bind(scan.results[yield], rows(carry.buffer, row, body_.type(scan.results[yield])));
        }
      carries_[scan.results[i]] = carry;
    }
  }

  void emit_loop(const Op& scan) {
    const ir::ScanParts parts(ir::view(body_, scan));
    const ir::Block& region = scan.regions[0];
    const int loop = static_cast<int>(program_.loops.size());
    program_.loops.push_back({static_cast<int>(program_.instructions.size()), 0, parts.length, parts.reverse});
    Emitter inner(region, program_, kernels_);
    const auto is_used = [&](ValueId param) { return !inner.values().readers(param).empty(); };
    if (const ValueId step = region.params()[0]; is_used(step))
      inner.bind(step, rows(numbers(parts.length), 0, region.type(step), loop));
    for (std::size_t i = 0; i < parts.carries; ++i) {
      const Carry& carry = carries_.at(scan.results[i]);
      const ValueId made = inner.values().root(region.results[i]);
      inner.bind(region.params()[i + 1], rows(carry.buffer, carry.old_row, region.type(region.params()[i + 1]), loop));
      inner.bind(made, rows(carry.buffer, carry.new_row, region.type(made), loop));
    }
    for (std::size_t i = parts.carries; i < scan.operands.size(); ++i) {
      const ValueId param = region.params()[i + 1];
      if (!is_used(param)) continue;
      const int given = typed_buffer(scan.operands[i]);
      inner.bind(param, i < parts.carries + parts.scanned ? rows(given, 0, region.type(param), loop) : given);
    }
    for (std::size_t i = parts.carries; i < scan.results.size(); ++i) {
      const ValueId made = inner.values().root(region.results[i]);
      if (!inner.values().is_computed(made) || inner.is_bound(made)) continue;
      inner.bind(made, rows(buffer(scan.results[i]), 0, region.type(made), loop));
    }
    inner.emit(data_orders(region, inner.values()));
    program_.loops[static_cast<std::size_t>(loop)].end = static_cast<int>(program_.instructions.size());
  }

  bool is_bound(ValueId root) const { return buffers_.contains(root); }

  static ir::Type stacked(ir::Type type, std::int64_t count) {
    type.shape.insert(type.shape.begin(), count);
    return type;
  }

  /// 0, 1, 2 and so on.
  int numbers(std::int64_t count) {
    const ir::Type type{ir::DType::i32, {count}, {}};
    ir::Tensor value(type);
    std::iota(value.as<std::int32_t>().begin(), value.as<std::int32_t>().end(), 0);
    return add({.type = type, .region = Region::constant, .value = std::move(value)});
  }

  // --- buffers ------------------------------------------------------------------------------------------------------

  int add_transient(ir::Type type) {
    Buffer made{.type = std::move(type)};
    made.offset = program_.transient_bytes;
    program_.transient_bytes += ir::aligned(made.type.bytes());
    return add(std::move(made));
  }

  /// The buffer of a root, as large as it is; kernels ask for no more.
  int buffer(ValueId root) {
    const auto known = buffers_.find(root);
    if (known != buffers_.end()) return known->second;
    ir::Type type = body_.type(root);
    const std::string* slot = values_.slot(root);
    if (const auto bound = slots_.find(root); bound != slots_.end()) {
      slot = &bound->second.slot;
      type = bound->second.type;
    }
    if (slot != nullptr) {
      const auto same = slot_buffers_.find(*slot);
      if (same != slot_buffers_.end()) return buffers_[root] = same->second;
      return buffers_[root] = slot_buffers_[*slot] = add({.type = type, .region = Region::slot, .path = *slot});
    }
    return buffers_[root] = values_.is_computed(root) ? add_transient(std::move(type)) : constant(root, type);
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

  const ir::Block& body_;
  ir::Program& program_;
  KernelTable& kernels_;
  LowerValues values_;
  std::map<ValueId, SlotResult> slots_;  // roots that are a slot's new value
  std::map<ValueId, int> buffers_;       // of roots
  std::map<ValueId, Carry> carries_;     // by the scan's result
  std::map<std::string, int> slot_buffers_;
  std::map<std::pair<int, ir::Shape>, int> typed_;
  std::map<std::pair<ValueId, ir::Shape>, int> constants_;
};

int threads_for(const ir::Module& module, const ir::Program& program, const Instruction& instruction,
                const ir::Target& target) {
  using enum ir::Work::Kind;
  const bool has_kernel = instruction.kernel >= 0;
  if (has_kernel && ir::FusedView(module.kernels[static_cast<std::size_t>(instruction.kernel)].op).rank() == 0)
    return 1;
  const ir::InstructionCost cost = ir::cost_of(module, program, instruction);
  const double time = target.microseconds({has_kernel ? kernel : contraction, cost.bytes, cost.flops});
  return time < target.worth_a_thread_microseconds() ? 1 : target.threads();
}

std::int64_t scratch_for(const ir::Module& module, const ir::Program& program, const Instruction& instruction,
                         const ir::Target& target) {
  if (instruction.kernel >= 0) return ir::kernel_scratch(module, instruction);
  const ir::OpView op = ir::view(program, instruction);
  if (const auto* routine = op.def->as<ir::Routine>()) return ir::scratch_bytes(*routine, op);
  return target.contraction_scratch(op, instruction.threads);
}

}  // namespace

ir::Program emit_program(const ir::Graph& graph, KernelTable& kernels) {
  ir::Program program;
  program.name = graph.name;
  program.batch = graph.batch;
  const ir::Block& body = graph.body;
  Emitter emitter(body, program, kernels);
  const LowerValues& values = emitter.values();
  for (std::size_t i = 0; i < body.params().size(); ++i) {
    const ValueId param = body.params()[i];
    emitter.bind(param, emitter.add({.type = body.type(param), .region = Region::param, .path = graph.param_names[i]}));
  }
  for (std::size_t i = 0; i < graph.results.size(); ++i) {
    const ValueId root = values.root(body.results[i]);
    if (graph.results[i].kind == GraphResult::Kind::slot && values.is_computed(root))
      emitter.bind_slot(root, graph.results[i].name, body.type(body.results[i]));
  }
  emitter.emit(orders(graph, values));
  for (std::size_t i = 0; i < graph.results.size(); ++i)
    if (graph.results[i].kind == GraphResult::Kind::value)
      program.results.emplace_back(graph.results[i].name, emitter.typed_buffer(body.results[i]));
  return program;
}

void set_resources(const ir::Module& module, ir::Program& program, const ir::Target& target) {
  program.scratch_bytes = 0;
  for (Instruction& instruction : program.instructions) {
    instruction.threads = threads_for(module, program, instruction, target);
    instruction.scratch = scratch_for(module, program, instruction, target);
    program.scratch_bytes = std::max(program.scratch_bytes, ir::aligned(instruction.scratch));
  }
}

}  // namespace nnc::passes
