// What a rule sees of its op in a loop when the op may leave it: once for all steps instead of once a step.
#pragma once

#include "ir/builder.h"

#include <cstdint>
#include <vector>

namespace nnc::ir {

struct StepsCtx {
  Builder& builder;  // of the block around the loop
  OpView op;         // as it is in a step
  std::int64_t steps;
  std::vector<Expr> operands;  // around the loop: those that are `stacked` have the steps as a new first dimension
  std::vector<bool> stacked;
};

}  // namespace nnc::ir
