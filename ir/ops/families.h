// The op records, a list for each file of this folder. A new op is a new entry in one of these lists.
#pragma once

#include "ir/op.h"

#include <span>

namespace nnc::ir {

std::span<const OpDef> arithmetic_ops();  // + - * / and the like, elementwise
std::span<const OpDef> math_ops();        // exp, tanh and the like, elementwise
std::span<const OpDef> logic_ops();       // comparison, logic, choice, casts, elementwise
std::span<const OpDef> reduction_ops();   // sum, max and the like
std::span<const OpDef> movement_ops();    // reshape, permute, slice and the like
std::span<const OpDef> gather_ops();      // reads and sums at positions that another tensor names
std::span<const OpDef> order_ops();       // sort, top_k
std::span<const OpDef> cumulative_ops();  // sums of all elements before
std::span<const OpDef> linear_algebra_ops();
std::span<const OpDef> contraction_ops();  // matrix product
std::span<const OpDef> packed_ops();       // a weight in tiles, and its products
std::span<const OpDef> convolution_ops();  // convolution and its gradients
std::span<const OpDef> pooling_ops();      // maximum and mean of windows, and their gradients
std::span<const OpDef> control_ops();      // ops that own regions
std::span<const OpDef> fused_ops();        // loop nests over bodies of other ops
std::span<const OpDef> source_ops();       // constants, slots, random numbers

}  // namespace nnc::ir
