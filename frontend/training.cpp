#include "frontend/training.h"

#include "frontend/evaluate.h"
#include "frontend/instances.h"
#include "frontend/statements.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <set>

namespace nnc::frontend {

namespace {

/// Data fields become the graph's parameters and variables of the block, with the batch as first dimension.
void add_fields(Context& context, const ast::Block& body, const std::vector<ir::DataField>& fields,
                std::int64_t batch) {
  Target& target = *context.target;
  for (const ir::DataField& field : fields) {
    ir::Type type = field.type;
    type.shape.insert(type.shape.begin(), batch);
    const ir::ValueId value = target.graph.body.add_param(std::move(type));
    target.graph.param_names.push_back(field.name);
    context.frame->variables.emplace(field.name, Variable{{TensorValue{target.builder.expr(value)}, {}}});
  }
  for (const auto& statement : body)
    if (const auto* data = std::get_if<ast::Data>(&statement.node))
      for (const ast::Field& field : data->fields)
        if (const auto variable = context.frame->variables.find(field.name.text);
            variable != context.frame->variables.end())
          variable->second.value.origin = field.name.span;
}

/// While one lives, what runs is in the frame and appends to the target; what it may take is counted anew.
class Elaboration {
 public:
  Elaboration(Context& context, Frame& frame, Target& target)
      : frame_(context.frame, &frame), target_(context.target, &target) {
    context.ops = 0;
    context.iterations = 0;
    context.evaluations = 0;
  }

 private:
  Scoped<Frame*> frame_;
  Scoped<Target*> target_;
};

Frame block_frame(Frame::Kind kind, const ast::Block& body, std::int64_t batch, const ast::Span& at) {
  Frame frame;
  frame.kind = kind;
  frame.block = &body;
  frame.variables.emplace("B", Variable{{batch, at}, fmt::format("the batch size, {}", batch)});
  return frame;
}

}  // namespace

std::string_view name(Phase phase) { return phase == Phase::train ? ir::train_graph : ir::eval_graph; }

namespace {

/// A number that `train` names and never uses is a setting misspelt, which would be ignored.
void check_unused(Context& context, const ast::Train& train) {
  std::set<std::string> used;
  for_each_expr(train.body, [&](const ast::Expr& expr) {
    if (const auto* use = std::get_if<ast::NameUse>(&expr.node)) used.insert(use->name);
  });
  for (const auto& statement : train.body) {
    const auto* assign = std::get_if<ast::Assign>(&statement.node);
    if (!assign || assign->targets.size() != 1 || used.contains(assign->targets[0].text)) continue;
    const ast::Name& name = assign->targets[0];
    const auto variable = context.frame->variables.find(name.text);
    if (variable == context.frame->variables.end() || !variable->second.value.is_static_number()) continue;
    report(context, name.span,
           fmt::format("`{}` is no setting, and nothing uses it{}", name.text,
                       did_you_mean(name.text, {ast::setting_words.begin(), ast::setting_words.end()},
                                    fmt::format("; settings are {}, and the optimizer's numbers are its arguments",
                                                fmt::join(ast::setting_words, ", ")))));
  }
}

}  // namespace

std::unique_ptr<Target> elaborate_phase(Context& context, Phase phase, std::int64_t batch, Target* report_target) {
  const ast::Train& train = *context.declarations.train();
  auto target = std::make_unique<Target>(Target::Kind::model, std::string(name(phase)), batch);
  target->training = phase == Phase::train;
  Frame frame = block_frame(Frame::Kind::train, train.body, batch, train.span);
  Objective objective;
  frame.objective = &objective;
  const Elaboration inside(context, frame, *target);
  add_fields(context, train.body, context.recipe.data, batch);

  const int errors = context.diagnostics->count();
  execute(context, train.body);
  check_shares(context, frame);
  if (context.exhausted || context.diagnostics->count() > errors) return target;
  if (objective.losses.empty()) {
    report(context, train.span, "`train` has no `loss`: write `loss EXPRESSION`, which training makes small");
    return target;
  }
  if (phase == Phase::train) check_unused(context, train);
  add_losses(context, phase, objective, report_target);
  for (const auto& [metric, value] : objective.metrics) add_metric(context, phase, *metric, value, report_target);
  if (phase == Phase::train) {
    const ir::Expr step = read_scalar_slot(context, ir::step_slot, ir::SlotKind::counter, train.span);
    target->builder.location = location(context, train.span);
    const ir::Expr one = target->builder.constant(ir::Tensor::splat_integer(step.type(), 1));
    target->graph.add_result(ir::GraphResult::Kind::slot, std::string(ir::step_slot), (step + one).value);
    for (const auto& [path, value] : target->kept)
      target->graph.add_result(ir::GraphResult::Kind::slot, path, value.value);
  }
  return target;
}

std::unique_ptr<Target> elaborate_predict(Context& context) {
  const ast::Predict& predict = *context.declarations.predict();
  const std::int64_t batch = context.recipe.batch;
  auto target = std::make_unique<Target>(Target::Kind::model, std::string(ir::predict_graph), batch);
  target->predicts = true;
  Frame frame = block_frame(Frame::Kind::predict, predict.body, batch, predict.span);
  std::vector<std::pair<std::string, Value>> outputs;
  frame.outputs = &outputs;
  const Elaboration inside(context, frame, *target);
  add_fields(context, predict.body, context.recipe.predict_data, batch);

  execute(context, predict.body);
  check_shares(context, frame);
  if (!frame.result) report(context, predict.span, "`predict` ends without `return NAME = ...`");
  for (const auto& [result, value] : outputs) {
    if (!value.tensor())
      report(context, value.origin, fmt::format("a result of `predict` is a tensor, found {}", describe(value)));
    else if (target->graph.result(ir::GraphResult::Kind::value, result).valid())
      report(context, frame.result_at, fmt::format("two results are named `{}`", result));
    else
      target->graph.add_result(ir::GraphResult::Kind::value, result, value.tensor()->expr.value);
  }
  return target;
}

}  // namespace nnc::frontend
