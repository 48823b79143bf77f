// Questions about blocks that several stages ask.
#pragma once

#include "ir/module.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nnc::ir {

/// For each value of the block, whether it depends on one of `roots`.
std::vector<bool> depends_on(const Block& block, const std::vector<ValueId>& roots);
/// For each value of the block, whether `values` depend on it.
std::vector<bool> needed_for(const Block& block, const std::vector<ValueId>& values);

/// How many values each data field may take, by field name: read off the index operands that the field reaches through
/// ops that keep values (`OpDef::value_operands`). Fields that index nothing are absent.
std::map<std::string, std::int64_t> index_ranges(const Module& module);

}  // namespace nnc::ir
