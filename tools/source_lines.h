// The user's lines, to which tables put what the compiler made of them.
#pragma once

#include "ir/location.h"
#include "ir/module.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace nnc::tools {

/// Of a call chain the place in the user's file that is nearest to the op.
ir::SourcePoint user_point(const ir::CallChain& chain);

/// A line of a text, counted from 1, without the white space in front; empty if there is none.
std::string line_of(const std::string& text, int line);

/// The parts of a step; clipping belongs to the second.
inline constexpr std::array<std::string_view, 3> part_names{"forward", "backward", "update"};
std::size_t part_of(ir::Role::Kind kind);

}  // namespace nnc::tools
