// A block as fusion sees it: which ops may be in kernels, and what reads what when views are looked through.
//
// A view is a movement that keeps the row-major order of its operand's elements, as a reshape does: the same memory
// under another shape. Views are in no kernel; a kernel reads or writes the value behind them, their root.
#pragma once

#include "ir/access.h"
#include "ir/graph.h"
#include "ir/tensor.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace nnc::passes {

enum class FusionKind : std::uint8_t {
  outside,      // no kernel of ours: contractions, loops, constants, slots, bf16
  view,         // see above
  elementwise,  // and below: what kernels are made of
  reduction,
  movement,
  choice,  // a movement that reads one of several operands at each position: concat
};

struct FusionOp {
  FusionKind kind = FusionKind::outside;
  bool live = false;
  bool number = false;               // all operands and results are single numbers: the host's business
  bool coordinates = false;          // the formula asks where it is, or an attribute names a dimension
  bool by_position = false;          // it asks for the row-major position alone, whatever the dimensions
  std::vector<ir::Access> accesses;  // of a movement or a choice, one for each operand
  bool joins = false;                // the choice is all of each operand, one behind the other
  bool tiles = false;  // the movement reads each element, in some order of the dimensions: permute, broadcast

  const ir::Access& access() const { return accesses.front(); }
  /// Whether the movement reads its first operand at positions that the second one names.
  bool gathers() const { return kind == FusionKind::movement && access().index >= 0; }
};

class FusionBlock {
 public:
  /// `block` has to outlive this.
  explicit FusionBlock(const ir::Block& block);

  const ir::Block& block() const { return *block_; }
  int op_count() const { return static_cast<int>(ops_.size()); }
  const FusionOp& op(int index) const { return ops_[static_cast<std::size_t>(index)]; }
  const ir::Op& ir_op(int index) const { return block_->ops()[static_cast<std::size_t>(index)]; }
  bool is_fusable(int op) const;

  /// The value that this one is a view of; itself if it is no view.
  ir::ValueId root(ir::ValueId value) const { return roots_[static_cast<std::size_t>(value.index)]; }
  /// The op that makes a value; -1 for a parameter.
  int definer(ir::ValueId value) const { return definers_[static_cast<std::size_t>(value.index)]; }
  /// The live ops that read a root or a view of it, in order.
  const std::vector<int>& users(ir::ValueId root) const { return users_[static_cast<std::size_t>(root.index)]; }
  /// Whether the block returns a root or a view of it.
  bool is_result(ir::ValueId root) const { return returned_[static_cast<std::size_t>(root.index)]; }
  /// Of a slice of a movement's result: how it reads that movement's operands. Nothing of others.
  std::optional<std::vector<ir::Access>> accesses_through(int slice) const;
  /// A constant all of whose elements are the same; null for any other root.
  const ir::Tensor* splat(ir::ValueId root) const;

 private:
  FusionOp classify(const ir::Op& op) const;

  const ir::Block* block_;
  std::vector<FusionOp> ops_;
  std::vector<ir::ValueId> roots_;
  std::vector<int> definers_;
  std::vector<std::vector<int>> users_;
  std::vector<bool> returned_;
};

}  // namespace nnc::passes
