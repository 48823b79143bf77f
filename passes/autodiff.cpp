#include "passes/autodiff.h"

#include "ir/analysis.h"
#include "ir/ops/scan.h"
#include "passes/dce.h"
#include "passes/rebuild.h"
#include "passes/slot_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace nnc::passes {

using ir::Block;
using ir::Builder;
using ir::Graph;
using ir::GraphResult;
using ir::Op;
using ir::Role;
using ir::SourcePoint;
using ir::ValueId;

namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// The gradient of each updated parameter, in the order of the updates; invalid where none reaches it. A parameter that
/// is read several times gets the sum.
std::vector<ValueId> parameter_gradients(Block& block, ValueId loss, const std::vector<ir::Update>& updates) {
  std::vector<ValueId> reads;
  std::vector<std::size_t> ends;
  std::map<std::string, std::vector<ValueId>> by_slot = slot_reads(block);
  for (const ir::Update& update : updates) {
    const std::vector<ValueId>& of_one = by_slot[update.parameter];
    reads.insert(reads.end(), of_one.begin(), of_one.end());
    ends.push_back(reads.size());
  }
  Builder builder(block);
  builder.role.kind = Role::Kind::gradient;
  const std::vector<ValueId> of_reads = differentiate(builder, loss, reads);

  std::vector<ValueId> gradients;
  std::size_t read = 0;
  for (const std::size_t end : ends) {
    ValueId sum;
    for (; read < end; ++read) {
      if (!of_reads[read].valid()) continue;
      builder.location = block.definer(reads[read])->location;
      sum = sum.valid() ? (builder.expr(sum) + builder.expr(of_reads[read])).value : of_reads[read];
    }
    gradients.push_back(sum);
  }
  return gradients;
}

/// Writes the parameter into the role of the gradient ops, from position `first` on, that serve one parameter only.
void name_owners(Block& block, std::size_t first, const std::vector<ValueId>& gradients,
                 const std::vector<ir::Update>& updates) {
  enum : int { nobody = -1, several = -2 };
  std::vector<int> owner(static_cast<std::size_t>(block.value_count()), nobody);
  const auto join = [](int a, int b) -> int {
    if (a == nobody || a == b) return b;
    return b == nobody ? a : several;
  };
  const auto claim = [&](ValueId value, int by) { owner[at(value)] = join(owner[at(value)], by); };
  for (std::size_t i = 0; i < gradients.size(); ++i) claim(gradients[i], static_cast<int>(i));
  for (std::size_t i = block.ops().size(); i-- > first;) {
    Op& op = block.ops()[i];
    int of_op = nobody;
    for (const ValueId result : op.results) of_op = join(of_op, owner[at(result)]);
    if (of_op == nobody) continue;
    op.role.slot = of_op == several ? "" : updates[static_cast<std::size_t>(of_op)].parameter;
    for (const ValueId operand : op.operands) claim(operand, of_op);
  }
}

/// The calls that lead to the parameter: where the graph reads it, else where another one reads or initializes it.
ir::CallChain place_of(const ir::Module& module, const Graph& graph, std::string_view path) {
  const auto chain_of = [](const Op* op) {
    return op == nullptr || op->location.empty() ? ir::CallChain{} : op->location.chains().front();
  };
  std::vector<const Graph*> graphs{&graph};
  for (const Graph& other : module.graphs) graphs.push_back(&other);
  for (const Graph* candidate : graphs) {
    const std::vector<ValueId> reads = slot_reads(candidate->body)[std::string(path)];
    for (const ValueId read : reads) {
      if (ir::CallChain chain = chain_of(candidate->body.definer(read)); !chain.empty()) return chain;
    }
  }
  for (const Graph* candidate : graphs) {
    const ValueId value = candidate->result(GraphResult::Kind::slot, path);
    if (!value.valid()) continue;
    if (ir::CallChain chain = chain_of(candidate->body.definer(value)); !chain.empty()) return chain;
  }
  return {};
}

/// Why no gradient goes from the results of an op to its operands; empty if one does.
std::string why_stopped(const Block& block, const Op& op) {
  if (op.def->grad->kind != ir::Gradient::Kind::rule)
    return fmt::format("`{}` stops it: {}", *op.def->name, op.def->grad->reason);
  const bool floats = std::any_of(op.results.begin(), op.results.end(),
                                  [&](ValueId result) { return is_float(block.type(result).dtype); });
  if (floats) return "";
  return fmt::format("`{}` stops it: its result is {}, and only floating values have gradients", *op.def->name,
                     to_string(block.type(op.results[0])));
}

/// Every op that stops the gradient on its way from values that are `needed` to those that are `active`.
std::vector<ir::Note> stops_between(const Block& block, const std::vector<bool>& active,
                                    const std::vector<bool>& needed) {
  std::vector<ir::Note> stops;
  for (const Op& op : block.ops()) {
    const bool on_the_way =
        std::any_of(op.operands.begin(), op.operands.end(), [&](ValueId operand) { return active[at(operand)]; }) &&
        std::any_of(op.results.begin(), op.results.end(), [&](ValueId result) { return needed[at(result)]; });
    if (!on_the_way) continue;
    if (ir::is_scan(op)) {
      const Block& body = op.regions[0];
      std::vector<ValueId> results;
      for (std::size_t i = 0; i < op.results.size(); ++i)
        if (i < ir::carry_count(op) || needed[at(op.results[i])]) results.push_back(body.results[i]);
      std::ranges::move(stops_between(body, differentiable_within(op, active), ir::needed_for(body, results)),
                        std::back_inserter(stops));
    } else if (std::string why = why_stopped(block, op); !why.empty()) {
      stops.push_back({op.location.point(), std::move(why)});
    }
  }
  return stops;
}

/// Reports a parameter without gradient, with what stops the gradient on its way from the loss.
void report_missing(const ir::Module& module, const Graph& graph, ValueId loss, std::string_view path,
                    ir::Diagnostics& diagnostics) {
  const Block& block = graph.body;
  const std::vector<ValueId> reads = slot_reads(block)[std::string(path)];
  ir::CallChain chain = place_of(module, graph, path);
  if (chain.empty()) chain.emplace_back();
  chain.resize(ir::innermost_in_first_file(chain) + 1);
  const std::string missing = fmt::format("parameter `{}` gets no gradient", path);
  const auto report = [&](const std::string& why, std::vector<ir::Note> notes = {}) {
    ir::Diagnostic& error = diagnostics.error(chain.back(), missing + why);
    for (ir::Note& note : notes) error.note(std::move(note.at), std::move(note.text));
    error.note_calls(chain, chain.size() - 1);
  };
  if (reads.empty()) {
    report(fmt::format(": {} does not read it", graph.full_name()));
  } else if (const ir::Type& type = block.type(reads[0]); !is_float(type.dtype)) {
    report(fmt::format(": it is {}, and only floating values have gradients", to_string(type)));
  } else {
    std::vector<ir::Note> stops =
        stops_between(block, differentiable_from(block, reads), ir::needed_for(block, {loss}));
    const std::string why =
        stops.empty() ? ": it does not reach the loss; `frozen = true` in a group of its own leaves it as it is" : "";
    report(why, std::move(stops));
  }
}

/// What a `train` graph has to have for a backward graph; reports what it lacks.
std::optional<ValueId> differentiable_loss(const Graph& graph, ir::Diagnostics& diagnostics) {
  const auto holds_gradient = [](const GraphResult& result) { return result.kind == GraphResult::Kind::gradient; };
  if (std::any_of(graph.results.begin(), graph.results.end(), holds_gradient)) {
    diagnostics.error(fmt::format("graph {} has gradients already", graph.full_name()));
    return {};
  }
  const ValueId loss = graph.result(GraphResult::Kind::value, ir::loss_result);
  if (!loss.valid()) {
    diagnostics.error(fmt::format("graph {} has no result `loss` to differentiate", graph.full_name()));
    return {};
  }
  const ir::Type& type = graph.body.type(loss);
  if (!is_float(type.dtype) || !type.shape.empty()) {
    const Op* op = graph.body.definer(loss);
    diagnostics.error(
        op == nullptr ? SourcePoint{} : op->location.point(),
        fmt::format("the loss of graph {} is {}; it has to be a floating scalar", graph.full_name(), to_string(type)));
    return {};
  }
  return loss;
}

/// Differentiates one graph. Parameters in `reported` had their error in a graph of another batch size.
void differentiate_graph(const ir::Module& module, Graph& graph, std::set<std::string>& reported,
                         ir::Diagnostics& diagnostics) {
  const std::optional<ValueId> loss = differentiable_loss(graph, diagnostics);
  if (!loss) return;
  const std::size_t forward_ops = graph.body.ops().size();
  const std::vector<ValueId> gradients = parameter_gradients(graph.body, *loss, module.updates);
  bool complete = true;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].valid()) continue;
    complete = false;
    const std::string& path = module.updates[i].parameter;
    if (reported.insert(path).second) report_missing(module, graph, *loss, path, diagnostics);
  }
  if (!complete) return;
  name_owners(graph.body, forward_ops, gradients, module.updates);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    graph.add_result(GraphResult::Kind::gradient, module.updates[i].parameter, gradients[i]);
  }
  remove_dead_ops(graph.body, forward_ops);
}

/// Lets operands stand for the ops that mean something to autodiff alone.
void drop_marks(Block& block) {
  for (Op& op : block.ops()) {
    for (Block& region : op.regions) drop_marks(region);
  }
  const auto marks = [](const Op& op) { return op.def->only_for_gradient; };
  if (std::none_of(block.ops().begin(), block.ops().end(), marks)) return;
  Rebuild next(block);
  for (const Op& op : block.ops()) {
    if (marks(op)) {
      next.replace(op.results[0], next[op.operands[0]]);
    } else {
      next.copy(op);
    }
  }
  block = next.finish();
}

}  // namespace

// 1. Differentiate the loss of each `train` graph with respect to every read of an updated parameter.
// 2. A parameter without gradient is an error; go on to report all of them.
// 3. Name in its role the parameter of each op that serves only one.
// 4. Add the gradients to the results, and drop what the rules appended in vain.
// 5. Drop, everywhere, the ops that only told where gradients flow.
ir::Status autodiff(ir::Module& module, PassContext& context) {
  const int errors = context.diagnostics.count();
  std::set<std::string> reported;
  for (Graph& graph : module.graphs) {
    if (graph.name == ir::train_graph && !module.updates.empty())
      differentiate_graph(module, graph, reported, context.diagnostics);
  }
  if (context.diagnostics.count() > errors) return ir::Status::failed;
  for_each_body(module, drop_marks);
  return ir::Status::ok;
}

}  // namespace nnc::passes
