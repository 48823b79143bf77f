// Rows that are moved about as a whole, by ops that leave the last dimension what it is: what is done to the rows of
// a table that are looked up can be done to their positions instead.
//
//   %1 = gather %table, %index : f32[64,16]                    %1 = reshape %index : i32[8,8,1]
//   %2 = reshape %1 : f32[8,8,16]                         ~    %2 = permute %1 {order = [1, 0, 2]} : i32[8,8,1]
//   %3 = permute %2 {order = [1, 0, 2]} : f32[8,8,16]          %3 = gather of the rows at %2
#pragma once

#include "ir/builder.h"
#include "ir/graph.h"

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace nnc::passes {

/// Rows of a value of a block.
struct Rows {
  ir::ValueId source;                // whose rows they are
  std::vector<const ir::Op*> moves;  // reshapes, permutations and slices that lead here, the first one first
  std::vector<ir::ValueId> passed;   // what they take: the source, and what is between
};

/// As far back as they are moved as a whole, or to a value for which `stops`.
Rows rows_of(const ir::Block& block, ir::ValueId value, const std::function<bool(ir::ValueId)>& stops = {});

/// One position a row of the source, moved as the rows are; the block that is appended to is another one than theirs.
/// Reshapes alone leave the order, and the index, what they are.
ir::Expr moved(ir::Builder& builder, const ir::Block& block, const Rows& rows, ir::Expr index);

/// Whether an op is the one of that name.
bool is(const ir::Op& op, std::string_view name);
/// Of a permutation.
std::vector<std::int64_t> order_of(const ir::Block& block, const ir::Op& permute);
/// A shape with 1 for its last dimension.
ir::Shape with_one_column(ir::Shape shape);

}  // namespace nnc::passes
