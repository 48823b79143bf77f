// Runs a program byte by byte as its plan says, each instruction by the reference evaluation of its op: slow, and with
// nothing between the plan and the memory.
#pragma once

#include "ir/module.h"
#include "ir/tensor.h"

#include <map>
#include <string>
#include <vector>

namespace nnc::tests {

using Slots = std::map<std::string, ir::Tensor>;

/// The named results; slots get their new values. Memory that nothing has written holds NaNs.
std::map<std::string, ir::Tensor> run_program(const ir::Module& module, const ir::Program& program,
                                              const std::vector<ir::Tensor>& params, Slots& slots);

/// The same for a graph.
std::map<std::string, ir::Tensor> run_graph(const ir::Graph& graph, const std::vector<ir::Tensor>& params,
                                            Slots& slots);

}  // namespace nnc::tests
