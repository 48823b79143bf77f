// Reductions within a kernel's nests: their accumulators in registers, from the start of the loops that they remove to
// the end.
#pragma once

#include "runtime/jit/kernel_state.h"
#include "runtime/jit/reduction_emitter.h"

#include <vector>

namespace nnc::runtime::jit {

/// A reduction, and what is kept of it while its loops run.
struct Accumulation {
  ReductionEmitter reduction;
  AccumulatorRegisters registers;
  bool lanes_apart;   // an accumulator for each lane, merged at the end
  bool copies_apart;  // those of all copies are merged, too; else each copy has a result
};

class AccumulationEmitter {
 public:
  explicit AccumulationEmitter(KernelState& state) : s_(state) {}

  std::vector<Accumulation> start(const ir::KernelNest& nest);
  /// With the elements at the place.
  void step(const ir::KernelNest& nest, const ReductionEmitter& reduction, const AccumulatorRegisters& registers,
            bool lanes_apart);
  /// The results: in registers, or in their rows where the nest keeps dimensions.
  void finish(const ir::KernelNest& nest, const std::vector<Accumulation>& accumulations);

  /// The accumulators with one more element: that of a copy.
  Accumulators stepped(const ir::KernelNest& nest, const ReductionEmitter& reduction, const Accumulators& before,
                       int copy, bool in_lanes, bool lanes_apart);
  /// All copies and lanes in one.
  Accumulators merged(const ReductionEmitter& reduction, const AccumulatorRegisters& registers);

 private:
  /// Whether all copies in the registers have taken as many steps as the first one.
  bool are_in_step(const ir::KernelNest& nest, const ReductionEmitter& reduction,
                   const AccumulatorRegisters& registers) const;
  /// Whether the loops meet the elements of a reduction in the order of their numbers.
  bool is_in_order(const ir::KernelNest& nest, const ReductionEmitter& reduction) const;
  /// Row-major position within the dimensions removed.
  llvm::Value* reduced_position(const ReductionEmitter& reduction, int copy);

  KernelState& s_;
};

}  // namespace nnc::runtime::jit
