#include "passes/lower_border.h"

#include "ir/fused.h"
#include "ir/op.h"
#include "passes/lower_values.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::passes {

using ir::DType;
using ir::Op;
using ir::Type;

namespace {

/// Whether kernels have the functions of the formula in its element type; sums and products they have in all.
bool has_functions(const ir::OpView& op) {
  const ir::ScalarProgram program = ir::scalar_program(op);
  return std::ranges::none_of(program.instrs, [](const ir::ScalarInstr& instr) {
    return instr.dtype == DType::f64 && ir::is_function(instr.op);
  });
}

/// What is not compiled yet of an op, or nothing.
std::string missing_in(const ir::Block& block, const Op& op) {
  const ir::OpView view = ir::view(block, op);
  for (const auto* types : {&view.operands, &view.results})
    for (const Type& type : *types)
      if (type.dtype == DType::bf16) {
        const std::string* slot = slot_of(op);
        return slot != nullptr ? fmt::format("`@{}` of bf16", *slot) : fmt::format("`{}` of bf16", *op.def->name);
      }
  if (op.def->as<ir::Contraction>() != nullptr) {
    const auto is_f64 = [](const ir::Attr& attr) {
      const auto* dtype = std::get_if<DType>(&attr);
      return dtype != nullptr && *dtype != DType::f32;
    };
    if (view.results[0].dtype != DType::f32 || std::ranges::any_of(op.attrs, is_f64))
      return fmt::format("`{}` in {}", *op.def->name, name(DType::f64));
  }
  if (is_instruction(op) || is_view(block, op) || is_constant(op) || op.def->as<ir::SlotRead>() != nullptr) return "";
  return fmt::format("`{}`", *op.def->name);
}

void report(ir::Diagnostics& diagnostics, const Op& op, const Op& around, const std::string& what) {
  const ir::Location& location = op.location.empty() ? around.location : op.location;
  const std::string message = fmt::format("{} is not compiled yet", what);
  if (location.empty()) {
    diagnostics.error(message);
    return;
  }
  const ir::CallChain& chain = location.chains().front();
  const std::size_t shown = ir::innermost_in_first_file(chain);
  diagnostics.error(chain[shown], message).note_calls(chain, shown);
}

}  // namespace

ir::Status check_compiled(const ir::Block& block, ir::Diagnostics& diagnostics) {
  const int errors = diagnostics.count();
  for (const Op& op : block.ops()) {
    if (const std::string missing = missing_in(block, op); !missing.empty()) report(diagnostics, op, op, missing);
    if (!ir::is_fused(op)) {
      for (const ir::Block& region : op.regions) static_cast<void>(check_compiled(region, diagnostics));
      continue;
    }
    const ir::FusedView fused(op);
    for (const Op& inner : fused.body.ops()) {
      const ir::OpView view = ir::view(fused.body, inner);
      const bool is_bf16 =
          std::ranges::any_of(view.results, [](const Type& type) { return type.dtype == DType::bf16; });
      if (is_bf16) report(diagnostics, inner, op, fmt::format("`{}` of bf16", *inner.def->name));
      // Numbers are the host's, which has everything.
      if (fused.rank() > 0 && inner.def->as<ir::Elementwise>() != nullptr && !has_functions(view))
        report(diagnostics, inner, op, fmt::format("`{}` of f64 tensors", *inner.def->name));
    }
  }
  return diagnostics.count() > errors ? ir::Status::failed : ir::Status::ok;
}

}  // namespace nnc::passes
