// Split reductions while a chunk runs: registers where nothing is kept, else arrays in the chunk's partial results.
#pragma once

#include "runtime/jit/accumulation.h"

#include <optional>
#include <vector>

namespace nnc::runtime::jit {

class SplitAccumulations {
 public:
  SplitAccumulations(KernelState& state, AccumulationEmitter& accumulate) : s_(state), accumulate_(accumulate) {}

  void start();
  /// One of KernelLayout::splits, with the elements at the place.
  void step(const ir::KernelNest& nest, int split);
  /// Lanes are merged, so that an array has one accumulator of a kind for each of its elements.
  void end();

 private:
  struct Split {
    ReductionEmitter reduction;
    std::optional<AccumulatorRegisters> registers;
  };

  llvm::Value* area(const ir::SplitReduction& split, std::size_t kind) {
    return s_.behind(s_.partial(), split.offsets[kind]);
  }
  llvm::Value* element_of(llvm::Value* area, ir::DType kind, llvm::Value* element);

  KernelState& s_;
  AccumulationEmitter& accumulate_;
  std::vector<Split> splits_;
};

}  // namespace nnc::runtime::jit
