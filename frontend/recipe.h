// What a file says about training apart from the graphs: hypers, data fields, settings; and what the command line says
// over it.
#pragma once

#include "frontend/context.h"
#include "frontend/frontend.h"

#include <map>
#include <string>

namespace nnc::frontend {

/// The hypers in the text's order, with `--set`.
std::map<std::string, Value> read_hypers(const Declarations& declarations, const Options& options,
                                         ir::Diagnostics& diagnostics);

/// Data fields, batch, epochs, stop, names of metrics.
ir::Recipe read_recipe(const Declarations& declarations, const std::map<std::string, Value>& hypers,
                       const Options& options, ir::Diagnostics& diagnostics);

/// The frame in which settings are evaluated: it sees hypers only.
Frame file_frame();

}  // namespace nnc::frontend
