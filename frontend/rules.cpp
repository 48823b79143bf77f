// The optimizer -> update rules: graphs from a parameter, its gradient and its states to their new values, one for each
// set of arguments (groups override them) and shape.
//
//   optimizer sgd(lr = 0.1), a parameter f32[10]   ->   rule @rule.0(%param: f32[10], %grad: f32[10]) { ... }
#include "frontend/apply.h"
#include "frontend/calls.h"
#include "frontend/evaluate.h"
#include "frontend/groups.h"
#include "frontend/recipe.h"
#include "frontend/statements.h"
#include "frontend/suggest.h"
#include "frontend/training.h"

#include <fmt/format.h>

#include <set>

namespace nnc::frontend {

namespace {

using Settings = std::map<std::string, const ast::Expr*>;

struct Rule {
  std::string name;
  std::vector<OptimizerState> states;
};

bool is_frozen(Context& context, const ast::Expr& setting) {
  const Value value = evaluate(context, setting);
  const bool* flag = value.as<bool>();
  if (!flag && !value.poisoned())
    report(context, setting.span, fmt::format("`frozen` is true or false, found {}", describe(value)));
  return flag && *flag;
}

class Rules {
 public:
  Rules(Context& context, const ast::Call& call, const ast::Definition& optimizer, const ast::Span& at,
        ir::Module& module)
      : context_(context), call_(call), optimizer_(optimizer), at_(at), module_(module) {}

  /// The rule for a parameter of that type, made at the first need; null after an error.
  const Rule* rule(const ir::Type& type, const Settings& settings) {
    std::string key;
    for (const auto& [name, expr] : settings) key += fmt::format("{}@{} ", name, fmt::ptr(expr));
    if (failed_.contains(key)) return nullptr;
    const auto [at, fresh] = rules_.emplace(key + ir::to_string(type), std::nullopt);
    if (fresh) at->second = make(type, settings);
    if (at->second) return &*at->second;
    failed_.insert(key);
    return nullptr;
  }

  /// Reports mistakes in arguments and settings that came into no rule: of groups that match nothing, only what is
  /// frozen, or less than later ones do, and those hidden by a mistake beside them.
  void check_the_rest(const std::vector<ResolvedGroup>& groups) {
    Context probe(context_.declarations, context_.recipe, context_.hypers, *context_.diagnostics);
    Frame frame = *context_.frame;
    frame.schedules = true;
    Target target(Target::Kind::rule, "");
    probe.frame = &frame;
    probe.target = &target;
    const auto& parameters = optimizer_.parameters;
    const auto check = [&](const std::string& name, const ast::Expr& given) {
      for (const ast::Parameter& parameter : parameters)
        if (parameter.name.text == name)
          if (const auto value = evaluate_argument(probe, parameter, given))
            (void)convert_argument(probe, parameter, *value, given.span);
    };
    std::size_t position = 0;
    for (const ast::Argument& argument : call_.arguments) {
      if (argument.name)
        check(argument.name->text, *argument.value);
      else if (position < parameters.size())
        check(parameters[position++].name.text, *argument.value);
    }
    for (const ResolvedGroup& group : groups)
      for (const auto& setting : group.group->settings)
        if (setting.name.text == "frozen")
          (void)is_frozen(probe, *setting.value);
        else
          check(setting.name.text, *setting.value);
    context_.inlined.merge(probe.inlined);
  }

 private:
  std::optional<Rule> make(const ir::Type& type, const Settings& settings) {
    Target target(Target::Kind::rule, fmt::format("rule.{}", module_.rules.size()));
    ir::Graph& graph = target.graph;
    const ir::ValueId param = graph.body.add_param(type);
    const ir::ValueId grad = graph.body.add_param(type);
    graph.param_names = {"param", "grad"};
    const Scoped<Target*> into(context_.target, &target);

    context_.frame->schedules = true;
    const auto given = bind_arguments(context_, optimizer_, call_, settings);
    const auto arguments = given ? evaluate_arguments(context_, optimizer_, *given) : std::nullopt;
    context_.frame->schedules = false;
    if (!arguments || !may_inline(context_, optimizer_, at_)) return std::nullopt;
    Frame frame = callee_frame(context_, optimizer_, at_);
    Rule rule{graph.name, {}};
    frame.states = &rule.states;
    note_arguments(context_, frame, *given);
    if (!enter_parameters(context_, frame, *arguments, spans_of(*given, at_))) return std::nullopt;
    for (const ast::Parameter& parameter : optimizer_.parameters)
      if (parameter.name.text == "param" || parameter.name.text == "grad") {
        report(
            context_, parameter.name.span,
            fmt::format("`{}` is a tensor of every optimizer; its argument needs another name", parameter.name.text));
        return std::nullopt;
      }
    frame.variables.insert_or_assign("param", Variable{{TensorValue{target.builder.expr(param)}, {}}});
    frame.variables.insert_or_assign("grad", Variable{{TensorValue{target.builder.expr(grad)}, {}}});

    const Scoped<Frame*> inside(context_.frame, &frame);
    const int errors = context_.diagnostics->count();
    execute(context_, optimizer_.body);
    if (context_.exhausted || context_.diagnostics->count() > errors) return std::nullopt;
    if (frame.result) {
      report(context_, frame.result_at, "an optimizer assigns `param` and its states; it returns nothing");
      return std::nullopt;
    }
    if (!finish(target, "param", type, optimizer_.name.span)) return std::nullopt;
    if (graph.result(ir::GraphResult::Kind::value, "param") == param) {
      report(context_, optimizer_.name.span, "this optimizer trains nothing: it never assigns `param`");
      return std::nullopt;
    }
    for (const OptimizerState& state : rule.states)
      if (!finish(target, state.name, state.type, state.at)) return std::nullopt;
    module_.rules.push_back(std::move(graph));
    return rule;
  }

  /// Binds the last value of `param` or of a state as a result.
  bool finish(Target& target, const std::string& name, const ir::Type& type, const ast::Span& at) {
    const Value& last = context_.frame->variables.at(name).value;
    const auto value = as_replacement(context_, last, name, type, last.origin.at.known() ? last.origin : at);
    if (!value) return false;
    target.graph.add_result(ir::GraphResult::Kind::value, name, value->value);
    return true;
  }

  Context& context_;
  const ast::Call& call_;
  const ast::Definition& optimizer_;
  ast::Span at_;
  ir::Module& module_;
  std::map<std::string, std::optional<Rule>> rules_;
  std::set<std::string> failed_;  // settings: a parameter of another shape would meet the same errors
};

const ast::Expr& optimizer_of(const ast::Train& train) {
  for (const auto& statement : train.body)
    if (const auto* use = std::get_if<ast::UseOptimizer>(&statement.node)) return *use->call;
  ir::internal_error(__FILE__, __LINE__, "a training without optimizer was not reported");
}

/// The optimizer that `train` calls; null after an error.
const ast::Definition* find_optimizer(Context& context, const ast::Call& call) {
  if (const ast::Definition* found = context.declarations.find(Place::optimizer, call.callee.text, false)) return found;
  const std::vector<std::string> names = context.declarations.names(Place::optimizer, false);
  const std::string near = suggestion(call.callee.text, names);
  report(context, call.callee.span,
         fmt::format("unknown optimizer `{}`; {}", call.callee.text,
                     near.empty() ? fmt::format("there are {}", fmt::join(names, ", "))
                                  : fmt::format("did you mean `{}`?", near)));
  return nullptr;
}

/// Calls f(call, optimizer, where) with what `train` says of its optimizer, if there is one of that name.
template <class F>
void with_optimizer(Context& context, F&& f) {
  const ast::Train& train = *context.declarations.train();
  Frame frame = file_frame();
  frame.block = &train.body;
  const Scoped<Frame*> inside(context.frame, &frame);
  const ast::Expr& use = optimizer_of(train);
  const auto& call = std::get<ast::Call>(use.node);
  if (const ast::Definition* optimizer = find_optimizer(context, call)) f(call, *optimizer, use.span);
}

void add_updates(Context& context, ir::Module& module, const ast::Call& call, const ast::Definition& optimizer,
                 const ast::Span& at) {
  const auto groups = resolve_groups(context, optimizer);
  Rules rules(context, call, optimizer, at, module);
  context.ops = 0;
  // States are appended to the slots while the parameters are visited.
  for (std::size_t i = 0, count = context.slots.size(); i < count; ++i) {
    if (context.slots[i].slot.kind != ir::SlotKind::parameter) continue;
    const ir::Slot parameter = context.slots[i].slot;
    Settings settings = settings_of(groups, parameter.path);
    if (const auto frozen = settings.extract("frozen"); frozen && is_frozen(context, *frozen.mapped())) {
      context.slots[i].slot.frozen = true;
      continue;
    }
    const Rule* rule = rules.rule(parameter.type, settings);
    if (!rule) continue;
    ir::Update update{parameter.path, rule->name, {}};
    for (const OptimizerState& state : rule->states) {
      const ir::Slot slot{fmt::format("optimizer.{}.{}", parameter.path, state.name), state.type,
                          ir::SlotKind::optimizer, false};
      if (!add_slot(context, slot, state.at)) break;
      initialize(context, *state.initializer, slot, state.at);
      update.states.push_back(slot.path);
    }
    module.updates.push_back(std::move(update));
  }
  rules.check_the_rest(groups);
  if (module.updates.empty() && !context.diagnostics->failed())
    report(context, context.declarations.train()->span,
           "there is nothing to train: no layer that `train` calls has a parameter that is not frozen");
}

}  // namespace

void add_updates(Context& context, ir::Module& module) {
  with_optimizer(context, [&](const ast::Call& call, const ast::Definition& optimizer, const ast::Span& at) {
    add_updates(context, module, call, optimizer, at);
  });
}

void check_optimizer(Context& context) {
  with_optimizer(context, [&](const ast::Call& call, const ast::Definition& optimizer, const ast::Span& at) {
    ir::Module unused;
    if (bind_arguments(context, optimizer, call, {})) Rules(context, call, optimizer, at, unused).check_the_rest({});
  });
}

}  // namespace nnc::frontend
