#include "ir/op.h"
#include "ir/print_block.h"
#include "ir/print_literal.h"
#include "ir/print_program.h"
#include "ir/text.h"
#include "ir/value_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nnc::ir {
namespace {

class GraphPrinter {
 public:
  GraphPrinter(const std::vector<std::string>& param_names, const Graph& graph, const PrintOptions& options)
      : graph_(graph), names_(param_names, graph.body), printer_(names_, options) {}

  std::string run(std::string_view keyword) {
    printer_.line(fmt::format("{} @{}({}) {{", keyword, graph_.full_name(), printer_.params(graph_.body)));
    printer_.ops(graph_.body, 1);
    printer_.line(fmt::format("  return{}", results()));
    printer_.line("}");
    return printer_.text();
  }

 private:
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

  const Graph& graph_;
  ValueNames names_;
  text::BlockPrinter printer_;
};

std::string print_field(std::string_view keyword, const DataField& field) {
  std::string source;
  if (field.source == DataField::Source::chars) source = fmt::format(" chars({})", field.vocabulary);
  if (field.source == DataField::Source::tokens) source = fmt::format(" tokens({})", field.vocabulary);
  const std::string range = field.range > 0 ? fmt::format(" below {}", field.range) : "";
  const std::string drawn = field.drawn > 0 ? fmt::format(" drawn below {}", field.drawn) : "";
  return fmt::format("{} {}: {}{}{}{}\n", keyword, field.name, to_string(field.type), source, range, drawn);
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
  if (!module.target.empty()) section(fmt::format("target {}\n", module.target));
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
  for (const Kernel& kernel : module.kernels) section(text::print_kernel(kernel, options));
  for (const Program& program : module.programs) section(text::print_program(module, program, options));
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

std::string describe(const OpView& op) {
  Op without_operands;
  without_operands.def = op.def;
  without_operands.attrs.assign(op.attrs.begin(), op.attrs.end());
  const auto texts = [](const std::vector<Type>& types) {
    std::vector<std::string> made;
    for (const Type& type : types) made.push_back(to_string(type));
    return fmt::format("{}", fmt::join(made, ", "));
  };
  return fmt::format("{} ({}) -> {}", describe(without_operands), texts(op.operands), texts(op.results));
}

}  // namespace nnc::ir
