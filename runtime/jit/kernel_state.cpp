#include "runtime/jit/kernel_state.h"

#include "runtime/jit/scalar_emitter.h"

#include <llvm/IR/Module.h>

#include <algorithm>

namespace nnc::runtime::jit {

KernelState::KernelState(llvm::Module& module, const std::string& name, const ir::FusedView& fused_op,
                         const std::vector<int>& parameter_ops)
    : fused(fused_op),
      layout(ir::kernel_layout(fused)),
      unroll(layout.vector >= 0 ? fused.schedule.unroll : 1),
      b(module.getContext()),
      access(b, fused, layout, place),
      parameters(parameter_ops),
      values(static_cast<std::size_t>(fused.body.value_count())) {
  llvm::Type* const pointer = b.getPtrTy();
  llvm::Type* const integer = b.getInt64Ty();
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {pointer, integer, integer, pointer, pointer}, false);
  function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
  place.coordinates.assign(fused.domain.size(), nullptr);
  for (int d = 0; d < fused.rank(); ++d)
    if (extent(d) <= 1) coordinate(d) = b.getInt64(0);
  b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", function));
  const std::size_t tables = parameters.empty() ? 0 : 1;
  for (std::size_t i = 0; i < fused.reads.size() + fused.results.size() + tables; ++i)
    args.push_back(b.CreateLoad(pointer, b.CreateConstGEP1_64(pointer, function->getArg(0), i)));
}

llvm::Value* KernelState::parameter(const ir::Op& op) {
  const auto number = static_cast<int>(&op - fused.body.ops().data());
  const auto found = std::ranges::find(parameters, number);
  if (found == parameters.end()) return nullptr;
  return behind(args.back(), 8 * (found - parameters.begin()));
}

void KernelState::place_position(llvm::Value* position, std::size_t count) {
  const std::vector<int>& parallel = fused.schedule.parallel;
  for (std::size_t i = count; i-- > 0;) {
    if (extent(parallel[i]) <= 1) continue;
    const bool outermost = std::all_of(parallel.begin(), parallel.begin() + static_cast<std::ptrdiff_t>(i),
                                       [&](int d) { return extent(d) <= 1; });
    llvm::Value* const length = constant(extent(parallel[i]));
    coordinate(parallel[i]) = outermost ? position : b.CreateURem(position, length);
    if (!outermost) position = b.CreateUDiv(position, length);
  }
}

bool KernelState::is_reduction(ir::ValueId value) const {
  const ir::Op* op = fused.body.definer(value);
  return op != nullptr && op->def->as<ir::Reduction>() != nullptr;
}

llvm::Value* KernelState::lane_coordinate(int d, int copy) {
  if (d != vector() && d == place.along) return b.CreateNSWAdd(coordinate(d), constant(copy));
  if (d != vector() || !place.in_lanes) return coordinate(d);
  copy = place.along == vector() ? copy : 0;
  return b.CreateAdd(splat(b, coordinate(d), lanes()),
                     lane_numbers(b.getContext(), std::int64_t{copy} * lanes(), lanes()));
}

}  // namespace nnc::runtime::jit
