// What an op computes, on the host: constant folding and the reference interpreter call this. Slow and obvious on
// purpose; floating sums are accumulated in f64 and rounded once, so that the result is a reference for any order.
#pragma once

#include "ir/graph.h"
#include "ir/op.h"
#include "ir/tensor.h"

#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace nnc::ir {

/// The results of one op. `operands` has one tensor an operand, of the op's types.
std::vector<Tensor> evaluate(const OpView& op, std::span<const Tensor* const> operands);

/// Reads a slot's old value.
using SlotReader = std::function<const Tensor&(std::string_view path)>;
/// Runs a block op by op. Values are freed after their last use. Throws ValueFault (value_fault.h).
std::vector<Tensor> evaluate(const Block& block, std::vector<Tensor> params, const SlotReader& slots);

}  // namespace nnc::ir
