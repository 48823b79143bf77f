#include "passes/streaming.h"

#include "ir/fused.h"
#include "ir/op.h"

#include <algorithm>

namespace nnc::passes {
namespace {

using ir::ValueId;

/// Whether anything but `op` has the value as an operand or returns it.
bool is_used_elsewhere(const ir::Graph& graph, const ir::Op& op, ValueId value) {
  const auto has = [&](const std::vector<ValueId>& values) { return std::ranges::find(values, value) != values.end(); };
  return has(graph.body.results) ||
         std::ranges::any_of(graph.body.ops(), [&](const ir::Op& user) { return &user != &op && has(user.operands); });
}

/// Whether the new value of a slot is written where its old one is, or a value where one is that nothing needs any more.
bool takes_place(const ir::Graph& graph, const ir::Op& op, ValueId result, ValueId operand) {
  if (graph.body.type(result).dtype != graph.body.type(operand).dtype) return false;
  const ir::Op* definer = graph.body.definer(operand);
  if (definer == nullptr) return false;
  if (const std::string* slot = ir::slot_of(*definer))
    return graph.result(ir::GraphResult::Kind::slot, *slot) == result;
  return !is_used_elsewhere(graph, op, operand);
}

}  // namespace

std::vector<int> streamed_results(const ir::Graph& graph, const ir::Op& op, std::int64_t cache_bytes) {
  const ir::FusedView fused(op);
  std::vector<int> streamed;
  for (std::size_t r = 0; r < op.results.size(); ++r) {
    if (graph.body.type(op.results[r]).bytes() < cache_bytes) continue;
    bool in_place = false;
    for (std::size_t p = 0; p < op.operands.size(); ++p)
      in_place =
          in_place || (fused.reads[p] == fused.writes[r] && takes_place(graph, op, op.results[r], op.operands[p]));
    if (!in_place) streamed.push_back(static_cast<int>(r));
  }
  return streamed;
}

}  // namespace nnc::passes
