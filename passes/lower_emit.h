// The program of a graph whose results are settled (lower_results.h).
#pragma once

#include "ir/module.h"
#include "ir/target.h"
#include "passes/lower_kernels.h"

namespace nnc::passes {

/// Buffers lie one after the other in the transient region.
ir::Program emit_program(const ir::Graph& graph, KernelTable& kernels);

/// Gives each instruction its threads and scratch; the program needs the most of it.
void set_resources(const ir::Module& module, ir::Program& program, const ir::Target& target);

}  // namespace nnc::passes
