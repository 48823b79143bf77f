// Constant folding: an op of constants becomes the constant that it computes.
//
//   %0 = constant {value = 2.0} : f32[]
//   %1 = exp %0 : f32[]                     ->      %0 = constant {value = 7.389056} : f32[]
//   return loss = %1                                return loss = %0
//
// A result that is larger than its operands and than `fold_limit` elements is left to the machine: a broadcast constant
// would only cost memory.
#pragma once

#include "passes/pass.h"

#include <cstdint>

namespace nnc::passes {

inline constexpr std::int64_t fold_limit = 1024;

ir::Status fold_constants(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
