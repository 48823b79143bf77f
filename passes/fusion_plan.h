// From a group of ops to the fused op that computes them.
#pragma once

#include "passes/fusion_block.h"

#include <string>
#include <variant>
#include <vector>

namespace nnc::passes {

struct FusionPlan {
  ir::Shape domain;
  std::vector<ir::ValueId> operands;  // of the block
  std::vector<ir::Access> reads;
  std::vector<ir::ValueId> results;  // of the block: what the fused op's results stand for
  std::vector<ir::Access> writes;
  std::vector<std::int64_t> into;  // the result of each write, if a result has several
  ir::Block body;
};

/// The fused op for these ops (positions in the block, ascending), or why they are not one.
std::variant<FusionPlan, std::string> plan_fusion(const FusionBlock& block, const std::vector<int>& ops);

}  // namespace nnc::passes
