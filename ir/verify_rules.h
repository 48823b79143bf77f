// The rules of verify.h, apart from where their violations are shown: `verify` shows them at the `.nn` line an op comes
// from, the parser at the text it reads.
#pragma once

#include "ir/module.h"
#include "ir/op.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nnc::ir {

/// What a violation is about.
struct Subject {
  enum class Kind : std::uint8_t { module, data, predict_data, metric, slot, update, rule, graph, kernel, program };
  enum class Part : std::uint8_t { whole, param, op, result, buffer, instruction };
  Kind kind = Kind::module;
  std::size_t index = 0;    // of the field, slot, update, rule, graph, kernel or program
  Part part = Part::whole;  // of a rule, graph, kernel or program
  std::size_t item = 0;     // of the part; ops are counted in the order of the text, with those of regions
  const Op* op = nullptr;
  const Block* block = nullptr;  // around op
};

using Report = std::function<void(const Subject&, std::string)>;

/// The slots of a module by path: it is asked for each op. The module has to outlive this as it is.
class SlotIndex {
 public:
  explicit SlotIndex(const Module& module) {
    for (const Slot& slot : module.slots) slots_.emplace(slot.path, &slot);
  }
  /// Null if there is none; the first where a path stands twice.
  const Slot* find(std::string_view path) const {
    const auto found = slots_.find(path);
    return found != slots_.end() ? found->second : nullptr;
  }

 private:
  std::unordered_map<std::string_view, const Slot*> slots_;
};

/// Reports every violation, in the order of the text.
void find_violations(const Module& module, const Report& report);

/// The type apart from where its values lie in memory.
Type plain(Type type);

/// What is wrong with an op whose operands and attributes have the record's form; `results` are the types it claims.
struct OpFault {
  std::string message;
  std::optional<std::size_t> result;  // set if that result's type is wrong
};
std::optional<OpFault> check_types(const OpView& op, std::span<const Type> results);

/// What is wrong with a kernel, whatever it runs on; nothing if `at_extent` and the layout of the kernel may be asked for.
std::string kernel_fault(const Op& op);
/// The violations in kernels and programs: their form and types, then what they do to memory.
void check_programs(const Module& module, const SlotIndex& slots, const Report& report);
/// Whether everything that a program reads is what was written there last; for programs of the right form.
void check_memory(const Module& module, std::size_t program, const Report& report);

/// The violations inside one block; `item` counts its ops on.
void check_block(const SlotIndex& slots, const Block& block, Subject subject, std::size_t& item, const Report& report);

}  // namespace nnc::ir
