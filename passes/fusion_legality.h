// What may be one kernel, and what should be (ir/fused.h has the rules that every fused op keeps).
//
// The dimensions removed by a reduction whose result the kernel uses again are its inner ones, the others its parallel
// ones: a row of inner positions belongs to each parallel position.
#pragma once

#include "passes/fusion_dimensions.h"

#include <string>
#include <vector>

namespace nnc::passes {

/// Ops of a kernel. What is between two that are so long takes little beside them, and to plan longer ones takes as much
/// again for each op.
inline constexpr std::size_t max_kernel_ops = 256;

/// Why the group is no kernel, or nothing. `order`: its atoms in the order of memory.
std::string refuse_fusion(const FusionBlock& block, const FusionGroup& group, const std::vector<int>& order);

}  // namespace nnc::passes
