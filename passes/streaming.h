// Which writes of a fused op pass the caches by: those into results that the caches would not hold until they are
// read. A result that may take the place of an operand is not one of them, as its cache lines are read anyway.
#pragma once

#include "ir/graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace nnc::passes {

/// Numbers of writes, ascending. `block` is that of the op, `bound` what its results are, none in a region;
/// `cache_bytes` is what the caches hold.
std::vector<int> streamed_writes(const ir::Block& block, std::span<const ir::GraphResult> bound, const ir::Op& op,
                                 std::int64_t cache_bytes);

}  // namespace nnc::passes
