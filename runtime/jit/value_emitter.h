// Values of a kernel's body at the place where code is being emitted: operands read by their accesses, elementwise ops
// by their formulas, numbers.
#pragma once

#include "runtime/jit/kernel_state.h"

#include <optional>

namespace nnc::runtime::jit {

class ValueEmitter {
 public:
  explicit ValueEmitter(KernelState& state) : s_(state) {}

  /// Any value but a reduction's; what it depends on is known.
  void emit(ir::ValueId value);

 private:
  Pack load_param(ir::ValueId value);
  Pack elementwise(const ir::Op& op);
  /// A random number of each element, where a turn takes 64 positions that belong together (vector_random.h).
  std::optional<Pack> random_block(const ir::Op& op, const ir::ScalarProgram& program);
  bool begins_blocks() const;
  llvm::Value* constant(const ir::Op& op);

  KernelState& s_;
};

}  // namespace nnc::runtime::jit
