#include "tools/explain.h"

#include "ir/fused.h"
#include "ir/op.h"
#include "ir/ops/scan.h"
#include "ir/value_names.h"
#include "passes/lower_kernels.h"
#include "tools/source_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::tools {

namespace {

constexpr std::size_t most_named = 4;

/// What stands under a line of the user's, in the order in which it was found.
struct Found {
  std::vector<std::string> rows, remarks;
};

class GraphExplanation {
 public:
  GraphExplanation(const ir::Module& module, const ir::Graph& graph, const std::map<std::string, std::string>& kernels)
      : names_(ir::param_names(module, graph, false), graph.body), kernels_(kernels) {
    add_block(graph.body, "");
  }

  void add(const passes::Remark& remark) {
    const std::set<Line> first = lines_of(remark.first.location), second = lines_of(remark.second.location);
    if (first.empty() || second.empty()) return;
    std::vector<std::string>& remarks = lines_[*first.begin()].remarks;
    const Line& other = *second.begin();
    std::string text = named(remark.first.ops, most_named) + " | " + named(remark.second.ops, most_named);
    if (other != *first.begin()) text += fmt::format(" of line {}", other.second);
    text += ": " + remark.reason;
    if (std::ranges::find(remarks, text) == remarks.end()) remarks.push_back(std::move(text));
  }

  std::string text(const TextFile& source) const {
    std::string text;
    for (const auto& [line, found] : lines_) {
      text += fmt::format("\n{}:{}", line.first, line.second);
      if (line.first == source.name) text += ": " + line_of(source.text, line.second);
      text += '\n';
      for (const std::string& row : found.rows) text += "  " + row + '\n';
      for (const std::string& remark : found.remarks) text += "  not fused: " + remark + '\n';
    }
    return text;
  }

 private:
  void add_block(const ir::Block& block, std::string_view where) {
    for (const ir::Op& op : block.ops()) {
      if (op.def->is_instruction()) {
        add_row(block, op, op.location, fmt::format("{}{}", where, *op.def->name));
      } else if (ir::is_fused(op)) {
        add_fused(block, op, where);
      } else if (ir::is_scan(op)) {
        const std::int64_t length = ir::ScanParts(ir::view(block, op)).length;
        add_row(block, op, op.location, fmt::format("{}loop of {} steps", where, length));
        add_block(op.regions[0], "each step ");
      } else if (op.def->as<ir::Movement>() != nullptr) {
        add_row(block, op, op.location, fmt::format("{}{}: the same memory, no instruction", where, *op.def->name));
      }
    }
  }

  void add_fused(const ir::Block& block, const ir::Op& op, std::string_view where) {
    const auto kernel = kernels_.find(passes::kernel_structure(op));
    const std::string name = kernel == kernels_.end() ? "kernel" : "@" + kernel->second;
    std::map<Line, std::vector<std::string_view>> ops;
    for (const ir::Op& inner : op.regions[0].ops()) {
      if (inner.operands.empty()) continue;
      for (const Line& line : lines_of(inner.location)) ops[line].push_back(*inner.def->name);
    }
    for (const Line& line : lines_of(op.location)) ops[line];
    for (const auto& [line, of_line] : ops)
      add_row(block, op, line, fmt::format("{}{} {}", where, name, named(of_line, of_line.size())));
  }

  void add_row(const ir::Block& block, const ir::Op& op, const ir::Location& location, const std::string& what) {
    for (const Line& line : lines_of(location)) add_row(block, op, line, what);
  }

  void add_row(const ir::Block& block, const ir::Op& op, const Line& line, const std::string& what) {
    std::vector<std::string> names, types;
    for (const ir::ValueId result : op.results) {
      names.push_back(names_.of(block, result));
      types.push_back(ir::to_string(block.type(result)));
    }
    lines_[line].rows.push_back(fmt::format("{:9} {:14} {} -> {}", part_names[part_of(op.role.kind)],
                                            fmt::format("{}", fmt::join(names, ", ")), what, fmt::join(types, ", ")));
  }

  ir::ValueNames names_;
  const std::map<std::string, std::string>& kernels_;  // names by structure
  std::map<Line, Found> lines_;
};

}  // namespace

std::string explain(const ir::Module& optimized, const ir::Module& lowered, std::span<const passes::Remark> remarks,
                    const TextFile& source) {
  std::map<std::string, std::string> kernels;
  for (const ir::Kernel& kernel : lowered.kernels) kernels.emplace(passes::kernel_structure(kernel.op), kernel.name);
  std::string text;
  for (const ir::Graph& graph : optimized.graphs) {
    GraphExplanation explanation(optimized, graph, kernels);
    for (const passes::Remark& remark : remarks)
      if (remark.graph == graph.full_name()) explanation.add(remark);
    text += fmt::format("{}{}\n{}", text.empty() ? "" : "\n", graph.full_name(), explanation.text(source));
  }
  return text;
}

}  // namespace nnc::tools
