#include "passes/rows.h"

#include "ir/op.h"

#include <algorithm>

namespace nnc::passes {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::Shape;
using ir::ValueId;

namespace {

/// Whether a slice takes the elements of a row from the last one on.
bool turns_rows(const Block& block, const Op& slice) {
  const auto& step = ir::view(block, slice).integers("step");
  return !step.empty() && step.back() < 0;
}

/// Whether the op leaves the last dimension what it is.
bool moves_rows(const Block& block, const Op& op) {
  if (is(op, "permute")) return order_of(block, op).back() == std::ssize(order_of(block, op)) - 1;
  if (!is(op, "reshape") && !is(op, "slice")) return false;
  const Shape &from = block.type(op.operands[0]).shape, &to = block.type(op.results[0]).shape;
  return !from.empty() && !to.empty() && from.back() == to.back() && !(is(op, "slice") && turns_rows(block, op));
}

/// What a slice that leaves rows whole takes of a column.
Expr slice_of_column(ir::Builder& builder, const Block& block, const Op& slice, Expr column) {
  const ir::OpView view = ir::view(block, slice);
  std::vector<std::int64_t> stop = view.integers("stop");
  stop.back() = 1;
  return builder.op("slice", {column},
                    {{"start", view.integers("start")}, {"stop", stop}, {"step", view.integers("step")}});
}

}  // namespace

Rows rows_of(const Block& block, ValueId value, const std::function<bool(ValueId)>& stops) {
  Rows rows{value, {}, {}};
  for (const Op* op = block.definer(value); op != nullptr && moves_rows(block, *op) && !(stops && stops(rows.source));
       op = block.definer(rows.source)) {
    rows.moves.push_back(op);
    rows.source = op->operands[0];
    rows.passed.push_back(rows.source);
  }
  std::ranges::reverse(rows.moves);
  return rows;
}

Expr moved(ir::Builder& builder, const Block& block, const Rows& rows, Expr index) {
  const auto shape = [&](ValueId value) { return with_one_column(block.type(value).shape); };
  if (std::ranges::all_of(rows.moves, [](const Op* move) { return is(*move, "reshape"); })) return index;
  index = builder.reshape(index, shape(rows.source));
  for (const Op* move : rows.moves) {
    if (is(*move, "permute"))
      index = builder.permute(index, order_of(block, *move));
    else if (is(*move, "reshape"))
      index = builder.reshape(index, shape(move->results[0]));
    else
      index = slice_of_column(builder, block, *move, index);
  }
  return index;
}

bool is(const Op& op, std::string_view name) { return *op.def->name == name; }

std::vector<std::int64_t> order_of(const Block& block, const Op& permute) {
  return ir::view(block, permute).integers("order");
}

Shape with_one_column(Shape shape) {
  shape.back() = 1;
  return shape;
}

}  // namespace nnc::passes
