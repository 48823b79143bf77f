// The ops that read state slots.
#pragma once

#include "ir/graph.h"

#include <string_view>
#include <vector>

namespace nnc::passes {

/// All values of the block that are the old value of a slot.
std::vector<ir::ValueId> reads_of(const ir::Block& block, std::string_view path);

}  // namespace nnc::passes
