#include "passes/sink.h"

#include "ir/builder.h"
#include "ir/check.h"
#include "ir/op.h"
#include "passes/dce.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace nnc::passes {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::Shape;
using ir::ValueId;

namespace {

bool is_slice(const Op& op) {
  static const ir::OpDef* const slice = ir::find_op("slice");
  return op.def == slice;
}

/// Elementwise ops of a block all of whose results that are read are parts of slices.
class Sunk {
 public:
  explicit Sunk(const Block& block) : block_(block), ops_(block.ops().size(), false) {
    std::vector<std::vector<std::size_t>> users(static_cast<std::size_t>(block.value_count()));
    std::vector<bool> returned(users.size(), false);
    for (std::size_t i = 0; i < block.ops().size(); ++i)
      for (const ValueId operand : block.ops()[i].operands) users[at(operand)].push_back(i);
    for (const ValueId result : block.results) returned[at(result)] = true;
    // Users come later: from the last op back, theirs is known.
    for (std::size_t i = ops_.size(); i-- > 0;) {
      const Op& op = block.ops()[i];
      if (op.def->as<ir::Elementwise>() == nullptr || op.operands.empty() || op.results.size() != 1) continue;
      if (returned[at(op.results[0])] || ir::uses_coordinates(ir::view(block, op))) continue;
      ops_[i] = reads_parts(op.results[0], users[at(op.results[0])]);
      if (ops_[i]) values_.emplace(op.results[0], i);
    }
  }

  bool any() const { return !values_.empty(); }
  /// The op that makes a value, if it is one of those.
  const Op* find(ValueId value) const {
    const auto found = values_.find(value);
    return found == values_.end() ? nullptr : &block_.ops()[found->second];
  }

 private:
  static std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

  /// Slices that together are no more than the value; or one op of its shape of which that holds.
  bool reads_parts(ValueId value, const std::vector<std::size_t>& users) const {
    const ir::Type& type = block_.type(value);
    if (users.size() == 1 && ops_[users[0]]) return block_.type(block_.ops()[users[0]].results[0]).shape == type.shape;
    std::int64_t elements = 0;
    for (const std::size_t user : users) {
      if (!is_slice(block_.ops()[user])) return false;
      elements += block_.type(block_.ops()[user].results[0]).elements();
    }
    return !users.empty() && elements <= type.elements();
  }

  const Block& block_;
  std::vector<bool> ops_;
  std::map<ValueId, std::size_t> values_;
};

/// The attributes of a slice of `whole`, for a value that broadcasts to it; nothing where it takes all of it.
std::vector<ir::NamedAttr> aligned(const Op& slice, const Shape& whole, const Shape& shape) {
  const std::size_t rank = shape.size(), before = whole.size() - rank;
  std::vector<std::vector<std::int64_t>> attrs;  // start, stop, step; steps may be absent
  for (const ir::Attr& attr : slice.attrs) {
    attrs.push_back(std::get<std::vector<std::int64_t>>(attr));
    if (!attrs.back().empty())
      attrs.back().erase(attrs.back().begin(), attrs.back().begin() + static_cast<std::ptrdiff_t>(before));
  }
  auto &start = attrs[0], &stop = attrs[1], &step = attrs[2];
  bool part = false;
  for (std::size_t d = 0; d < rank; ++d) {
    if (shape[d] == 1) {
      start[d] = 0;
      stop[d] = 1;
      if (!step.empty()) step[d] = 1;
    }
    part = part || start[d] != 0 || stop[d] != shape[d] || (!step.empty() && step[d] != 1);
  }
  std::vector<ir::NamedAttr> named;
  for (std::size_t a = 0; part && a < attrs.size(); ++a)
    named.push_back({std::string(slice.def->attrs[a].name), attrs[a]});
  return named;
}

/// Writes a block anew with parts of what is sunk.
class Sinking {
 public:
  Sinking(const Block& old, const Sunk& sunk) : old_(old), sunk_(sunk), next_(old), builder_(next_.block()) {}

  Block run() {
    for (const Op& op : old_.ops()) {
      if (is_slice(op) && sunk_.find(op.operands[0]) != nullptr) {
        next_.replace(op.results[0], part_of(op.operands[0], op).value);
      } else {
        next_.copy(op);
      }
    }
    return next_.finish();
  }

 private:
  /// The part of a value that a slice takes, or would take if the value were broadcast before; what makes the value is
  /// written for this part as far as it is sunk.
  Expr part_of(ValueId value, const Op& slice) {
    const Op* const made_by = sunk_.find(value);
    const Op& origin = made_by == nullptr ? slice : *made_by;
    std::vector<Expr> operands;
    std::vector<ir::NamedAttr> attrs;
    if (made_by == nullptr) {
      operands.push_back(builder_.expr(next_[value]));
      attrs = aligned(slice, old_.type(slice.operands[0]).shape, old_.type(value).shape);
      if (attrs.empty()) return operands[0];
    } else {
      for (const ValueId operand : made_by->operands) operands.push_back(part_of(operand, slice));
      for (std::size_t a = 0; a < made_by->attrs.size(); ++a)
        attrs.push_back({std::string(made_by->def->attrs[a].name), made_by->attrs[a]});
    }
    builder_.location = origin.location.merged(slice.location);
    builder_.role = origin.role;
    auto made = builder_.try_op(*origin.def, operands, std::move(attrs));
    NNC_CHECK_OP(std::holds_alternative<std::vector<Expr>>(made), origin, "has no part: {}",
                 std::get<std::string>(made));
    return std::get<std::vector<Expr>>(made)[0];
  }

  const Block& old_;
  const Sunk& sunk_;
  Rebuild next_;
  ir::Builder builder_;
};

void sink_block(Block& block) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) sink_block(region);
  const Sunk sunk(block);
  if (!sunk.any()) return;
  block = Sinking(block, sunk).run();
  remove_dead_ops(block);
}

}  // namespace

ir::Status sink(ir::Module& module, PassContext&) {
  for_each_body(module, sink_block);
  return ir::Status::ok;
}

}  // namespace nnc::passes
