// How scatter_add and add_rows compute; gather.cpp has their records. x is [outer, n, inner], the result
// [outer, size, inner].
#pragma once

#include "ir/op.h"

#include <cstdint>

namespace nnc::ir {

/// `size`: the positions among which the op chooses.
std::int64_t scatter_positions(const OpView& op);
std::int64_t scatter_parts(const OpView& op);
/// Where the rows of each row of the result begin in the order, then the order; none where an index does not name rows.
std::int64_t scatter_scratch(const OpView& op);
/// Orders x's rows by index, those of one index as they stand.
void order_rows(const Routine::Args& args);
void run_scatter(const Routine::Args& args, std::int64_t begin, std::int64_t end);
/// The same, added to the base.
void run_add_rows(const Routine::Args& args, std::int64_t begin, std::int64_t end);

}  // namespace nnc::ir
