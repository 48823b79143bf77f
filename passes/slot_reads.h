// The ops that read state slots.
#pragma once

#include "ir/graph.h"

#include <string>
#include <string_view>
#include <vector>

namespace nnc::passes {

/// The path of the slot that the op reads, or null if it reads none.
const std::string* slot_read_by(const ir::Op& op);
/// All values of the block that are the old value of a slot.
std::vector<ir::ValueId> reads_of(const ir::Block& block, std::string_view path);

}  // namespace nnc::passes
