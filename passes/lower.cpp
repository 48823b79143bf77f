#include "passes/lower.h"

#include "ir/check.h"
#include "passes/fuse.h"
#include "passes/lower_border.h"
#include "passes/lower_emit.h"
#include "passes/lower_loops.h"
#include "passes/lower_results.h"
#include "passes/schedule.h"

#include <utility>

namespace nnc::passes {

// 1. Make fused ops of what is left of single ops, and report what is not compiled yet.
// 2. Give the fused ops schedules that have none, and settle the results, which may need copies; they get schedules too.
// 3. Write the program of each graph, with kernels that all of them share.
ir::Status lower(ir::Module& module, PassContext& context) {
  NNC_CHECK(context.target != nullptr, "programs are for a target, and there is none");
  if (module.graphs.empty()) return ir::Status::ok;
  ir::Status compiled = ir::Status::ok;
  for (ir::Graph& graph : module.graphs) wrap_ops(graph.body);
  for (const ir::Graph& graph : module.graphs)
    if (check_compiled(graph.body, context.diagnostics) == ir::Status::failed) compiled = ir::Status::failed;
  if (compiled == ir::Status::failed) return compiled;

  if (schedule(module, context) == ir::Status::failed) return ir::Status::failed;
  for (ir::Graph& graph : module.graphs) {
    settle_loops(graph.body);
    settle_results(graph);
  }
  if (schedule(module, context) == ir::Status::failed) return ir::Status::failed;

  KernelTable kernels;
  for (const ir::Graph& graph : std::exchange(module.graphs, {}))
    module.programs.push_back(emit_program(graph, kernels));
  module.rules.clear();
  module.updates.clear();
  module.kernels = kernels.take(module.programs);
  module.target = context.target->name();
  for (ir::Program& program : module.programs) set_resources(module, program, *context.target);
  return ir::Status::ok;
}

}  // namespace nnc::passes
