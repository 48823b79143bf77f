#include "passes/layout.h"

#include "ir/check.h"
#include "ir/op.h"
#include "ir/ops/movement.h"
#include "passes/rebuild.h"
#include "passes/simplify.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>

namespace nnc::passes {

using ir::AttrKind;
using ir::Block;
using ir::Expr;
using ir::Op;
using ir::ValueId;

namespace {

/// Dimension i in memory is dimension order[i] of the value.
using Order = std::vector<std::int64_t>;

/// Batch, spatial dimensions, channels.
Order channels_last_order(int rank) {
  Order order(static_cast<std::size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

/// Whether no element moves: the dimensions of more than one element stay in their order.
bool keeps_elements(const ir::Shape& shape, const Order& order) {
  std::int64_t last = -1;
  for (const std::int64_t dimension : order) {
    if (shape[static_cast<std::size_t>(dimension)] == 1) continue;
    if (dimension < last) return false;
    last = dimension;
  }
  return true;
}

/// Attributes that name dimensions or speak of the shape, except the axes of a reduction.
bool speaks_of_dimensions(const Op& op, bool axes_allowed) {
  return std::ranges::any_of(op.def->attrs, [&](const ir::AttrDef& attr) {
    switch (attr.kind) {
      case AttrKind::axes: return !axes_allowed;
      case AttrKind::axis:
      case AttrKind::integer:
      case AttrKind::integers:
      case AttrKind::result_shape:
      case AttrKind::result_types: return true;
      default: return false;
    }
  });
}

class Layout {
 public:
  explicit Layout(const Block& block) : old_(block), next_(block), builder_(next_.block()) {}

  Block run() {
    for (const Op& op : old_.ops()) {
      builder_.location = op.location;
      builder_.role = op.role;
      if (on_images(op) || elementwise(op) || reduction(op)) continue;
      for (const ValueId operand : op.operands) plain(operand);
      next_.copy(op);
    }
    for (const ValueId result : old_.results) plain(result);
    return next_.finish();
  }

 private:
  struct Stored {
    ValueId value;  // of the new block
    Order order;
  };

  const Stored* stored(ValueId old) const {
    const auto found = stored_.find(old);
    return found == stored_.end() ? nullptr : &found->second;
  }

  Expr permuted(Expr x, const Order& order) {
    if (!keeps_elements(x.shape(), order)) return builder_.permute(x, order);
    ir::Shape shape;
    for (const std::int64_t dimension : order) shape.push_back(x.shape()[static_cast<std::size_t>(dimension)]);
    return builder_.reshape(x, shape);
  }

  /// The value as the program speaks of it.
  Expr plain(ValueId old) {
    if (const Stored* found = stored(old); found != nullptr && plain_.insert(old).second)
      next_.replace(old, permuted(builder_.expr(found->value), ir::inverse_order(found->order)).value);
    return builder_.expr(next_[old]);
  }

  /// The value with its dimensions in that order; with dimensions of 1 in front if it has fewer.
  Expr in_order(ValueId old, const Order& order) {
    if (const Stored* found = stored(old); found != nullptr && found->order == order)
      return builder_.expr(found->value);
    const auto key = std::pair(old, order);
    if (const auto known = reordered_.find(key); known != reordered_.end()) return builder_.expr(known->second);
    Expr x = plain(old);
    ir::Shape shape = x.shape();
    shape.insert(shape.begin(), order.size() - shape.size(), 1);
    const Expr made = permuted(builder_.reshape(x, shape), order);
    reordered_.emplace(key, made.value);
    return made;
  }

  void store(ValueId old, Expr made, Order order) {
    if (std::ranges::is_sorted(order)) {
      next_.replace(old, made.value);
    } else {
      stored_.emplace(old, Stored{made.value, std::move(order)});
    }
  }

  std::vector<Expr> append(const Op& op, const std::vector<Expr>& operands, std::vector<ir::NamedAttr> attrs) {
    auto made = builder_.try_op(*op.def, operands, std::move(attrs));
    const auto* error = std::get_if<std::string>(&made);
    NNC_CHECK_OP(error == nullptr, op, "in another layout: {}", *error);
    return std::get<std::vector<Expr>>(std::move(made));
  }

  static std::vector<ir::NamedAttr> attrs_of(const Op& op) {
    std::vector<ir::NamedAttr> attrs;
    for (std::size_t i = 0; i < op.attrs.size(); ++i)
      attrs.push_back({std::string(op.def->attrs[i].name), op.attrs[i]});
    return attrs;
  }

  bool on_images(const Op& op) {
    const std::optional<ir::Images>& images = op.def->images;
    if (!images || ir::view(old_, op).flag(ir::channels_last_attr)) return false;
    const Order order = channels_last_order(old_.type(op.operands[0]).rank());
    std::vector<Expr> operands;
    for (std::size_t i = 0; i < op.operands.size(); ++i) {
      const bool is_image = std::ranges::find(images->operands, static_cast<int>(i)) != images->operands.end();
      operands.push_back(is_image ? in_order(op.operands[i], order) : plain(op.operands[i]));
    }
    std::vector<ir::NamedAttr> attrs = attrs_of(op);
    std::ranges::find(attrs, ir::channels_last_attr, &ir::NamedAttr::name)->value = true;
    const std::vector<Expr> results = append(op, operands, std::move(attrs));
    for (std::size_t i = 0; i < results.size(); ++i) {
      const bool is_image = std::ranges::find(images->results, static_cast<int>(i)) != images->results.end();
      if (is_image) store(op.results[i], results[i], order);
      if (!is_image) next_.replace(op.results[i], results[i].value);
    }
    return true;
  }

  /// The order of the largest stored operand that has all dimensions of the result.
  bool elementwise(const Op& op) {
    if (op.def->as<ir::Elementwise>() == nullptr || speaks_of_dimensions(op, false)) return false;
    const ir::Type& type = old_.type(op.results[0]);
    const Stored* leading = nullptr;
    std::int64_t largest = 0;
    for (const ValueId operand : op.operands) {
      const Stored* found = stored(operand);
      if (found == nullptr || old_.type(operand).rank() != type.rank() || old_.type(operand).elements() <= largest)
        continue;
      leading = found;
      largest = old_.type(operand).elements();
    }
    if (leading == nullptr || ir::uses_coordinates(ir::view(old_, op))) return false;
    const Order order = leading->order;
    std::vector<Expr> operands;
    for (const ValueId operand : op.operands)
      operands.push_back(old_.type(operand).rank() == 0 ? plain(operand) : in_order(operand, order));
    store(op.results[0], append(op, operands, attrs_of(op))[0], order);
    return true;
  }

  /// The axes where they are now. What is left without its axes has the order of the rest.
  bool reduction(const Op& op) {
    const Stored* found = op.def->as<ir::Reduction>() == nullptr ? nullptr : stored(op.operands[0]);
    if (found == nullptr || speaks_of_dimensions(op, true)) return false;
    const Order order = found->order;
    std::vector<ir::NamedAttr> attrs = attrs_of(op);
    std::vector<std::int64_t>* axes = nullptr;
    for (std::size_t i = 0; i < attrs.size(); ++i)
      if (op.def->attrs[i].kind == AttrKind::axes) axes = &std::get<std::vector<std::int64_t>>(attrs[i].value);
    if (axes == nullptr) return false;
    const std::vector<std::int64_t> removed = *axes;
    axes->clear();
    for (const std::int64_t axis : removed) axes->push_back(std::ranges::find(order, axis) - order.begin());
    // Positions are counted in the order of the reduced dimensions.
    const auto& reduction = *op.def->as<ir::Reduction>();
    const bool counts = ir::reduction_programs(reduction, old_.type(op.operands[0]).dtype).uses_index();
    if (counts && !std::ranges::is_sorted(*axes)) return false;
    std::ranges::sort(*axes);

    Order left;
    const bool keeps = old_.type(op.results[0]).shape.size() == order.size();
    for (const std::int64_t dimension : order)
      if (keeps || std::ranges::find(removed, dimension) == removed.end()) left.push_back(dimension);
    if (!keeps) {
      Order sorted = left;
      std::ranges::sort(sorted);
      for (std::int64_t& dimension : left) dimension = std::ranges::find(sorted, dimension) - sorted.begin();
    }
    const std::vector<Expr> results = append(op, {builder_.expr(found->value)}, std::move(attrs));
    for (std::size_t i = 0; i < results.size(); ++i) store(op.results[i], results[i], left);
    return true;
  }

  const Block& old_;
  Rebuild next_;
  ir::Builder builder_;
  std::map<ValueId, Stored> stored_;  // by value of the old block
  std::set<ValueId> plain_;           // those of them that are there in the plain order, too
  std::map<std::pair<ValueId, Order>, ValueId> reordered_;
};

bool has_images(const Block& block) {
  return std::ranges::any_of(block.ops(), [](const Op& op) { return op.def->images.has_value(); });
}

void lay_out(Block& block) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) lay_out(region);
  if (!has_images(block)) return;
  block = Layout(block).run();
  std::map<std::string, int> counts;
  NNC_CHECK(simplify_block(block, counts), "the rewrite rules do not end");
}

}  // namespace

// 1. Write each block anew, op by op: each value in the order in which it is stored.
// 2. Let the rewrite rules join permutations.
ir::Status layout(ir::Module& module, PassContext&) {
  for_each_body(module, lay_out);
  return ir::Status::ok;
}

}  // namespace nnc::passes
