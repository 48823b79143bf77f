// The ops that read state slots.
#pragma once

#include "ir/graph.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::passes {

/// The values of the block that are the old value of a slot, by its path.
std::map<std::string, std::vector<ir::ValueId>> slot_reads(const ir::Block& block);
/// Those of one slot.
std::vector<ir::ValueId> reads_of(const ir::Block& block, std::string_view path);

}  // namespace nnc::passes
