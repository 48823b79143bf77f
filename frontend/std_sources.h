// The standard library's `.nn` files, compiled into the binary.
#pragma once

#include <string_view>
#include <vector>

namespace nnc::frontend {

struct StdSource {
  std::string_view file;  // "std/layers.nn", the name that locations show
  std::string_view text;
};

/// All files of frontend/std, sorted by name.
const std::vector<StdSource>& std_sources();

}  // namespace nnc::frontend
