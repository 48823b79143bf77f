#include "passes/lower_kernels.h"

#include "ir/fused.h"
#include "ir/print_program.h"

#include <fmt/format.h>

namespace nnc::passes {

using ir::Block;
using ir::Op;

namespace {

/// The extent for which kernels that fit any extent are compared.
constexpr std::int64_t any_extent = std::int64_t{1} << 20;

/// The op by itself.
Op bare(const Op& fused) {
  Op op = fused;
  op.operands.clear();
  op.results.clear();
  op.location = {};
  op.role = {};
  Block& body = op.regions[0];
  for (Op& inner : body.ops()) {
    inner.location = {};
    inner.role = {};
  }
  ir::set_yielded_types(op);
  return op;
}

std::string structure_of(const Op& bare) {
  const std::optional<Op> any = ir::outer_extent(bare) > 1 ? ir::at_extent(bare, any_extent) : std::nullopt;
  return ir::text::print_kernel({any ? "any" : "", any ? *any : bare}, {});
}

}  // namespace

std::string kernel_structure(const Op& fused) { return structure_of(bare(fused)); }

int KernelTable::kernel_of(const Op& fused) {
  Op op = bare(fused);
  const auto [entry, inserted] = known_.try_emplace(structure_of(op), static_cast<int>(kernels_.size()));
  if (inserted) kernels_.push_back({"", std::move(op)});
  return entry->second;
}

std::vector<ir::Kernel> KernelTable::take(std::vector<ir::Program>& programs) {
  std::vector<ir::Kernel> used;
  std::vector<int> numbers(kernels_.size(), -1);
  for (ir::Program& program : programs)
    for (ir::Instruction& instruction : program.instructions) {
      if (instruction.kernel < 0) continue;
      const auto old = static_cast<std::size_t>(instruction.kernel);
      if (numbers[old] < 0) {
        numbers[old] = static_cast<int>(used.size());
        used.push_back({fmt::format("k{}", used.size()), std::move(kernels_[old].op)});
      }
      instruction.kernel = numbers[old];
    }
  return used;
}

}  // namespace nnc::passes
