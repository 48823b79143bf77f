// A reduction of the body as LLVM IR: its record's four programs, on accumulators that are single elements or vectors.
#pragma once

#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/op.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace nnc::runtime::jit {

/// One of each kind.
using Accumulators = llvm::SmallVector<llvm::Value*, 2>;

class ReductionEmitter {
 public:
  ReductionEmitter(const ir::FusedView& fused, const ir::Op& op);

  const ir::Op& op() const { return *op_; }
  /// The types of the accumulators.
  const std::vector<ir::DType>& kinds() const { return programs_.accumulators; }
  /// Whether a step asks for the number of its element.
  bool uses_index() const { return programs_.uses_index(); }
  /// Whether an accumulator steps by itself, whatever the element: parts that took as many steps have it equal.
  bool counts_steps(std::size_t kind) const;
  /// The dimensions removed.
  const std::vector<int>& reduced() const { return reduced_; }

  Accumulators start(llvm::IRBuilder<>& b, int lanes) const;
  /// With one more element; `index` is asked for its number if the reduction uses it.
  Accumulators step(llvm::IRBuilder<>& b, const Accumulators& accumulators, llvm::Value* x,
                    const std::function<llvm::Value*()>& index) const;
  Accumulators merge(llvm::IRBuilder<>& b, const Accumulators& first, const Accumulators& second) const;
  /// All lanes into one.
  Accumulators merge_lanes(llvm::IRBuilder<>& b, Accumulators accumulators) const;
  /// The op's results.
  std::vector<llvm::Value*> finish(llvm::IRBuilder<>& b, const Accumulators& accumulators) const;

 private:
  const ir::Op* op_;
  ir::ReductionPrograms programs_;
  std::vector<ir::DType> results_;
  std::vector<int> reduced_;
  std::int64_t count_ = 1;
};

/// Accumulators in registers, for one or several copies.
class AccumulatorRegisters {
 public:
  AccumulatorRegisters(llvm::IRBuilder<>& b, const ReductionEmitter& reduction, int lanes, int copies);

  int copies() const { return static_cast<int>(variables_.size()); }
  Accumulators load(llvm::IRBuilder<>& b, int copy) const;
  void store(llvm::IRBuilder<>& b, int copy, const Accumulators& accumulators) const;

 private:
  std::vector<llvm::SmallVector<llvm::AllocaInst*, 2>> variables_;
};

/// `changed` in the lanes of the mask, `kept` in the others.
Accumulators select_lanes(llvm::IRBuilder<>& b, llvm::Value* mask, const Accumulators& changed,
                          const Accumulators& kept);

}  // namespace nnc::runtime::jit
