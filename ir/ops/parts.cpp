#include "ir/ops/parts.h"

#include "ir/op.h"

#include <algorithm>
#include <vector>

namespace nnc::ir {

namespace {

/// What is padded with zeros along one dimension.
struct Padded {
  ValueId x;
  std::size_t axis;
  std::int64_t low, high;  // zeros before and behind
};

std::optional<Padded> padded_along_one(const Block& block, const Op& pad) {
  const OpView op = view(block, pad);
  if (op.get<double>("value") != 0) return std::nullopt;
  std::optional<Padded> found;
  for (std::size_t d = 0; d < op.operands[0].shape.size(); ++d) {
    const std::int64_t low = op.integers("low")[d], high = op.integers("high")[d];
    if (low == 0 && high == 0) continue;
    if (found) return std::nullopt;
    found = {pad.operands[0], d, low, high};
  }
  return found;
}

/// The terms of a sum that is made of pads alone, of no more than a few.
std::optional<std::vector<Padded>> padded_terms(const Block& block, const Op& add) {
  const Type& type = block.type(add.results[0]);
  std::vector<Padded> terms;
  std::vector<ValueId> rest = add.operands;
  while (!rest.empty()) {
    const Op* const definer = block.definer(rest.back());
    if (definer == nullptr || block.type(rest.back()) != type || terms.size() + rest.size() > most_joined) return {};
    rest.pop_back();
    if (definer->def == add.def) {
      rest.insert(rest.end(), definer->operands.begin(), definer->operands.end());
    } else if (*definer->def->name == "pad") {
      const std::optional<Padded> padded = padded_along_one(block, *definer);
      if (!padded) return {};
      terms.push_back(*padded);
    } else {
      return {};
    }
  }
  return terms;
}

}  // namespace

std::optional<ValueId> join_padded_terms(SimplifyCtx& c) {
  Builder& b = c.builder();
  std::optional<std::vector<Padded>> terms = padded_terms(b.block(), c.op());
  if (!terms) return {};
  std::ranges::sort(*terms, {}, &Padded::low);
  const std::size_t axis = terms->front().axis;
  const std::int64_t extent = c.view().results[0].shape[axis];
  std::int64_t reached = 0;
  std::vector<Expr> parts;
  for (const Padded& term : *terms) {
    if (term.axis != axis || term.low != reached) return {};
    reached = extent - term.high;
    parts.push_back(b.expr(term.x));
  }
  if (reached != extent) return {};
  return b.op("concat", parts, {{"axis", static_cast<std::int64_t>(axis)}}).value;
}

}  // namespace nnc::ir
