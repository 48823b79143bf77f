// A module's graphs as a picture for graphviz: `nnc mlp.nn --emit=dot | dot -Tsvg > mlp.svg`. Colours tell roles.
#pragma once

#include "ir/module.h"

#include <string>

namespace nnc::tools {

std::string dot(const ir::Module& module);

}  // namespace nnc::tools
