#include "passes/fusion_block.h"

#include "ir/analysis.h"
#include "ir/constant.h"
#include "ir/linear.h"
#include "ir/op.h"

#include <algorithm>
#include <optional>
#include <ranges>

namespace nnc::passes {

using ir::Access;
using ir::Shape;
using ir::Type;
using ir::ValueId;

namespace {

bool is_bounded(const Access& access, const Shape& shape) {
  for (std::size_t d = 0; d < access.bounds.size(); ++d) {
    if (access.bounds[d].first > 0 || access.bounds[d].second < shape[d]) return true;
  }
  return false;
}

/// Whether the result's elements are the operand's in row-major order.
bool keeps_order(const Access& access, const Type& result, const Type& operand) {
  if (access.offset != 0 || is_bounded(access, result.shape) || result.elements() != operand.elements()) return false;
  const std::vector<std::int64_t> dense = ir::row_major_strides(result.shape);
  for (std::size_t d = 0; d < dense.size(); ++d) {
    if (result.shape[d] != 1 && access.strides[d] != dense[d]) return false;
  }
  return true;
}

/// Whether the access reads each element, its dimensions being the operand's in some order and parts.
bool tiles_operand(const Access& access, const Type& result, const Type& operand) {
  if (access.offset != 0 || is_bounded(access, result.shape)) return false;
  std::vector<std::pair<std::int64_t, std::int64_t>> steps;
  for (std::size_t d = 0; d < result.shape.size(); ++d) {
    if (result.shape[d] != 1 && access.strides[d] != 0) steps.emplace_back(access.strides[d], result.shape[d]);
  }
  std::ranges::sort(steps);
  std::int64_t expected = 1;
  for (const auto& [stride, extent] : steps) {
    if (stride != expected) return false;
    expected *= extent;
  }
  return expected == operand.elements();
}

/// Whether the operands, each in row-major order, follow each other along one dimension of the result.
bool joins_operands(const std::vector<Access>& accesses, const Type& result, const std::vector<Type>& operands) {
  std::optional<std::size_t> axis;
  std::int64_t reached = 0;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (accesses[k].strides != ir::row_major_strides(operands[k].shape)) return false;
    for (std::size_t d = 0; d < result.shape.size(); ++d) {
      if (operands[k].shape[d] == result.shape[d]) continue;
      if (axis.value_or(d) != d || !accesses[k].is_bounded(d)) return false;
      axis = d;
      const auto [low, high] = accesses[k].bounds[d];
      if (low != reached || high - low != operands[k].shape[d]) return false;
      reached = high;
    }
  }
  return axis && reached == result.shape[*axis];
}

bool names_dimension(const ir::OpDef& def) {
  return std::ranges::any_of(def.attrs, [](const ir::AttrDef& attr) {
    return attr.kind == ir::AttrKind::axis || attr.kind == ir::AttrKind::axes;
  });
}

}  // namespace

// 1. Mark what the results need, and classify the ops.
// 2. Walk the ops in order: roots of views, who defines what.
// 3. List the users of each root.
FusionBlock::FusionBlock(const ir::Block& block) : block_(&block) {
  const auto values = static_cast<std::size_t>(block.value_count());
  const std::vector<bool> needed = ir::needed_for(block, block.results);
  definers_.assign(values, -1);
  users_.resize(values);
  returned_.assign(values, false);
  for (std::int32_t v = 0; v < block.value_count(); ++v) roots_.push_back({v});

  for (const ir::Op& op : block.ops()) {
    FusionOp& info = ops_.emplace_back(classify(op));
    info.live = std::ranges::any_of(op.results, [&](ValueId v) { return needed[static_cast<std::size_t>(v.index)]; });
    for (const ValueId result : op.results) {
      definers_[static_cast<std::size_t>(result.index)] = op_count() - 1;
      if (info.kind == FusionKind::view) roots_[static_cast<std::size_t>(result.index)] = root(op.operands[0]);
    }
    if (info.kind == FusionKind::view || !info.live) continue;
    for (const ValueId operand : op.operands) {
      std::vector<int>& users = users_[static_cast<std::size_t>(root(operand).index)];
      if (users.empty() || users.back() != op_count() - 1) users.push_back(op_count() - 1);
    }
  }
  for (const ValueId result : block.results) returned_[static_cast<std::size_t>(root(result).index)] = true;
}

FusionOp FusionBlock::classify(const ir::Op& op) const {
  FusionOp info;
  const ir::OpView view = ir::view(*block_, op);
  const auto in_kernels = [](const Type& type) {
    return type.dtype != ir::DType::bf16 && type.layout.empty() && type.elements() > 0;
  };
  const auto is_number = [](const Type& type) { return type.elements() == 1; };
  if (!op.regions.empty() || !std::ranges::all_of(view.operands, in_kernels) ||
      !std::ranges::all_of(view.results, in_kernels)) {
    return info;
  }
  info.number = std::ranges::all_of(view.operands, is_number) && std::ranges::all_of(view.results, is_number);
  if (op.def->as<ir::Elementwise>() != nullptr) {
    info.kind = FusionKind::elementwise;
    info.coordinates = ir::uses_coordinates(view) || names_dimension(*op.def);
    info.by_position = !names_dimension(*op.def) && ir::is_by_position(view);
  } else if (op.def->as<ir::Reduction>() != nullptr) {
    info.kind = FusionKind::reduction;
  } else if (const auto* movement = op.def->as<ir::Movement>()) {
    info.accesses = (*movement->access)(view);
    const bool alone = op.operands.size() == 1, gathers = info.access().index >= 0;
    info.kind = alone || gathers ? FusionKind::movement : FusionKind::choice;
    if (info.kind == FusionKind::choice) info.joins = joins_operands(info.accesses, view.results[0], view.operands);
    if (!alone) return info;
    if (keeps_order(info.access(), view.results[0], view.operands[0])) info.kind = FusionKind::view;
    info.tiles = tiles_operand(info.access(), view.results[0], view.operands[0]);
  }
  return info;
}

bool FusionBlock::is_fusable(int index) const {
  return op(index).live && op(index).kind != FusionKind::outside && op(index).kind != FusionKind::view;
}

// A slice's offset and strides are those of a row-major tensor: its first coordinates and its steps, times what a step in
// each dimension is there.
std::optional<std::vector<Access>> FusionBlock::accesses_through(int slice) const {
  const ValueId moved = ir_op(slice).operands[0];
  const Access& part = op(slice).access();
  const std::vector<std::int64_t> dense = ir::row_major_strides(block_->type(moved).shape);
  if (part.is_bounded() || part.index >= 0 || part.strides.size() != dense.size()) return {};
  std::vector<Access> accesses = op(definer(moved)).accesses;
  std::int64_t rest = part.offset;
  for (std::size_t d = 0; d < dense.size(); ++d) {
    const std::int64_t first = rest / dense[d], step = part.strides[d] / dense[d];
    if (step < 1 || part.strides[d] % dense[d] != 0) return {};
    rest -= first * dense[d];
    for (Access& access : accesses) {
      if (access.is_bounded()) return {};
      access.offset += first * access.strides[d];
      access.strides[d] *= step;
    }
  }
  return accesses;
}

const ir::Tensor* FusionBlock::splat(ValueId root) const {
  const ir::Tensor* tensor = ir::constant_value(*block_, root);
  return tensor != nullptr && tensor->is_splat() ? tensor : nullptr;
}

}  // namespace nnc::passes
