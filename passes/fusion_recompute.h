// Values that are cheaper to compute again than to keep: a kernel that reads one computes it itself.
//
//   %d = sub %h, %mean                     %d = sub %h, %mean
//   ... forward ...                   ->   ... forward ...
//   %5 = mul %dy, %d                       %d' = sub %h, %mean
//                                          %5 = mul %dy, %d'
//
// With %5 in another kernel than %d, the first kernel does not write %d any more, and the other reads %h in its place:
// for layer norms that leaves the mean and the deviation of each row to keep, for dropout nothing.
#pragma once

#include "passes/fusion_block.h"
#include "passes/fusion_grow.h"

#include <set>
#include <vector>

namespace nnc::passes {

/// Results of groups that all groups that read them had better compute themselves. What a group is to compute again is
/// computed again nowhere else: that is for the next time, when it is one of its ops.
std::set<ir::ValueId> choose_recomputed(const FusionBlock& block, const std::vector<GrownGroup>& groups);

/// A block with copies of ops, and its groups.
struct Recomputed {
  ir::Block block;
  std::vector<std::vector<int>> groups;       // each with its copies
  std::vector<std::set<ir::ValueId>> copied;  // by group: the values of the old block that it computes again
};

/// The block with copies of the ops that make `values`, one for each group that reads them.
Recomputed recompute(const FusionBlock& block, const std::vector<GrownGroup>& groups,
                     const std::set<ir::ValueId>& values);

/// Bytes that the groups read and write.
std::int64_t kernel_traffic(const ir::Block& block, const std::vector<GrownGroup>& groups);

}  // namespace nnc::passes
