// Reverse-mode differentiation: appends the backward graph of `loss` to each `train` graph.
//
//   graph @train@4(%x: f32[4]) {                       graph @train@4(%x: f32[4]) {
//     %w = slot @w : f32[4]                              %w = slot @w : f32[4]
//     %0 = mul %w, %x : f32[4]                           %0 = mul %w, %x : f32[4]
//     %1 = sum %0 : f32[]                       ->       %1 = sum %0 : f32[]
//     return loss = %1                                   %2 = constant {value = 1.0} : f32[]    grad
//   }                                                    %3 = broadcast %2 : f32[4]             grad @w
//                                                        %4 = mul %3, %x : f32[4]               grad @w
//                                                        return loss = %1, grad @w = %4
//                                                      }
//
// Afterwards nothing is differentiated any more: ops that mean something to autodiff alone give way to their operands.
//
// What an op's gradient is stands in its record. Here is only what is the same for all: the walk, the sums where a
// value is used more than once, leaving out what no parameter needs, and the errors about parameters without a
// gradient.
#pragma once

#include "ir/builder.h"
#include "passes/pass.h"

#include <vector>

namespace nnc::passes {

/// Appends to the builder's block the gradients of `loss`, a floating scalar of that block, with respect to `wrt`. A
/// value that no gradient reaches has an invalid one.
std::vector<ir::ValueId> differentiate(ir::Builder& builder, ir::ValueId loss, const std::vector<ir::ValueId>& wrt);

/// The same from several values whose gradients are given: a part of a loss.
std::vector<ir::ValueId> differentiate(ir::Builder& builder, const std::vector<ir::ValueId>& values,
                                       const std::vector<ir::ValueId>& gradients, const std::vector<ir::ValueId>& wrt);

/// For each value of the block, whether a gradient can flow from it to one of `roots`: a floating value made from them
/// by ops that have a gradient rule.
std::vector<bool> differentiable_from(const ir::Block& block, const std::vector<ir::ValueId>& roots);

/// The same for the values of a loop's body, given what `differentiable_from` says of the block around the loop.
std::vector<bool> differentiable_within(const ir::Op& scan, const std::vector<bool>& active);

/// Differentiates with respect to the parameters in `Module::updates`, and adds a gradient result for each.
ir::Status autodiff(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
