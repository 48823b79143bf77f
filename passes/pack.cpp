#include "passes/pack.h"

#include "ir/builder.h"
#include "ir/check.h"
#include "ir/ops/scan.h"
#include "ir/packed.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <compare>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace nnc::passes {

namespace {

using ir::Block;
using ir::Op;
using ir::ValueId;

/// A value of a block as the weight of products.
struct Weight {
  ValueId value;
  bool transposed = false;

  auto operator<=>(const Weight&) const = default;
};

/// How many products of a step read a weight, and the first of them.
struct Use {
  std::int64_t count = 0;
  const Op* product = nullptr;
  ir::OpView view = {};
};
using Uses = std::map<Weight, Use>;

bool is_shared(const Block& block, const Op& scan, std::size_t operand) {
  const ir::ScanParts parts(ir::view(block, scan));
  return operand >= parts.carries + parts.scanned;
}

/// The weight of a loop's region in the block around it, where every step sees the same one.
std::optional<Weight> around(const Block& block, const Op& scan, const Weight& inside) {
  const auto& params = scan.regions[0].params();
  const auto param = std::ranges::find(params, inside.value);
  if (param == params.end() || param == params.begin()) return std::nullopt;
  const auto operand = static_cast<std::size_t>(param - params.begin() - 1);
  if (!is_shared(block, scan, operand)) return std::nullopt;
  return Weight{scan.operands[operand], inside.transposed};
}

/// Loops may be long, and stand in loops; whether a weight is packed is decided by a few.
constexpr std::int64_t most_counted = std::int64_t{1} << 30;

Uses uses_of(const Block& block) {
  Uses uses;
  const auto count = [&](const Weight& weight, const Use& use, std::int64_t times) {
    Use& all = uses.try_emplace(weight, Use{0, use.product, use.view}).first->second;
    all.count = std::min(all.count + std::min(use.count, most_counted) * std::min(times, most_counted), most_counted);
  };
  for (const Op& op : block.ops()) {
    if (ir::is_scan(op)) {
      const std::int64_t length = ir::ScanParts(ir::view(block, op)).length;
      for (const auto& [inside, use] : uses_of(op.regions[0]))
        if (const auto weight = around(block, op, inside)) count(*weight, use, length);
      continue;
    }
    const ir::OpView view = ir::view(block, op);
    if (const auto product = ir::packable_product(view))
      count({op.operands[1], product->transposed}, {1, &op, view}, 1);
  }
  return uses;
}

/// The product with its weight in tiles of so many columns.
ir::OpView with_tiles(ir::OpView product, std::int64_t columns) {
  static const ir::OpDef* const packed_matmul = ir::find_op(ir::packed_matmul_name);
  product.operands[1].shape = ir::packed_shape(*ir::packable_product(product), columns);
  product.def = packed_matmul;
  product.attrs = {};
  return product;
}

/// The loop without the operands that every step sees and none reads.
void drop_unread(Op& scan, std::size_t first_shared) {
  const Block& region = scan.regions[0];
  std::set<ValueId> read(region.results.begin(), region.results.end());
  for (const Op& op : region.ops()) read.insert(op.operands.begin(), op.operands.end());
  Block next;
  ir::ValueMap map(region);
  std::vector<ValueId> operands;
  map.add_param(next, region.params()[0]);
  for (std::size_t i = 0; i < scan.operands.size(); ++i) {
    const ValueId param = region.params()[i + 1];
    if (i >= first_shared && !read.contains(param)) continue;
    map.add_param(next, param);
    operands.push_back(scan.operands[i]);
  }
  for (const Op& op : region.ops()) map.copy(next, op);
  for (const ValueId v : region.results) next.results.push_back(map[v]);
  scan.operands = std::move(operands);
  scan.regions[0] = std::move(next);
}

/// A block with packed weights.
class Packer {
 public:
  Packer(const Block& block, const ir::Target& target)
      : block_(block), target_(target), uses_(uses_of(block)), next_(block), builder_(next_.block()) {}

  /// What comes packed, as a further parameter.
  void take(const Weight& weight, const ir::Type& type) { packed_[weight] = next_.block().add_param(type); }
  /// What is packed by others, if at all.
  void leave(ValueId value) { others_.insert(value); }

  Block run() {
    for (const Op& op : block_.ops()) {
      if (ir::is_scan(op))
        copy_loop(op);
      else if (!replace_product(op))
        next_.copy(op);
    }
    return next_.finish();
  }

 private:
  // The widest tiles that its first product reads.
  std::optional<ValueId> packed(const Weight& weight) {
    if (const auto known = packed_.find(weight); known != packed_.end()) return known->second;
    const Use& use = uses_.at(weight);
    if (others_.contains(weight.value) || !target_.prefers_packed(use.count)) return std::nullopt;
    const std::int64_t n = ir::packable_product(use.view)->n;
    const auto columns = std::ranges::find_if(ir::packed_columns, [&](std::int64_t c) {
      return n % c == 0 && target_.reads_packed(with_tiles(use.view, c));
    });
    if (columns == ir::packed_columns.end()) return std::nullopt;
    builder_.location = use.product->location;
    builder_.role = use.product->role;
    return packed_[weight] = builder_
                                 .op(ir::pack_name, {builder_.expr(next_[weight.value])},
                                     {{"columns", *columns}, {"transpose", weight.transposed}})
                                 .value;
  }

  bool replace_product(const Op& op) {
    const ir::OpView view = ir::view(block_, op);
    const auto product = ir::packable_product(view);
    if (!product) return false;
    const auto weight = packed({op.operands[1], product->transposed});
    if (!weight || !target_.reads_packed(with_tiles(view, next_.block().type(*weight).shape.back()))) return false;
    builder_.location = op.location;
    builder_.role = op.role;
    const ir::Expr rows = builder_.expr(next_[op.operands[0]]);
    next_.replace(op.results[0], builder_.op(ir::packed_matmul_name, {rows, builder_.expr(*weight)}).value);
    return true;
  }

  void copy_loop(const Op& scan) {
    const Block& region = scan.regions[0];
    Packer inner(region, target_);
    for (std::size_t i = 0; i < scan.operands.size(); ++i)
      if (is_shared(block_, scan, i)) inner.leave(region.params()[i + 1]);
    Op made = next_.mapped(scan);
    for (const auto& [inside, use] : inner.uses_) {
      const auto weight = around(block_, scan, inside);
      const auto value = weight ? packed(*weight) : std::nullopt;
      if (!value) continue;
      made.operands.push_back(*value);
      inner.take(inside, next_.block().type(*value));
    }
    made.regions[0] = inner.run();
    const ir::ScanParts parts(ir::view(block_, scan));
    if (made.operands.size() > scan.operands.size()) drop_unread(made, parts.carries + parts.scanned);
    const std::vector<ValueId> results = next_.block().append(std::move(made), ir::result_types(block_, scan));
    for (std::size_t i = 0; i < results.size(); ++i) next_.replace(scan.results[i], results[i]);
  }

  const Block& block_;
  const ir::Target& target_;
  Uses uses_;
  Rebuild next_;
  ir::Builder builder_;
  std::map<Weight, ValueId> packed_;
  std::set<ValueId> others_;
};

}  // namespace

ir::Status pack(ir::Module& module, PassContext& context) {
  NNC_CHECK(context.target != nullptr, "no target to choose for");
  for_each_body(module, [&](Block& block) { block = Packer(block, *context.target).run(); });
  return ir::Status::ok;
}

}  // namespace nnc::passes
