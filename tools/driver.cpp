#include "tools/driver.h"

#include "ir/op.h"
#include "ir/ops/scan.h"
#include "ir/program_cost.h"
#include "ir/text.h"

#include <algorithm>

namespace nnc::tools {

std::optional<frontend::Model> load_model(const std::string& path, const frontend::Options& options,
                                          ir::Diagnostics& diagnostics) {
  const std::optional<TextFile> file = read_text(path, diagnostics);
  if (!file) return std::nullopt;
  if (is_module_text(file->text)) {
    diagnostics.error({file->name, 1, 1}, "this is a printed module, expected .nn source (nnc-opt reads modules)");
    return std::nullopt;
  }
  return frontend::load(file->name, file->text, options, diagnostics);
}

std::optional<ir::Module> compile(const frontend::Model& model, const frontend::BatchSizes& sizes, passes::Stage stage,
                                  const passes::RunOptions& options, ir::Diagnostics& diagnostics) {
  std::optional<ir::Module> module = model.elaborate(sizes, diagnostics);
  if (!module) return std::nullopt;
  if (passes::run_passes(*module, passes::pipeline_to(stage), options, diagnostics) == ir::Status::failed) {
    return std::nullopt;
  }
  return module;
}

frontend::BatchSizes sizes_without_data(const ir::Recipe& recipe) { return {{recipe.batch}, {recipe.batch}}; }

const ir::Graph* full_train_graph(const ir::Module& module) {
  const ir::Graph* largest = nullptr;
  for (const ir::Graph& graph : module.graphs) {
    if (graph.name == ir::train_graph && (largest == nullptr || graph.batch > largest->batch)) largest = &graph;
  }
  return largest;
}

namespace {

/// Those of a loop in each step.
std::int64_t flops_of(const ir::Block& block) {
  std::int64_t sum = 0;
  for (const ir::Op& op : block.ops()) {
    const ir::OpView view = ir::view(block, op);
    sum += ir::is_scan(op) ? ir::ScanParts(view).length * flops_of(op.regions[0]) : ir::flops(view);
  }
  return sum;
}

}  // namespace

std::int64_t flops_of(const ir::Graph& graph) { return flops_of(graph.body); }

std::optional<std::int64_t> flops_per_step(const ir::Module& module) {
  if (const ir::Graph* graph = full_train_graph(module)) return flops_of(*graph);
  const ir::Program* largest = nullptr;
  for (const ir::Program& program : module.programs) {
    if (program.name == ir::train_graph && (largest == nullptr || program.batch > largest->batch)) largest = &program;
  }
  return largest == nullptr ? std::nullopt : std::optional(ir::cost_of(module, *largest).flops);
}

std::int64_t parameter_count(const ir::Module& module) {
  std::int64_t sum = 0;
  for (const ir::Slot& slot : module.slots) {
    if (slot.kind == ir::SlotKind::parameter) sum += slot.type.elements();
  }
  return sum;
}

}  // namespace nnc::tools
