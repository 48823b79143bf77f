#include "ir/op.h"
#include "ir/print_literal.h"
#include "ir/text.h"
#include "ir/value_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace nnc::ir {
namespace {

/// Lines wider than this do not push the locations of the others to the right.
constexpr std::size_t widest_aligned = 96;

/// Collects the lines of a graph, then puts what stands after the ops into one column.
class GraphPrinter {
 public:
  GraphPrinter(const std::vector<std::string>& param_names, const Graph& graph, const PrintOptions& options)
      : graph_(graph), names_(param_names, graph.body), options_(options) {}

  std::string run(std::string_view keyword) {
    line(fmt::format("{} @{}({}) {{", keyword, graph_.full_name(), params(graph_.body)));
    print_ops(graph_.body, 1);
    line(fmt::format("  return{}", results()));
    line("}");
    return joined();
  }

 private:
  struct Line {
    std::string text;
    std::string tail = {};
  };

  void line(std::string text, std::string tail = "") { lines_.push_back({std::move(text), std::move(tail)}); }

  std::string params(const Block& block) const {
    std::vector<std::string> out;
    for (const ValueId param : block.params()) {
      out.push_back(fmt::format("{}: {}", names_.of(block, param), to_string(block.type(param))));
    }
    return fmt::format("{}", fmt::join(out, ", "));
  }

  std::vector<std::string> names(const Block& block, const std::vector<ValueId>& values) const {
    std::vector<std::string> out;
    for (const ValueId value : values) out.push_back(names_.of(block, value));
    return out;
  }

  void print_ops(const Block& block, std::size_t depth) {
    for (const Op& op : block.ops()) print_op(block, op, depth);
  }

  void print_op(const Block& block, const Op& op, std::size_t depth) {
    const std::string indent(2 * depth, ' ');
    const int rank = op.operands.empty() || !valid(block, op.operands[0]) ? -1 : block.type(op.operands[0]).rank();
    std::string text = fmt::format(
        "{}{} = {}{}{}", indent, fmt::join(names(block, op.results), ", "), op.def == nullptr ? "?" : *op.def->name,
        text::print_arguments(op, names(block, op.operands), options_), text::print_attrs(op, rank, options_));
    for (const Block& region : op.regions) {
      line(fmt::format("{} ({}) {{", text, params(region)));
      print_ops(region, depth + 1);
      line(fmt::format("{}  yield{}{}", indent, region.results.empty() ? "" : " ",
                       fmt::join(names(region, region.results), ", ")));
      text = indent + "}";
    }
    std::vector<std::string> types;
    for (const ValueId result : op.results) types.push_back(valid(block, result) ? to_string(block.type(result)) : "?");
    const std::string location = text::print_location(op.location);
    const std::string role = text::print_role(op.role);
    line(fmt::format("{} : {}", text, fmt::join(types, ", ")),
         fmt::format("{}{}{}", location, location.empty() || role.empty() ? "" : " ", role));
  }

  static bool valid(const Block& block, ValueId value) { return value.valid() && value.index < block.value_count(); }

  std::string results() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < graph_.results.size() && i < graph_.body.results.size(); ++i) {
      const GraphResult& result = graph_.results[i];
      const char* prefix = "";
      if (result.kind == GraphResult::Kind::slot) prefix = "@";
      if (result.kind == GraphResult::Kind::gradient) prefix = "grad @";
      out.push_back(fmt::format("{}{} = {}", prefix, result.name, names_.of(graph_.body, graph_.body.results[i])));
    }
    // One slot a line where there are many.
    constexpr std::size_t most_in_line = 4;
    return (out.empty() ? "" : " ") +
           fmt::format("{}", fmt::join(out, out.size() > most_in_line ? ",\n         " : ", "));
  }

  std::string joined() const {
    std::size_t column = 0;
    for (const Line& line : lines_) {
      if (!line.tail.empty() && line.text.size() <= widest_aligned) column = std::max(column, line.text.size());
    }
    std::string out;
    for (const Line& line : lines_) {
      out += line.text;
      if (!line.tail.empty()) {
        out.append(line.text.size() < column ? column - line.text.size() : 0, ' ');
        out += "  " + line.tail;
      }
      out += '\n';
    }
    return out;
  }

  const Graph& graph_;
  ValueNames names_;
  PrintOptions options_;
  std::vector<Line> lines_;
};

std::string print_field(std::string_view keyword, const DataField& field) {
  std::string source;
  if (field.source == DataField::Source::chars) source = fmt::format(" chars({})", field.vocabulary);
  if (field.source == DataField::Source::tokens) source = fmt::format(" tokens({})", field.vocabulary);
  const std::string range = field.range > 0 ? fmt::format(" below {}", field.range) : "";
  return fmt::format("{} {}: {}{}{}\n", keyword, field.name, to_string(field.type), source, range);
}

std::string print_recipe(const Recipe& recipe) {
  std::string out;
  for (const DataField& field : recipe.data) out += print_field("data", field);
  for (const DataField& field : recipe.predict_data) out += print_field("predict data", field);
  if (recipe.batch != 0) out += fmt::format("batch {}\n", recipe.batch);
  if (recipe.epochs) out += fmt::format("epochs {}\n", *recipe.epochs);
  if (recipe.steps) out += fmt::format("steps {}\n", *recipe.steps);
  if (recipe.stop) {
    out += fmt::format("stop patience {} min_delta {}\n", recipe.stop->patience, float_text(recipe.stop->min_delta));
  }
  for (const std::string& metric : recipe.metrics) out += fmt::format("metric {}\n", metric);
  return out;
}

std::string print_slot(const Slot& slot) {
  return fmt::format("slot {} @{} : {}{}\n", name(slot.kind), slot.path, to_string(slot.type),
                     slot.frozen ? " frozen" : "");
}

std::string print_update(const Update& update) {
  const std::string states = update.states.empty() ? "" : fmt::format(" (@{})", fmt::join(update.states, ", @"));
  return fmt::format("update @{} by @{}{}\n", update.parameter, update.rule, states);
}

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  return GraphPrinter(graph.param_names, graph, options).run("graph");
}

std::string print(const Module& module, const PrintOptions& options) {
  std::string out = fmt::format("nnc module {}\n", text_version);
  const auto section = [&out](const std::string& text) {
    if (!text.empty()) out += "\n" + text;
  };
  section(print_recipe(module.recipe));
  std::string slots;
  for (const Slot& slot : module.slots) slots += print_slot(slot);
  section(slots);
  std::string updates;
  for (const Update& update : module.updates) updates += print_update(update);
  section(updates);
  for (const Graph& rule : module.rules) {
    section(GraphPrinter(param_names(module, rule, true), rule, options).run("rule"));
  }
  for (const Graph& graph : module.graphs) {
    section(GraphPrinter(param_names(module, graph, false), graph, options).run("graph"));
  }
  return out;
}

std::string describe(const Op& op) {
  std::vector<std::string> operands;
  for (const ValueId operand : op.operands) operands.push_back(fmt::format("%{}", operand.index));
  const PrintOptions short_form{.elide_constants = true};
  return fmt::format("{}{}{}", op.def == nullptr ? "?" : *op.def->name, text::print_arguments(op, operands, short_form),
                     text::print_attrs(op, -1, short_form));
}

std::string describe(const Block& block, const Op& op) {
  std::vector<std::string> types;
  for (const ValueId result : op.results) {
    const bool valid = result.valid() && result.index < block.value_count();
    types.push_back(valid ? to_string(block.type(result)) : "?");
  }
  return fmt::format("{} : {}", describe(op), fmt::join(types, ", "));
}

}  // namespace nnc::ir
