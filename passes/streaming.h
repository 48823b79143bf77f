// Which results of a fused op pass the caches by as they are stored: those that the caches would not hold until they are
// read. A result that may take the place of an operand is not one of them, as its cache lines are read anyway.
#pragma once

#include "ir/graph.h"

#include <cstdint>
#include <vector>

namespace nnc::passes {

/// Numbers of results, ascending. `graph` is that of the op; `cache_bytes` what its caches hold.
std::vector<int> streamed_results(const ir::Graph& graph, const ir::Op& op, std::int64_t cache_bytes);

}  // namespace nnc::passes
