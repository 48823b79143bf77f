// The ops that read state slots.
#pragma once

#include "ir/graph.h"

#include <map>
#include <string>
#include <vector>

namespace nnc::passes {

/// The values of the block that are the old value of a slot, by its path.
std::map<std::string, std::vector<ir::ValueId>> slot_reads(const ir::Block& block);

}  // namespace nnc::passes
