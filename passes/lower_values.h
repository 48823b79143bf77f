// Where the values of a block come from, once it is lowered: who stands for them, and who reads and binds them.
#pragma once

#include "ir/graph.h"
#include "ir/op.h"
#include "ir/tensor.h"

#include <string>
#include <vector>

namespace nnc::passes {

/// A movement that leaves every element where it is: the result is the operand with another shape.
bool is_view(const ir::Block& block, const ir::Op& op);
/// An op without operands whose value is known while compiling.
bool is_constant(const ir::Op& op);
ir::Tensor constant_value(const ir::Block& block, const ir::Op& op);
/// An op that becomes an instruction, or a loop of instructions: a fused op, a contraction, a scan.
bool is_instruction(const ir::Op& op);

class LowerValues {
 public:
  /// `block` has to outlive this, and stay as it is.
  explicit LowerValues(const ir::Block& block);

  /// The value whose memory this one has: views are what they view, all reads of a slot are the first one.
  ir::ValueId root(ir::ValueId value) const { return roots_[static_cast<std::size_t>(value.index)]; }
  const ir::Op* definer(ir::ValueId root) const { return block_->definer(root); }
  /// The slot whose old value the root is, or null.
  const std::string* slot(ir::ValueId root) const;
  /// Whether an instruction makes the root.
  bool is_computed(ir::ValueId root) const;
  /// Whether a loop makes the root.
  bool is_looped(ir::ValueId root) const;

  /// The instructions that a result needs, as positions among the ops.
  const std::vector<int>& instructions() const { return instructions_; }
  /// The position of the instruction that makes a computed root.
  int maker(ir::ValueId root) const { return makers_[static_cast<std::size_t>(root.index)]; }
  /// The instructions that read the root.
  const std::vector<int>& readers(ir::ValueId root) const { return readers_[static_cast<std::size_t>(root.index)]; }
  /// The first read of a slot, or an invalid id.
  ir::ValueId read_of(const std::string& slot) const;

 private:
  void find_roots();
  void find_instructions();

  const ir::Block* block_;
  std::vector<ir::ValueId> roots_;
  std::vector<int> makers_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> instructions_;
};

}  // namespace nnc::passes
