// Constant folding: an op of constants becomes the constant that it computes.
//
//   %0 = constant {value = 2.0} : f32[]
//   %1 = exp %0 : f32[]                     ->      %0 = constant {value = 7.389056} : f32[]
//   return loss = %1                                return loss = %0
//
// A result that is larger than its operands and than `fold_limit` elements is left to the machine: a broadcast constant
// would only cost memory. So is what would keep the compiler busy, ops with regions and those of more than
// `fold_flops_limit` floating-point operations; and bf16, which has no arithmetic on the host.
#pragma once

#include "passes/pass.h"

#include <cstdint>

namespace nnc::passes {

inline constexpr std::int64_t fold_limit = 1024;
inline constexpr std::int64_t fold_flops_limit = std::int64_t{1} << 24;

ir::Status fold_constants(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
