#include "passes/sink.h"

#include "ir/builder.h"
#include "ir/check.h"
#include "ir/op.h"
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

/// Elementwise ops of a block of whose results only parts are read, with the slices that take these.
class Sunk {
 public:
  explicit Sunk(const Block& block) : block_(block), slices_(block.ops().size()) {
    std::vector<std::vector<std::size_t>> users(static_cast<std::size_t>(block.value_count()));
    std::vector<bool> returned(users.size(), false);
    for (std::size_t i = 0; i < block.ops().size(); ++i)
      for (const ValueId operand : block.ops()[i].operands) users[at(operand)].push_back(i);
    for (const ValueId result : block.results) returned[at(result)] = true;
    // Users come later: from the last op back, theirs is known.
    for (std::size_t i = slices_.size(); i-- > 0;) {
      const Op& op = block.ops()[i];
      if (op.def->as<ir::Elementwise>() == nullptr || op.operands.empty() || op.results.size() != 1) continue;
      if (returned[at(op.results[0])] || ir::uses_coordinates(ir::view(block, op))) continue;
      slices_[i] = slices_of(op.results[0], users[at(op.results[0])]);
      any_ = any_ || !slices_[i].empty();
    }
  }

  bool any() const { return any_; }
  /// The slices of the result of the op at a position; none where all of it is made.
  const std::vector<const Op*>& slices(std::size_t op) const { return slices_[op]; }

 private:
  static std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

  /// Those that read the value, if they are no more than it together; or those of the one op that reads it, in its shape.
  std::vector<const Op*> slices_of(ValueId value, const std::vector<std::size_t>& users) const {
    const ir::Type& type = block_.type(value);
    if (users.size() == 1 && !slices_[users[0]].empty()) {
      const bool same = block_.type(block_.ops()[users[0]].results[0]).shape == type.shape;
      return same ? slices_[users[0]] : std::vector<const Op*>{};
    }
    std::int64_t elements = 0;
    std::vector<const Op*> slices;
    for (const std::size_t user : users) {
      const Op& op = block_.ops()[user];
      if (!is_slice(op)) return {};
      elements += block_.type(op.results[0]).elements();
      slices.push_back(&op);
    }
    return elements <= type.elements() ? slices : std::vector<const Op*>{};
  }

  const Block& block_;
  std::vector<std::vector<const Op*>> slices_;  // by op
  bool any_ = false;
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

/// Writes a block anew with parts of what is sunk: each part where the whole was made.
class Sinking {
 public:
  Sinking(const Block& old, const Sunk& sunk) : old_(old), sunk_(sunk), next_(old), builder_(next_.block()) {}

  Block run() {
    for (std::size_t i = 0; i < old_.ops().size(); ++i) {
      const Op& op = old_.ops()[i];
      const auto part = is_slice(op) ? parts_.find({op.operands[0], &op}) : parts_.end();
      for (const Op* slice : sunk_.slices(i)) parts_[{op.results[0], slice}] = make_part(op, *slice);
      if (part != parts_.end()) {
        next_.replace(op.results[0], part->second);
      } else if (sunk_.slices(i).empty()) {
        next_.copy(op);
      }
    }
    return next_.finish();
  }

 private:
  ValueId make_part(const Op& op, const Op& slice) {
    std::vector<Expr> operands;
    for (const ValueId operand : op.operands) operands.push_back(part_of(operand, slice));
    std::vector<ir::NamedAttr> attrs;
    for (std::size_t a = 0; a < op.attrs.size(); ++a)
      attrs.push_back({std::string(op.def->attrs[a].name), op.attrs[a]});
    return append(op, op.location.merged(slice.location), operands, std::move(attrs));
  }

  /// The part of a value that a slice takes, or would take if the value were broadcast before.
  Expr part_of(ValueId value, const Op& slice) {
    if (const auto part = parts_.find({value, &slice}); part != parts_.end()) return builder_.expr(part->second);
    const Expr whole = builder_.expr(next_[value]);
    std::vector<ir::NamedAttr> attrs = aligned(slice, old_.type(slice.operands[0]).shape, old_.type(value).shape);
    if (attrs.empty()) return whole;
    return builder_.expr(append(slice, slice.location, {whole}, std::move(attrs)));
  }

  ValueId append(const Op& like, const ir::Location& location, const std::vector<Expr>& operands,
                 std::vector<ir::NamedAttr> attrs) {
    builder_.location = location;
    builder_.role = like.role;
    auto made = builder_.try_op(*like.def, operands, std::move(attrs));
    NNC_CHECK_OP(std::holds_alternative<std::vector<Expr>>(made), like, "has no part: {}", std::get<std::string>(made));
    return std::get<std::vector<Expr>>(made)[0].value;
  }

  const Block& old_;
  const Sunk& sunk_;
  Rebuild next_;
  ir::Builder builder_;
  std::map<std::pair<ValueId, const Op*>, ValueId> parts_;  // of a value, for a slice
};

void sink_block(Block& block) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) sink_block(region);
  const Sunk sunk(block);
  if (!sunk.any()) return;
  block = Sinking(block, sunk).run();
}

}  // namespace

ir::Status sink(ir::Module& module, PassContext&) {
  for_each_body(module, sink_block);
  return ir::Status::ok;
}

}  // namespace nnc::passes
