// The user's lines, to which tables put what the compiler made of them.
#pragma once

#include "ir/location.h"
#include "ir/module.h"

#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::tools {

/// A line of the user's: a file and a number from 1.
using Line = std::pair<std::string, int>;

/// Of a call chain the place in the user's file that is nearest to the op.
ir::SourcePoint user_point(const ir::CallChain& chain);
/// The lines that an op comes from, one of each call chain.
std::set<Line> lines_of(const ir::Location& location);

/// The names of a kernel's ops, each once, in the order given; behind so many, "..."; "copy" if there are none.
std::string named(const std::vector<std::string_view>& ops, std::size_t most);

/// A line of a text, counted from 1, without the white space in front; empty if there is none.
std::string line_of(const std::string& text, int line);

/// The parts of a step; clipping belongs to the second.
inline constexpr std::array<std::string_view, 3> part_names{"forward", "backward", "update"};
std::size_t part_of(ir::Role::Kind kind);

}  // namespace nnc::tools
