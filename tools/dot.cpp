#include "tools/dot.h"

#include "ir/op.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace nnc::tools {
namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

std::string_view colour(ir::Role::Kind kind) {
  switch (kind) {
    case ir::Role::Kind::forward: return "white";
    case ir::Role::Kind::gradient: return "lightblue";
    case ir::Role::Kind::clip: return "khaki";
    case ir::Role::Kind::update: return "palegreen";
  }
  return "white";
}

/// A slot read shows what it reads, any other op its name.
std::string label(const ir::Op& op) {
  const std::string* slot = ir::slot_of(op);
  return slot != nullptr ? "@" + *slot : std::string{*op.def->name};
}

class GraphDrawer {
 public:
  GraphDrawer(std::string& out, const ir::Graph& graph, std::size_t number)
      : out_(out), graph_(graph), prefix_(fmt::format("g{}_", number)) {}

  void draw() {
    const ir::Block& body = graph_.body;
    makers_.resize(static_cast<std::size_t>(body.value_count()));
    out_ += fmt::format("  subgraph {} {{\n    label = {};\n", quoted("cluster_" + graph_.full_name()),
                        quoted(graph_.full_name()));
    for (std::size_t i = 0; i < body.params().size(); ++i) {
      const std::string node = fmt::format("{}param{}", prefix_, i);
      out_ += fmt::format("    {} [label={}, shape=ellipse];\n", node, quoted(graph_.param_names[i]));
      maker(body.params()[i]) = node;
    }
    for (std::size_t i = 0; i < body.ops().size(); ++i) draw_op(body.ops()[i], fmt::format("{}op{}", prefix_, i));
    for (std::size_t i = 0; i < graph_.results.size(); ++i) draw_result(i);
    out_ += "  }\n";
  }

 private:
  std::string& maker(ir::ValueId value) { return makers_[static_cast<std::size_t>(value.index)]; }

  void draw_edge(ir::ValueId value, const std::string& to) {
    out_ += fmt::format("    {} -> {} [label={}];\n", maker(value), to, quoted(ir::to_string(graph_.body.type(value))));
  }

  void draw_op(const ir::Op& op, const std::string& node) {
    out_ += fmt::format("    {} [label={}, fillcolor={}];\n", node, quoted(label(op)), colour(op.role.kind));
    for (const ir::ValueId operand : op.operands) draw_edge(operand, node);
    for (const ir::ValueId result : op.results) maker(result) = node;
  }

  void draw_result(std::size_t i) {
    const std::string node = fmt::format("{}result{}", prefix_, i);
    const ir::GraphResult& result = graph_.results[i];
    const bool value = result.kind == ir::GraphResult::Kind::value;
    out_ += fmt::format("    {} [label={}, shape=ellipse];\n", node, quoted((value ? "" : "@") + result.name));
    draw_edge(graph_.body.results[i], node);
  }

  std::string& out_;
  const ir::Graph& graph_;
  std::string prefix_;
  std::vector<std::string> makers_;  // by value
};

}  // namespace

std::string dot(const ir::Module& module) {
  std::string out = "digraph nnc {\n  node [shape=box, style=filled, fillcolor=white];\n";
  for (std::size_t i = 0; i < module.graphs.size(); ++i) GraphDrawer(out, module.graphs[i], i).draw();
  return out + "}\n";
}

}  // namespace nnc::tools
