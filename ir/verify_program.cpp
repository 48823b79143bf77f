// The form of kernels and programs, and the types of what they run on; verify_memory.cpp has what they do to memory.
#include "ir/fused.h"
#include "ir/parse_literal.h"
#include "ir/program_memory.h"
#include "ir/text_tokens.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace nnc::ir {
namespace {

using Kind = Subject::Kind;
using Part = Subject::Part;

/// The operand types of a kernel by itself: as large as may be.
std::vector<Type> any_operands(const Op& kernel) {
  std::vector<Type> types;
  const Block& body = kernel.regions[0];
  for (const ValueId param : body.params()) types.push_back({body.type(param).dtype, {text::max_elements}, {}});
  return types;
}

class ProgramChecker {
 public:
  ProgramChecker(const Module& module, const SlotIndex& slots, std::size_t index, const Report& report)
      : module_(module), slots_(slots), program_(module.programs[index]), index_(index), report_(report) {}

  /// Whether the program has the form in which its memory can be looked at.
  bool run() {
    check_header();
    check_buffers();
    if (!right_) return false;
    check_loops();
    if (!right_) return false;
    for (std::size_t i = 0; i < program_.instructions.size(); ++i) check(program_.instructions[i], i);
    check_results();
    check_init();
    return right_;
  }

 private:
  void fail(std::string message, Part part = Part::whole, std::size_t item = 0) {
    right_ = false;
    report_({.kind = Kind::program, .index = index_, .part = part, .item = item}, std::move(message));
  }

  bool exists(int buffer) const { return buffer >= 0 && static_cast<std::size_t>(buffer) < program_.buffers.size(); }
  const Buffer& at(int buffer) const { return program_.buffers[static_cast<std::size_t>(buffer)]; }

  void check_header() {
    if (!text::is_path(program_.name) || program_.batch < 0)
      fail(fmt::format("'{}' cannot be the name of a program", program_.full_name()));
    for (const auto& [what, bytes] :
         {std::pair{"transient", program_.transient_bytes}, {"scratch", program_.scratch_bytes}})
      if (bytes < 0 || bytes % memory_alignment != 0)
        fail(fmt::format("a {} region of {} bytes; regions are multiples of {}", what, bytes, memory_alignment));
    const std::vector<DataField>* fields = fields_of(module_, program_.name);
    if (fields == nullptr || fields->empty()) return;
    const auto params = static_cast<std::size_t>(program_.param_count());
    if (params != fields->size()) return fail(fmt::format("{} parameters for {} data fields", params, fields->size()));
    if (program_.batch < 1) return fail("it has no batch size");
    for (std::size_t i = 0; i < params; ++i) {
      Type expected = (*fields)[i].type;
      expected.shape.insert(expected.shape.begin(), program_.batch);
      const Buffer& param = program_.buffers[i];
      if (param.type == expected && param.path == (*fields)[i].name) continue;
      fail(fmt::format("the field '{}' at batch size {} is {}, found '{}', {}", (*fields)[i].name, program_.batch,
                       to_string(expected), param.path, to_string(param.type)),
           Part::buffer, i);
    }
  }

  void check_buffers() {
    std::set<std::pair<Region, std::string>> known;
    const auto params = static_cast<std::size_t>(program_.param_count());
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
      const Buffer& buffer = program_.buffers[i];
      const auto wrong = [&](std::string message) { fail(std::move(message), Part::buffer, i); };
      if (std::ranges::any_of(buffer.type.shape, [](std::int64_t extent) { return extent < 1; }))
        wrong(fmt::format("malformed type {}", to_string(buffer.type)));
      else if (buffer.same_as >= 0 || buffer.same_as < -1)
        check_alias(buffer, i);
      else if (buffer.row_of >= 0 || buffer.loop >= 0)
        check_row(buffer, i);
      else if (buffer.region == Region::param || buffer.region == Region::slot) {
        if (buffer.region == Region::param && i >= params) wrong("parameters stand before other buffers");
        if (!text::is_path(buffer.path)) wrong(fmt::format("'{}' cannot be the name of a buffer", buffer.path));
        if (!known.emplace(buffer.region, buffer.path).second) wrong(fmt::format("'{}' has two buffers", buffer.path));
        if (buffer.region == Region::slot) check_slot(buffer, i);
      } else if (buffer.region == Region::constant) {
        if (!buffer.value || buffer.value->type() != buffer.type)
          wrong(fmt::format("its constant is no {}", to_string(buffer.type)));
      } else if (buffer.offset < 0 || buffer.offset % memory_alignment != 0) {
        wrong(fmt::format("offset {} is no multiple of {}", buffer.offset, memory_alignment));
      } else if (buffer.offset + buffer.type.bytes() > program_.transient_bytes) {
        wrong(fmt::format("it ends at {}, outside of the transient region of {} bytes",
                          buffer.offset + buffer.type.bytes(), program_.transient_bytes));
      }
    }
  }

  void check_alias(const Buffer& buffer, std::size_t i) {
    const auto wrong = [&](std::string message) { fail(std::move(message), Part::buffer, i); };
    if (buffer.same_as < 0 || static_cast<std::size_t>(buffer.same_as) >= i || at(buffer.same_as).same_as >= 0 ||
        at(buffer.same_as).value)
      return wrong("it is another type of what is no buffer before it");
    const Buffer& root = at(buffer.same_as);
    if (buffer.region != root.region || buffer.offset != root.offset || buffer.path != root.path ||
        buffer.row_of != root.row_of || buffer.loop != root.loop || buffer.row != root.row)
      return wrong("it lies elsewhere than the buffer whose memory it is");
    if (buffer.type.dtype != root.type.dtype || buffer.type.elements() != root.type.elements())
      wrong(fmt::format("{} is another type of {}, which has other elements", to_string(buffer.type),
                        to_string(root.type)));
  }

  void check_row(const Buffer& buffer, std::size_t i) {
    const auto wrong = [&](std::string message) { fail(std::move(message), Part::buffer, i); };
    if (buffer.row_of < 0 || static_cast<std::size_t>(buffer.row_of) >= i || at(buffer.row_of).type.rank() < 1)
      return wrong("it is a row of what is no buffer with rows before it");
    const Buffer& all = at(buffer.row_of);
    if (buffer.region != all.region || buffer.offset != 0 || buffer.path != all.path || buffer.value)
      return wrong("it lies elsewhere than the buffer of which it is a row");
    const std::int64_t rows = all.type.shape[0], elements = all.type.elements() / rows;
    if (buffer.row < 0 || buffer.row >= rows) return wrong(fmt::format("there is no row {} of {}", buffer.row, rows));
    const bool fits = buffer.loop >= 0 ? buffer.type.elements() == elements
                                       : buffer.type.elements() % elements == 0 &&
                                             buffer.row + buffer.type.elements() / elements <= rows;
    if (buffer.type.dtype != all.type.dtype || !fits)
      return wrong(fmt::format("{} does not fit the rows of {}", to_string(buffer.type), to_string(all.type)));
    if (buffer.loop >= 0 && static_cast<std::size_t>(buffer.loop) >= program_.loops.size())
      wrong(fmt::format("there is no loop {}", buffer.loop));
  }

  void check_loops() {
    std::vector<int> ends;
    int first = 0;
    for (std::size_t l = 0; l < program_.loops.size(); ++l) {
      const Loop& loop = program_.loops[l];
      while (!ends.empty() && ends.back() <= loop.first) ends.pop_back();
      if (loop.length < 1 || loop.first < first || loop.first >= loop.end ||
          loop.end > static_cast<int>(ends.empty() ? program_.instructions.size() : ends.back()))
        return fail(fmt::format("loop {} is empty, or not within what is around it", l));
      first = loop.first;
      ends.push_back(loop.end);
    }
  }

  /// The loops whose steps decide where a buffer is have to be around its use.
  bool is_known_at(int buffer, std::size_t i) const {
    for (int b = whole_of(program_, buffer); at(b).row_of >= 0; b = whole_of(program_, at(b).row_of)) {
      if (at(b).loop < 0) continue;
      const Loop& loop = program_.loops[static_cast<std::size_t>(at(b).loop)];
      if (static_cast<int>(i) < loop.first || static_cast<int>(i) >= loop.end) return false;
    }
    return true;
  }

  void check_slot(const Buffer& buffer, std::size_t i) {
    const Slot* slot = slots_.find(buffer.path);
    if (slot == nullptr) return fail(fmt::format("unknown slot '@{}'", buffer.path), Part::buffer, i);
    if (plain(buffer.type) == plain(slot->type)) return;
    fail(fmt::format("slot '@{}' is {}, found {}", buffer.path, to_string(slot->type), to_string(buffer.type)),
         Part::buffer, i);
  }

  // --- instructions -------------------------------------------------------------------------------------------------

  void check(const Instruction& instruction, std::size_t i) {
    const auto wrong = [&](std::string message) { fail(std::move(message), Part::instruction, i); };
    if (instruction.sets.empty()) return wrong("it has no arguments");
    for (const ArgumentSet& set : instruction.sets) {
      for (const auto* buffers : {&set.reads, &set.writes})
        if (!std::ranges::all_of(*buffers, [&](int buffer) { return exists(buffer); }))
          return wrong("an argument is no buffer");
      for (const auto* buffers : {&set.reads, &set.writes})
        if (!std::ranges::all_of(*buffers, [&](int buffer) { return is_known_at(buffer, i); }))
          return wrong("an argument is a row in a loop that is not around it");
      for (const int buffer : set.writes) {
        const Buffer& written = at(buffer);
        if (written.same_as >= 0 || written.region == Region::param || written.region == Region::constant)
          return wrong("it writes what is no slot and no transient buffer");
      }
    }
    if (instruction.threads < 1) wrong(fmt::format("it runs on {} threads", instruction.threads));
    if (instruction.scratch < 0 || instruction.scratch > program_.scratch_bytes)
      wrong(fmt::format("it needs {} bytes of a scratch region of {}", instruction.scratch, program_.scratch_bytes));
    if (!instruction.role.slot.empty() && slots_.find(instruction.role.slot) == nullptr)
      wrong(fmt::format("its role names slot '@{}', which the module lacks", instruction.role.slot));
    const std::string fault = instruction.def != nullptr ? op_fault(instruction) : kernel_run_fault(instruction);
    if (!fault.empty()) wrong(fault);
  }

  std::string op_fault(const Instruction& instruction) const {
    if (instruction.kernel >= 0 || !instruction.def->is_instruction()) return "it is no instruction";
    if (instruction.sets.size() != 1 || instruction.sets[0].extent != 1)
      return fmt::format("{} runs on one set of arguments", *instruction.def->name);
    const ArgumentSet& set = instruction.sets[0];
    if (!instruction.def->takes(set.reads.size()))
      return fmt::format("{} takes {} operands, found {}", *instruction.def->name, instruction.def->operands->size(),
                         set.reads.size());
    if (instruction.attrs.size() != instruction.def->attrs.size())
      return fmt::format("{} has {} attributes, found {}", *instruction.def->name, instruction.def->attrs.size(),
                         instruction.attrs.size());
    const std::vector<Type> operands = types_of(program_, set.reads), results = types_of(program_, set.writes);
    std::vector<NamedAttr> given;
    for (std::size_t i = 0; i < instruction.attrs.size(); ++i)
      given.push_back({std::string(instruction.def->attrs[i].name), instruction.attrs[i]});
    const CompletedAttrs completed = complete_attrs(*instruction.def, std::move(given), operands);
    if (!completed.error.empty()) return completed.error;
    if (completed.attrs != instruction.attrs) return "its attributes are not in the form in which their kinds are held";
    const auto fault = check_types({instruction.def, operands, instruction.attrs, {}, {}}, results);
    if (fault) return fault->message;
    if (const auto* routine = instruction.def->as<Routine>()) {
      const std::int64_t scratch = scratch_bytes(*routine, {instruction.def, operands, instruction.attrs, {}, results});
      if (instruction.scratch < scratch)
        return fmt::format("{} needs {} bytes of scratch, found {}", *instruction.def->name, scratch,
                           instruction.scratch);
    }
    return "";
  }

  std::string kernel_run_fault(const Instruction& instruction) {
    if (instruction.kernel < 0 || static_cast<std::size_t>(instruction.kernel) >= module_.kernels.size())
      return "it has no kernel";
    const Op& kernel = module_.kernels[static_cast<std::size_t>(instruction.kernel)].op;
    if (!kernel_fault(kernel).empty()) return "its kernel is not well formed";
    for (const ArgumentSet& set : instruction.sets)
      if (std::string fault = set_fault(instruction.kernel, set); !fault.empty()) return fault;
    const std::int64_t scratch = kernel_scratch(module_, instruction);
    if (instruction.scratch < scratch)
      return fmt::format("its kernel needs {} bytes of scratch, found {}", scratch, instruction.scratch);
    return "";
  }

  std::string set_fault(int kernel, const ArgumentSet& set) {
    const std::optional<Op>& op = kernel_at(kernel, set.extent);
    if (!op) return fmt::format("its kernel cannot have the extent {}", set.extent);
    const OpView there = view(program_, *op, set);
    if (std::string fault = check_fused(there); !fault.empty()) return fault;
    const std::vector<Type>& results = FusedView(there).results;
    if (set.writes.size() != results.size())
      return fmt::format("its kernel has {} results, found {}", results.size(), set.writes.size());
    for (std::size_t i = 0; i < results.size(); ++i)
      if (results[i].dtype != there.results[i].dtype || results[i].elements() != there.results[i].elements())
        return fmt::format("result {} of its kernel is {}, found {}", i, to_string(results[i]),
                           to_string(there.results[i]));
    return "";
  }

  const std::optional<Op>& kernel_at(int kernel, std::int64_t extent) {
    const auto [entry, inserted] = kernels_.try_emplace({kernel, extent});
    if (inserted) entry->second = at_extent(module_.kernels[static_cast<std::size_t>(kernel)].op, extent);
    return entry->second;
  }

  void check_results() {
    std::set<std::string> names;
    for (std::size_t i = 0; i < program_.results.size(); ++i) {
      const auto& [name, buffer] = program_.results[i];
      const auto wrong = [&](std::string message) { fail(std::move(message), Part::result, i); };
      if (!text::is_word(name)) wrong(fmt::format("'{}' cannot be the name of a result", name));
      if (!names.insert(name).second) wrong(fmt::format("result '{}' stands twice", name));
      if (!exists(buffer))
        wrong("it is no buffer");
      else if (at(buffer).region != Region::transient || !is_known_at(buffer, program_.instructions.size()))
        wrong("a result is a transient buffer");
    }
  }

  void check_init() {
    if (program_.name != init_graph) return;
    std::set<std::string> written;
    for (const Instruction& instruction : program_.instructions)
      for (const ArgumentSet& set : instruction.sets)
        for (const int buffer : set.writes)
          if (exists(buffer) && at(buffer).region == Region::slot) written.insert(at(buffer).path);
    for (const Slot& slot : module_.slots) {
      const bool needed =
          slot.kind == SlotKind::parameter || slot.kind == SlotKind::statistic || slot.kind == SlotKind::optimizer;
      if (needed && !written.contains(slot.path))
        fail(fmt::format("it gives no value to the {} '@{}'", name(slot.kind), slot.path));
    }
  }

  const Module& module_;
  const SlotIndex& slots_;
  const Program& program_;
  std::size_t index_;
  const Report& report_;
  bool right_ = true;
  std::map<std::pair<int, std::int64_t>, std::optional<Op>> kernels_;
};

void check_kernel(const Module& module, const SlotIndex& slots, std::size_t index, const Report& report) {
  const Op& op = module.kernels[index].op;
  const Subject subject{.kind = Kind::kernel, .index = index};
  if (!is_fused(op) || op.regions.size() != 1 || op.attrs.size() != op.def->attrs.size() || !op.operands.empty() ||
      !op.results.empty())
    return report(subject, "a kernel is a fused op without operands and results");
  Block block;
  Op copy = op;
  for (const Type& type : any_operands(op)) copy.operands.push_back(block.add_param(type));
  const auto* results = std::get_if<std::vector<Type>>(&op.attrs.back());
  block.append(std::move(copy), results != nullptr ? *results : std::vector<Type>{});
  std::size_t item = 0;
  bool right = true;
  // The kernel itself has no number among the ops of its text.
  check_block(slots, block, subject, item, [&](Subject fault, std::string message) {
    right = false;
    if (fault.item == 0) fault = subject;
    if (fault.item > 0) --fault.item;
    report(fault, std::move(message));
  });
  if (!right) return;
  if (std::string fault = kernel_fault(op); !fault.empty()) report(subject, std::move(fault));
}

}  // namespace

std::string kernel_fault(const Op& op) {
  if (!is_fused(op) || op.regions.size() != 1) return "a kernel is a fused op";
  const Block& body = op.regions[0];
  for (const ValueId result : body.results)
    if (!result.valid() || result.index >= body.value_count()) return "the region yields what is no value of it";
  std::string fault = check_fused({op.def, any_operands(op), op.attrs, op.regions, {}});
  if (!fault.empty()) return fault;
  const FusedView fused(op);
  if (fused.schedule.chosen()) return "";
  if (fused.rank() > 0) return "a kernel over a domain needs a `schedule`";
  return fused.schedule == Schedule{} ? "" : "`schedule` has dimensions but no chunks";
}

void check_programs(const Module& module, const SlotIndex& slots, const Report& report) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < module.kernels.size(); ++i) {
    if (!text::is_path(module.kernels[i].name))
      report({.kind = Kind::kernel, .index = i},
             fmt::format("'{}' cannot be the name of a kernel", module.kernels[i].name));
    if (!names.insert(module.kernels[i].name).second)
      report({.kind = Kind::kernel, .index = i}, fmt::format("kernel '@{}' stands twice", module.kernels[i].name));
    check_kernel(module, slots, i, report);
  }
  if (module.programs.empty()) return;
  if (!text::is_word(module.target)) report({}, "a module with programs names the target that they are for");
  if (!module.graphs.empty() || !module.rules.empty() || !module.updates.empty())
    report({}, "a module with programs has no graphs, rules and updates");
  names.clear();
  for (std::size_t i = 0; i < module.programs.size(); ++i) {
    if (!names.insert(module.programs[i].full_name()).second)
      report({.kind = Kind::program, .index = i},
             fmt::format("program '@{}' stands twice", module.programs[i].full_name()));
    if (ProgramChecker(module, slots, i, report).run()) check_memory(module, i, report);
  }
}

}  // namespace nnc::ir
