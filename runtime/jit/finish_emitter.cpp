#include "ir/check.h"
#include "ir/kernel_layout.h"
#include "runtime/jit/access_emitter.h"
#include "runtime/jit/control_flow.h"
#include "runtime/jit/kernel_emitter.h"
#include "runtime/jit/reduction_emitter.h"
#include "runtime/jit/scalar_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>

#include <algorithm>

namespace nnc::runtime::jit {
namespace {

/// The results of one split reduction: loops over what it keeps, the fastest dimension of its arrays in the lanes.
class SplitEmitter {
 public:
  SplitEmitter(llvm::IRBuilder<>& b, const ir::FusedView& fused, const ir::KernelLayout& layout,
               const ir::SplitReduction& split)
      : fused_(fused),
        layout_(layout),
        split_(split),
        reduction_(fused, fused.body.ops()[static_cast<std::size_t>(split.op)]),
        b_(b),
        function_(b.GetInsertBlock()->getParent()),
        access_(b, fused_, layout_, place_) {
    layout_.vector = layout.lanes == 1 || split.array.dimensions.empty() ? -1 : split.array.dimensions.back();
    place_.coordinates.assign(fused.domain.size(), b.getInt64(0));
  }

  void run() { emit_level(0); }

 private:
  int lanes() const { return layout_.vector < 0 ? 1 : layout_.lanes; }
  llvm::Value* constant(std::int64_t x) { return b_.getInt64(static_cast<std::uint64_t>(x)); }

  void emit_level(std::size_t level) {
    if (level == split_.array.dimensions.size()) return emit_elements();
    const int d = split_.array.dimensions[level];
    const std::int64_t length = fused_.domain[static_cast<std::size_t>(d)];
    const auto inner = [&](llvm::Value* i) {
      place_.coordinates[static_cast<std::size_t>(d)] = i;
      emit_level(level + 1);
    };
    if (d != layout_.vector) return emit_loop(b_, 0, length, 1, inner);
    place_.in_lanes = true;
    const std::int64_t whole = length / lanes() * lanes();
    emit_loop(b_, 0, whole, lanes(), inner);
    if (whole == length) return;
    llvm::SmallVector<llvm::Constant*, 16> mask;
    for (std::int64_t lane = 0; lane < lanes(); ++lane) mask.push_back(b_.getInt1(whole + lane < length));
    place_.mask = llvm::ConstantVector::get(mask);
    inner(constant(whole));
    place_.mask = nullptr;
  }

  void emit_elements() {
    const AccumulatorRegisters accumulators(b_, reduction_, lanes(), 1);
    emit_loop(b_, b_.getInt64(0), function_->getArg(2), 1, [&](llvm::Value* chunk) {
      llvm::Value* const area = b_.CreateGEP(b_.getInt8Ty(), function_->getArg(1),
                                             b_.CreateMul(chunk, constant(layout_.scratch.partial_bytes)));
      Accumulators part;
      for (std::size_t kind = 0; kind < reduction_.kinds().size(); ++kind) {
        llvm::Value* const base =
            b_.CreateConstGEP1_64(b_.getInt8Ty(), area, static_cast<std::uint64_t>(split_.offsets[kind]));
        const ir::DType type = reduction_.kinds()[kind];
        part.push_back(access_.load_elements(access_.address(base, type, split_.array, 0), type, lanes()));
      }
      accumulators.store(b_, 0, reduction_.merge(b_, accumulators.load(b_, 0), part));
    });
    const std::vector<llvm::Value*> finished = reduction_.finish(b_, accumulators.load(b_, 0));
    for (std::size_t r = 0; r < fused_.writes.size(); ++r) {
      const auto found = std::ranges::find(reduction_.op().results, fused_.body.results[r]);
      if (found == reduction_.op().results.end()) continue;
      const std::size_t arg = fused_.reads.size() + fused_.result_of(r);
      llvm::Value* const pointer =
          b_.CreateLoad(b_.getPtrTy(), b_.CreateConstGEP1_64(b_.getPtrTy(), function_->getArg(0), arg));
      access_.store(pointer, fused_.body.type(*found).dtype, fused_.writes[r],
                    {finished[static_cast<std::size_t>(found - reduction_.op().results.begin())]},
                    {.in_lanes = place_.in_lanes});
    }
  }

  ir::FusedView fused_;
  ir::KernelLayout layout_;
  ir::SplitReduction split_;
  ReductionEmitter reduction_;
  llvm::IRBuilder<>& b_;
  llvm::Function* function_;
  Place place_;
  AccessEmitter access_;
};

}  // namespace

bool emit_finish(llvm::Module& module, const std::string& name, const ir::FusedView& fused) {
  const ir::KernelLayout layout = ir::kernel_layout(fused);
  if (layout.splits.empty()) return false;
  llvm::IRBuilder<> b(module.getContext());
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), b.getInt64Ty()}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  for (const ir::SplitReduction& split : layout.splits) SplitEmitter(b, fused, layout, split).run();
  b.CreateRetVoid();
  return true;
}

}  // namespace nnc::runtime::jit
