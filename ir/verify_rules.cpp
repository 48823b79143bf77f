#include "ir/verify_rules.h"

#include "ir/analysis.h"
#include "ir/text_tokens.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>

namespace nnc::ir {
namespace {

using Kind = Subject::Kind;
using Part = Subject::Part;

class ModuleChecker {
 public:
  ModuleChecker(const Module& module, const Report& report)
      : module_(module), slots_(module), report_([this, &report](const Subject& subject, std::string message) {
          right_ = false;
          report(subject, std::move(message));
        }) {}

  void run() {
    check_recipe();
    check_slots();
    check_updates();
    std::set<std::string> names;
    for (std::size_t i = 0; i < module_.rules.size(); ++i) check_graph(module_.rules[i], {Kind::rule, i}, names);
    names.clear();
    for (std::size_t i = 0; i < module_.graphs.size(); ++i) check_graph(module_.graphs[i], {Kind::graph, i}, names);
    check_programs(module_, slots_, report_);
    if (right_) check_ranges();
  }

 private:
  void fail(const Subject& subject, std::string message) { report_(subject, std::move(message)); }

  // --- the recipe ---------------------------------------------------------------------------------------------------

  void check_recipe() {
    const Recipe& recipe = module_.recipe;
    check_fields(recipe.data, Kind::data);
    check_fields(recipe.predict_data, Kind::predict_data);
    if (recipe.batch < 0) fail({}, fmt::format("the batch size is {}", recipe.batch));
    if (recipe.epochs && *recipe.epochs < 1) fail({}, fmt::format("the number of epochs is {}", *recipe.epochs));
    if (recipe.steps && *recipe.steps < 1) fail({}, fmt::format("the number of steps is {}", *recipe.steps));
    if (recipe.stop && recipe.stop->patience < 1) {
      fail({}, fmt::format("the patience of stop is {}", recipe.stop->patience));
    }
    if (recipe.stop && !(recipe.stop->min_delta >= 0 && std::isfinite(recipe.stop->min_delta))) {
      fail({}, fmt::format("the min_delta of stop is {}", recipe.stop->min_delta));
    }
    std::set<std::string> metrics;
    for (std::size_t i = 0; i < recipe.metrics.size(); ++i) {
      check_name(recipe.metrics[i], true, "metric", {Kind::metric, i}, metrics);
    }
  }

  void check_fields(const std::vector<DataField>& fields, Kind kind) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const Subject subject{kind, i};
      check_name(fields[i].name, true, "field", subject, names);
      check_plain(fields[i].type, subject);
      const bool has_vocabulary = fields[i].source != DataField::Source::column;
      if (has_vocabulary ? fields[i].vocabulary < 1 : fields[i].vocabulary != 0) {
        fail(subject, fmt::format("field '{}' has a vocabulary of {}", fields[i].name, fields[i].vocabulary));
      }
    }
  }

  void check_name(const std::string& name, bool word, std::string_view what, const Subject& subject,
                  std::set<std::string>& names) {
    if (!(word ? text::is_word(name) : text::is_path(name))) {
      fail(subject, fmt::format("'{}' cannot be the name of a {}", name, what));
    }
    if (!names.insert(name).second) fail(subject, fmt::format("{} '{}' stands twice", what, name));
  }

  void check_plain(const Type& type, const Subject& subject) {
    bool right = type.layout.empty();
    for (const std::int64_t extent : type.shape) right = right && extent >= 1;
    if (!right) fail(subject, fmt::format("expected a plain dense type, found {}", to_string(type)));
  }

  // --- slots and updates --------------------------------------------------------------------------------------------

  void check_slots() {
    std::set<std::string> paths;
    for (std::size_t i = 0; i < module_.slots.size(); ++i) {
      const Slot& slot = module_.slots[i];
      const Subject subject{Kind::slot, i};
      check_name(slot.path, false, "slot", subject, paths);
      check_plain(slot.type, subject);
      if (slot.frozen && slot.kind != SlotKind::parameter) {
        fail(subject, fmt::format("slot '@{}' is frozen, but no parameter", slot.path));
      }
    }
  }

  void check_updates() {
    std::set<std::string> bound;
    for (std::size_t i = 0; i < module_.updates.size(); ++i) {
      const Update& update = module_.updates[i];
      const Subject subject{Kind::update, i};
      const Slot* parameter = check_updated(update.parameter, SlotKind::parameter, subject, bound);
      if (parameter != nullptr && parameter->frozen) {
        fail(subject, fmt::format("the frozen parameter '@{}' is updated", update.parameter));
      }
      std::vector<Type> types;
      if (parameter != nullptr) types.push_back(parameter->type);
      for (const std::string& state : update.states) {
        const Slot* slot = check_updated(state, SlotKind::optimizer, subject, bound);
        if (slot != nullptr) types.push_back(slot->type);
      }
      const Graph* rule = module_.find_rule(update.rule);
      if (rule == nullptr) {
        fail(subject, fmt::format("unknown rule '@{}'", update.rule));
      } else if (types.size() == update.states.size() + 1) {
        check_rule(*rule, types, subject);
      }
    }
  }

  const Slot* check_updated(const std::string& path, SlotKind kind, const Subject& subject,
                            std::set<std::string>& bound) {
    const Slot* slot = slots_.find(path);
    if (slot == nullptr) {
      fail(subject, fmt::format("unknown slot '@{}'", path));
    } else if (slot->kind != kind) {
      fail(subject, fmt::format("expected a slot of kind {}, '@{}' is a {}", name(kind), path, name(slot->kind)));
    }
    if (!bound.insert(path).second) fail(subject, fmt::format("slot '@{}' is updated twice", path));
    return slot;
  }

  /// `types` are the parameter's and its states'; the gradient, of the parameter's type, stands behind the parameter.
  void check_rule(const Graph& rule, std::vector<Type> types, const Subject& subject) {
    const std::vector<Type> results = types;
    types.insert(types.begin() + 1, types[0]);
    check_types_of(rule, rule.body.params(), types, fmt::format("rule '@{}'", rule.name), "parameter", subject);
    check_types_of(rule, rule.body.results, results, fmt::format("rule '@{}'", rule.name), "result", subject);
    for (const GraphResult& result : rule.results) {
      if (result.kind == GraphResult::Kind::value) continue;
      fail(subject, fmt::format("rule '@{}' binds '@{}' itself", rule.name, result.name));
    }
  }

  void check_types_of(const Graph& graph, const std::vector<ValueId>& values, const std::vector<Type>& types,
                      const std::string& owner, std::string_view what, const Subject& subject) {
    if (values.size() != types.size()) {
      return fail(subject, fmt::format("{} needs {} {}s, found {}", owner, types.size(), what, values.size()));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!exists(graph, values[i]) || plain(graph.body.type(values[i])) == plain(types[i])) continue;
      fail(subject, fmt::format("{} needs {} as {} {}, found {}", owner, to_string(types[i]), what, i,
                                to_string(graph.body.type(values[i]))));
    }
  }

  // --- rules and graphs ---------------------------------------------------------------------------------------------

  static bool exists(const Graph& graph, ValueId value) {
    return value.valid() && value.index < graph.body.value_count();
  }

  void check_graph(const Graph& graph, Subject subject, std::set<std::string>& names) {
    const bool is_rule = subject.kind == Kind::rule;
    if (!text::is_path(graph.name) || graph.batch < 0) {
      fail(subject, fmt::format("'{}' cannot be the name of a graph", graph.full_name()));
    }
    if (!names.insert(graph.full_name()).second) {
      fail(subject, fmt::format("{} '@{}' stands twice", is_rule ? "rule" : "graph", graph.full_name()));
    }
    check_params(graph, subject);
    std::size_t item = 0;
    check_block(slots_, graph.body, subject, item, report_);
    if (graph.results.size() != graph.body.results.size()) {
      return fail(subject, fmt::format("{} results have {} names", graph.body.results.size(), graph.results.size()));
    }
    check_results(graph, subject);
    if (is_rule && graph.name == clip_rule) check_clip(graph, subject);
    if (is_rule) return;
    if (const std::vector<DataField>* fields = fields_of(module_, graph)) check_data(graph, *fields, subject);
    if (graph.name == init_graph) check_init(graph, subject);
  }

  void check_params(const Graph& graph, Subject subject) {
    if (graph.param_names.size() != graph.body.params().size()) {
      return fail(subject,
                  fmt::format("{} parameters have {} names", graph.body.params().size(), graph.param_names.size()));
    }
    std::set<std::string> names;
    subject.part = Part::param;
    for (subject.item = 0; subject.item < graph.param_names.size(); ++subject.item) {
      check_name(graph.param_names[subject.item], false, "parameter", subject, names);
    }
  }

  void check_results(const Graph& graph, Subject subject) {
    std::set<std::pair<GraphResult::Kind, std::string>> bound;
    subject.part = Part::result;
    for (subject.item = 0; subject.item < graph.results.size(); ++subject.item) {
      const GraphResult& result = graph.results[subject.item];
      const bool value = result.kind == GraphResult::Kind::value;
      if (!bound.insert({result.kind, result.name}).second) {
        fail(subject, fmt::format("result '{}{}' stands twice", value ? "" : "@", result.name));
      }
      if (value) {
        if (!text::is_word(result.name)) fail(subject, fmt::format("'{}' cannot be the name of a result", result.name));
        continue;
      }
      const Slot* slot = slots_.find(result.name);
      const ValueId id = graph.body.results[subject.item];
      if (slot == nullptr) {
        fail(subject, fmt::format("unknown slot '@{}'", result.name));
      } else if (result.kind == GraphResult::Kind::gradient && slot->kind != SlotKind::parameter) {
        fail(subject, fmt::format("a gradient of '@{}', which is no parameter but a {}", slot->path, name(slot->kind)));
      } else if (exists(graph, id) && plain(graph.body.type(id)) != plain(slot->type)) {
        fail(subject, fmt::format("'@{}' is {}, its {} {}", slot->path, to_string(slot->type),
                                  result.kind == GraphResult::Kind::slot ? "new value" : "gradient",
                                  to_string(graph.body.type(id))));
      }
    }
  }

  void check_clip(const Graph& graph, const Subject& subject) {
    std::vector<Type> types;
    for (const Update& update : module_.updates) {
      const Slot* slot = slots_.find(update.parameter);
      if (slot == nullptr) return;
      types.push_back(slot->type);
    }
    check_types_of(graph, graph.body.params(), types, "the rule 'clip'", "parameter", subject);
    check_types_of(graph, graph.body.results, types, "the rule 'clip'", "result", subject);
    for (std::size_t i = 0; i < graph.results.size() && i < types.size(); ++i) {
      const GraphResult& result = graph.results[i];
      if (result.kind == GraphResult::Kind::slot ||
          (result.kind == GraphResult::Kind::gradient && result.name != module_.updates[i].parameter)) {
        fail(subject, fmt::format("result {} of the rule 'clip' has to be the gradient of '@{}'", i,
                                  module_.updates[i].parameter));
      }
    }
  }

  /// A module written for the sake of one pass may say nothing of its data.
  void check_data(const Graph& graph, const std::vector<DataField>& fields, Subject subject) {
    if (fields.empty()) return;
    const std::vector<ValueId>& params = graph.body.params();
    if (params.size() != fields.size()) {
      return fail(subject, fmt::format("'@{}' has {} parameters for {} data fields", graph.full_name(), params.size(),
                                       fields.size()));
    }
    if (graph.batch < 1) return fail(subject, fmt::format("'@{}' has no batch size", graph.full_name()));
    subject.part = Part::param;
    for (subject.item = 0; subject.item < params.size(); ++subject.item) {
      Type expected = fields[subject.item].type;
      expected.shape.insert(expected.shape.begin(), graph.batch);
      const Type& found = graph.body.type(params[subject.item]);
      if (plain(found) == expected) continue;
      fail(subject, fmt::format("the field '{}' at batch size {} is {}, found {}", fields[subject.item].name,
                                graph.batch, to_string(expected), to_string(found)));
    }
  }

  /// A field's values lie below what they index: the data is checked against that, and kernels read at an index of the
  /// data without looking at it.
  void check_ranges() {
    const std::map<std::string, std::int64_t> ranges = index_ranges(module_);
    const auto check = [&](const std::vector<DataField>& fields, Kind kind) {
      for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto extent = ranges.find(fields[i].name);
        if (extent == ranges.end() || (fields[i].range > 0 && fields[i].range <= extent->second)) continue;
        fail({kind, i}, fmt::format("field '{}' indexes {} positions: expected 'below {}' or less, found {}",
                                    fields[i].name, extent->second, extent->second,
                                    fields[i].range == 0 ? "no 'below'" : fmt::format("'below {}'", fields[i].range)));
      }
    };
    check(module_.recipe.data, Kind::data);
    check(module_.recipe.predict_data, Kind::predict_data);
  }

  void check_init(const Graph& graph, const Subject& subject) {
    std::set<std::string_view> given;
    for (const GraphResult& result : graph.results)
      if (result.kind == GraphResult::Kind::slot) given.insert(result.name);
    for (const Slot& slot : module_.slots) {
      const bool needed =
          slot.kind == SlotKind::parameter || slot.kind == SlotKind::statistic || slot.kind == SlotKind::optimizer;
      if (!needed || given.contains(slot.path)) continue;
      fail(subject, fmt::format("'@{}' gives no value to the {} '@{}'", init_graph, name(slot.kind), slot.path));
    }
  }

  const Module& module_;
  const SlotIndex slots_;
  const Report report_;
  bool right_ = true;
};

}  // namespace

void find_violations(const Module& module, const Report& report) { ModuleChecker(module, report).run(); }

}  // namespace nnc::ir
