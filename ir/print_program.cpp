#include "ir/print_program.h"

#include "ir/op.h"
#include "ir/print_block.h"
#include "ir/print_literal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nnc::ir {
namespace text {
namespace {

constexpr std::string_view unknown = "?";

class ProgramPrinter {
 public:
  ProgramPrinter(const Module& module, const Program& program, const PrintOptions& options)
      : module_(module), program_(program), options_(options), names_(buffer_names(program)) {}

  std::string run() {
    lines_.add(fmt::format("program @{}({}) {{", program_.full_name(), params()));
    lines_.add(fmt::format("  transient {}", program_.transient_bytes));
    lines_.add(fmt::format("  scratch {}", program_.scratch_bytes));
    for (auto i = static_cast<std::size_t>(program_.param_count()); i < program_.buffers.size(); ++i) {
      const Buffer& buffer = program_.buffers[i];
      lines_.add(fmt::format("  buffer %{}: {} {}", names_[i], to_string(buffer.type), place(buffer)));
    }
    for (std::size_t i = 0; i < program_.instructions.size(); ++i) {
      open_loops(static_cast<int>(i));
      add(program_.instructions[i]);
      close_loops(static_cast<int>(i) + 1);
    }
    lines_.add(fmt::format("  return{}", results()));
    lines_.add("}");
    return lines_.joined();
  }

  /// `run @k0 (%x) -> (%0)`, the sets joined by `separator`.
  std::string work(const Instruction& instruction, std::string_view separator) const {
    std::vector<std::string> sets;
    for (const ArgumentSet& set : instruction.sets) {
      const bool usual = instruction.kernel < 0 || kernel_of(instruction) == nullptr ||
                         set.extent == outer_extent(kernel_of(instruction)->op);
      sets.push_back(fmt::format("({}) -> ({}){}", fmt::join(list(set.reads), ", "), fmt::join(list(set.writes), ", "),
                                 usual ? "" : fmt::format(" extent {}", set.extent)));
    }
    return fmt::format("run {} {}", code(instruction), fmt::join(sets, separator));
  }

 private:
  const Kernel* kernel_of(const Instruction& instruction) const {
    const auto at = static_cast<std::size_t>(instruction.kernel);
    return instruction.kernel >= 0 && at < module_.kernels.size() ? &module_.kernels[at] : nullptr;
  }

  std::string code(const Instruction& instruction) const {
    if (instruction.kernel >= 0) {
      const Kernel* kernel = kernel_of(instruction);
      return fmt::format("@{}", kernel != nullptr ? kernel->name : unknown);
    }
    if (instruction.def == nullptr) return std::string(unknown);
    Op op;
    op.def = instruction.def;
    op.attrs = instruction.attrs;
    return fmt::format("{}{}", *instruction.def->name, print_attrs(op, -1, options_));
  }

  std::string name(int buffer) const {
    const auto at = static_cast<std::size_t>(buffer);
    return fmt::format("%{}", buffer >= 0 && at < names_.size() ? names_[at] : unknown);
  }

  std::vector<std::string> list(const std::vector<int>& buffers) const {
    std::vector<std::string> out;
    for (const int buffer : buffers) out.push_back(name(buffer));
    return out;
  }

  std::string params() const {
    std::vector<std::string> out;
    for (int i = 0; i < program_.param_count(); ++i) {
      out.push_back(fmt::format("{}: {}", name(i), to_string(program_.buffers[static_cast<std::size_t>(i)].type)));
    }
    return fmt::format("{}", fmt::join(out, ", "));
  }

  std::string place(const Buffer& buffer) const {
    if (buffer.same_as >= 0) return fmt::format("is {}", name(buffer.same_as));
    if (buffer.row_of >= 0) {
      if (buffer.loop < 0) return fmt::format("row {} of {}", buffer.row, name(buffer.row_of));
      const std::string shift = buffer.row > 0 ? fmt::format(" + {}", buffer.row) : "";
      return fmt::format("row{} of {} in loop {}", shift, name(buffer.row_of), buffer.loop);
    }
    switch (buffer.region) {
      case Region::param: break;
      case Region::slot: return fmt::format("slot @{}", buffer.path);
      case Region::transient: return fmt::format("transient {}", buffer.offset);
      case Region::constant:
        return fmt::format("constant {}", buffer.value ? print_tensor(*buffer.value, options_) : std::string(unknown));
    }
    return fmt::format("param %{}", buffer.path);
  }

  void open_loops(int at) {
    for (std::size_t l = 0; l < program_.loops.size(); ++l) {
      const Loop& loop = program_.loops[l];
      if (loop.first != at) continue;
      lines_.add(fmt::format("{}loop {} of {}{} {{", indent_, l, loop.length, loop.reverse ? " reverse" : ""));
      indent_ += "  ";
    }
  }

  void close_loops(int end) {
    for (const Loop& loop : program_.loops) {
      if (loop.end != end) continue;
      indent_.resize(indent_.size() - 2);
      lines_.add(indent_ + "}");
    }
  }

  void add(const Instruction& instruction) {
    const bool many = instruction.sets.size() > 1;
    std::string text = fmt::format("{}{}{}threads {}", indent_, work(instruction, ",\n    " + indent_),
                                   many ? "\n    " + indent_ : " ", instruction.threads);
    if (instruction.scratch > 0) text += fmt::format(" scratch {}", instruction.scratch);
    const std::size_t last = text.rfind('\n');
    if (last != std::string::npos) lines_.add(text.substr(0, last));
    lines_.add(last == std::string::npos ? text : text.substr(last + 1),
               print_tail(instruction.location, instruction.role));
  }

  std::string results() const {
    std::vector<std::string> out;
    for (const auto& [result, buffer] : program_.results) out.push_back(fmt::format("{} = {}", result, name(buffer)));
    return fmt::format("{}{}", out.empty() ? "" : " ", fmt::join(out, ", "));
  }

  const Module& module_;
  const Program& program_;
  PrintOptions options_;
  std::vector<std::string> names_;
  std::string indent_ = "  ";
  Lines lines_;
};

}  // namespace

std::string print_kernel(const Kernel& kernel, const PrintOptions& options) {
  const std::string head =
      fmt::format("kernel @{} = {}{}", kernel.name, *kernel.op.def->name, print_attrs(kernel.op, -1, options));
  const ValueNames names({}, kernel.op.regions[0]);
  BlockPrinter printer(names, options);
  printer.region(head, kernel.op.regions[0], 0);
  printer.line("}");
  return printer.text();
}

std::string print_program(const Module& module, const Program& program, const PrintOptions& options) {
  return ProgramPrinter(module, program, options).run();
}

}  // namespace text

std::string describe(const Module& module, const Program& program, const Instruction& instruction) {
  return text::ProgramPrinter(module, program, {.elide_constants = true}).work(instruction, ", ");
}

}  // namespace nnc::ir
