// Values of a kernel's body at the place where code is being emitted: operands read by their accesses, elementwise ops
// by their formulas, numbers.
#pragma once

#include "runtime/jit/kernel_state.h"

namespace nnc::runtime::jit {

class ValueEmitter {
 public:
  explicit ValueEmitter(KernelState& state) : s_(state) {}

  /// Any value but a reduction's; what it depends on is known.
  void emit(ir::ValueId value);

 private:
  Pack load_param(ir::ValueId value);
  Pack elementwise(const ir::Op& op);
  llvm::Value* constant(const ir::Op& op);

  KernelState& s_;
};

}  // namespace nnc::runtime::jit
