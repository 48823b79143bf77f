// Which ops of a block go into one kernel: groups that grow as long as memory traffic is saved.
//
//   x -> exp -> sum -> log               each op by itself writes and reads x-sized tensors between them
//   {x -> exp -> sum} -> {log}           merged first: exp's result is neither written nor read again
#pragma once

#include "passes/fusion_block.h"
#include "passes/fusion_plan.h"

#include <string>
#include <vector>

namespace nnc::passes {

struct GrownGroup {
  std::vector<int> ops;  // positions in the block, ascending
  FusionPlan plan;
};

/// Two groups that share a value and stay two.
struct FusionRefusal {
  int first, second;  // an op of each
  std::string reason;
};

struct GrownGroups {
  std::vector<GrownGroup> groups;  // by their first op
  std::vector<FusionRefusal> refusals;
};

GrownGroups grow_groups(const FusionBlock& block);
/// The same from groups that are there already.
GrownGroups grow_groups(const FusionBlock& block, std::vector<GrownGroup> seeds);

}  // namespace nnc::passes
