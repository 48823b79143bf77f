#include "passes/streaming.h"

#include "ir/fused.h"
#include "ir/op.h"

#include <algorithm>

namespace nnc::passes {
namespace {

using ir::ValueId;

class Streaming {
 public:
  Streaming(const ir::Block& block, std::span<const ir::GraphResult> bound, const ir::Op& op)
      : block_(block), bound_(bound), op_(op) {}

  /// Whether the new value of a slot is written where its old one is, or a value where one is that nothing needs any more.
  bool takes_place(ValueId result, ValueId operand) const {
    const ir::Op* definer = block_.definer(operand);
    if (definer == nullptr) return false;
    if (const std::string* slot = ir::slot_of(*definer)) return is_new_value(result, *slot);
    return !is_used_elsewhere(operand);
  }

 private:
  bool is_new_value(ValueId result, const std::string& slot) const {
    for (std::size_t i = 0; i < bound_.size(); ++i)
      if (bound_[i].kind == ir::GraphResult::Kind::slot && bound_[i].name == slot) return block_.results[i] == result;
    return false;
  }

  /// Whether anything but the op has the value as an operand or returns it.
  bool is_used_elsewhere(ValueId value) const {
    const auto has = [&](const std::vector<ValueId>& values) {
      return std::ranges::find(values, value) != values.end();
    };
    return has(block_.results) ||
           std::ranges::any_of(block_.ops(), [&](const ir::Op& user) { return &user != &op_ && has(user.operands); });
  }

  const ir::Block& block_;
  std::span<const ir::GraphResult> bound_;
  const ir::Op& op_;
};

}  // namespace

std::vector<int> streamed_writes(const ir::Block& block, std::span<const ir::GraphResult> bound, const ir::Op& op,
                                 std::int64_t cache_bytes) {
  const ir::FusedView fused(op);
  const Streaming streaming(block, bound, op);
  std::vector<int> streamed;
  for (std::size_t w = 0; w < fused.writes.size(); ++w) {
    const ValueId result = op.results[fused.result_of(w)];
    if (block.type(result).bytes() < cache_bytes) continue;
    bool in_place = false;
    for (std::size_t p = 0; p < op.operands.size(); ++p)
      in_place = in_place || (ir::same_place(fused, p, w) && streaming.takes_place(result, op.operands[p]));
    if (!in_place) streamed.push_back(static_cast<int>(w));
  }
  return streamed;
}

}  // namespace nnc::passes
