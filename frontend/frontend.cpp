#include "frontend/frontend.h"

#include "frontend/check_names.h"
#include "frontend/declarations.h"
#include "frontend/parser.h"
#include "frontend/recipe.h"
#include "frontend/std_sources.h"
#include "frontend/training.h"
#include "ir/analysis.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

struct Model::State {
  ast::Program program;
  std::string text;
  std::vector<ast::Program> std;
  std::optional<Declarations> declarations;
  std::map<std::string, Value> hypers;
  ir::Recipe recipe;
};

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const ast::Program& Model::program() const { return state_->program; }
const ir::Recipe& Model::recipe() const { return state_->recipe; }

namespace {

/// Elaboration has read what it inlined.
void check_uninlined(const Declarations& declarations, const ast::Program& program,
                     const std::set<const ast::Definition*>& inlined, ir::Diagnostics& diagnostics) {
  for (const auto& declaration : program.declarations)
    if (const auto* definition = std::get_if<ast::Definition>(&declaration);
        definition && !inlined.contains(definition))
      check_names(*definition, declarations, diagnostics);
}

}  // namespace

std::optional<Model> load(std::string file, std::string_view text, const Options& options,
                          ir::Diagnostics& diagnostics) {
  auto state = std::make_unique<Model::State>();
  state->text = text;
  for (const StdSource& source : std_sources()) {
    auto program = parse(std::string(source.file), source.text, diagnostics);
    NNC_CHECK(program, "the standard library does not parse:\n{}", diagnostics.render());
    state->std.push_back(std::move(*program));
  }
  auto program = parse(std::move(file), text, diagnostics);
  if (!program) return std::nullopt;
  state->program = std::move(*program);
  const int errors = diagnostics.count();
  state->declarations.emplace(state->program, state->std, diagnostics);
  state->hypers = read_hypers(*state->declarations, options, diagnostics);
  state->recipe = read_recipe(*state->declarations, state->hypers, options, diagnostics);
  if (diagnostics.count() > errors) {
    check_uninlined(*state->declarations, state->program, {}, diagnostics);
    return std::nullopt;
  }
  return Model(std::move(state));
}

namespace {

/// What surrounds the sums of a metric is applied once, to the sums of batches of several sizes.
void check_metrics(const ir::Block& report, const ir::Block& other, ir::Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < std::min(report.ops().size(), other.ops().size()); ++i) {
    const ir::Op& op = report.ops()[i];
    if (op.def == other.ops()[i].def && op.attrs == other.ops()[i].attrs) continue;
    diagnostics.error(
        op.location.point(),
        "a metric depends on the batch size, which the last batch of an epoch changes: a sum divided by B "
        "is not the mean of an epoch; `mean` is");
    return;
  }
}

/// Elaborates again for twice the batch size into nothing: parameters, loops and what surrounds the sums of metrics
/// must be the same. Other errors of it do not count, since no such batch was asked for.
void check_batch_independence(Context& context, std::int64_t batch, const Target& reported,
                              const std::vector<std::pair<ast::Span, std::int64_t>>& loops) {
  ir::Diagnostics ignored;
  ir::Diagnostics* const real = context.diagnostics;
  Context probe(context.declarations, context.recipe, context.hypers, ignored);
  Target initial(Target::Kind::initial, std::string(ir::init_graph));
  probe.initial = &initial;
  Target probe_report(Target::Kind::rule, std::string(ir::report_graph));
  elaborate_phase(probe, Phase::train, 2 * batch, &probe_report);
  check_metrics(reported.graph.body, probe_report.graph.body, *real);
  for (std::size_t i = 0; i < std::min(probe.summed.size(), context.summed.size()); ++i)
    if (context.summed[i].second == probe.summed[i].second)
      real->error(
          context.summed[i].first.at,
          fmt::format("this metric cannot be accumulated over an epoch: a reduction over the batch stands inside "
                      "another, which sums up {}, the same for batches of any size",
                      describe(context.summed[i].second)),
          context.summed[i].first.width);
  for (std::size_t i = 0; i < std::min(probe.data_free.size(), context.data_free.size()); ++i)
    if (const auto& [at, shapes] = context.data_free[i]; shapes != probe.data_free[i].second)
      real->error(at.at,
                  "this metric cannot be accumulated over an epoch: a part of it depends on the batch size and not on "
                  "the data; `mean` divides by the number of examples",
                  at.width);
  for (const SlotInfo& slot : probe.slots) {
    const SlotInfo* other = context.find_slot(slot.slot.path);
    if (!other || other->slot.type == slot.slot.type) continue;
    Frame declared;
    declared.calls = other->calls;
    const Scoped<Frame*> inside(context.frame, &declared);
    report(
        context, other->at,
        fmt::format("the shape of `{}` depends on the batch size: {} for batches of {}, {} for batches of {}",
                    slot.slot.path, ir::to_string(other->slot.type), batch, ir::to_string(slot.slot.type), 2 * batch));
  }
  for (std::size_t i = 0; i < std::min(loops.size(), probe.loops.size()); ++i)
    if (loops[i].first.at == probe.loops[i].first.at && loops[i].second != probe.loops[i].second)
      real->error(loops[i].first.at,
                  "the iterations of this loop depend on the batch size, which the last batch of an epoch changes",
                  loops[i].first.width);
}

/// Where the data field is declared.
ast::Span place_of(const ast::Block& body, const std::string& name) {
  for (const auto& statement : body)
    if (const auto* data = std::get_if<ast::Data>(&statement.node))
      for (const ast::Field& field : data->fields)
        if (field.name.text == name) return field.name.span;
  return {};
}

/// Below which number the values of a field lie, since the model indexes by them: what the data is checked against. Later
/// forms of the module do not say where it does so by chosen elements only. Ids of a vocabulary have to fit what they index.
void note_ranges(ir::Module& module, const Declarations& declarations, ir::Diagnostics& diagnostics) {
  const std::map<std::string, std::int64_t> ranges = ir::index_ranges(module),
                                            chosen = ir::index_ranges(module, /*chosen=*/true);
  const auto note = [&](std::vector<ir::DataField>& fields, const ast::Block& body) {
    for (ir::DataField& field : fields) {
      const auto range = ranges.find(field.name);
      if (range == ranges.end()) {
        if (const auto drawn = chosen.find(field.name); drawn != chosen.end())
          field.drawn = field.vocabulary > 0 ? std::min(field.vocabulary, drawn->second) : drawn->second;
        continue;
      }
      if (field.vocabulary > range->second) {
        const ast::Span at = place_of(body, field.name);
        diagnostics.error(at.at,
                          fmt::format("`{}` has ids below {}, but the model indexes a dimension of {} by them",
                                      field.name, field.vocabulary, range->second),
                          at.width);
      }
      field.range = field.vocabulary > 0 ? field.vocabulary : range->second;
    }
  };
  note(module.recipe.data, declarations.train()->body);
  if (declarations.predict()) note(module.recipe.predict_data, declarations.predict()->body);
}

std::optional<ir::Module> elaborate_module(Context& context, const BatchSizes& sizes) {
  ir::Diagnostics& diagnostics = *context.diagnostics;
  const int errors = diagnostics.count();
  const auto failed = [&] { return diagnostics.count() > errors; };
  Target initial(Target::Kind::initial, std::string(ir::init_graph));
  Target report(Target::Kind::rule, std::string(ir::report_graph));
  context.initial = &initial;
  std::vector<ir::Graph> graphs;
  for (const Phase phase : {Phase::train, Phase::eval}) {
    const auto& batches = phase == Phase::train ? sizes.train : sizes.eval;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const std::size_t first_loop = context.loops.size();
      auto target = elaborate_phase(context, phase, batches[i], i == 0 ? &report : nullptr);
      if (failed()) {
        if (!context.exhausted) check_optimizer(context);
        return std::nullopt;
      }
      if (phase == Phase::train && i == 0)
        check_batch_independence(
            context, batches[i], report,
            {context.loops.begin() + static_cast<std::ptrdiff_t>(first_loop), context.loops.end()});
      if (failed()) return std::nullopt;
      graphs.push_back(std::move(target->graph));
    }
  }
  if (context.declarations.predict()) {
    auto target = elaborate_predict(context);
    if (failed()) return std::nullopt;
    graphs.push_back(std::move(target->graph));
  }
  ir::Module module;
  module.recipe = context.recipe;
  add_updates(context, module);
  add_clipping(context, module);
  if (failed()) return std::nullopt;

  const ir::Expr zero = initial.builder.constant(ir::Tensor(ir::Type{ir::DType::i64, {}, {}}));
  if (context.find_slot(std::string(ir::step_slot)))
    initial.graph.add_result(ir::GraphResult::Kind::slot, std::string(ir::step_slot), zero.value);
  for (SlotInfo& slot : context.slots) module.slots.push_back(std::move(slot.slot));
  std::stable_sort(module.slots.begin(), module.slots.end(),
                   [](const ir::Slot& a, const ir::Slot& b) { return a.kind < b.kind; });
  module.graphs.push_back(std::move(initial.graph));
  for (ir::Graph& graph : graphs) module.graphs.push_back(std::move(graph));
  module.graphs.push_back(std::move(report.graph));
  note_ranges(module, context.declarations, diagnostics);
  if (failed()) return std::nullopt;
  return module;
}

}  // namespace

std::optional<ir::Module> Model::elaborate(const BatchSizes& sizes, ir::Diagnostics& diagnostics) const {
  diagnostics.add_source(state_->program.file, state_->text);
  for (const StdSource& source : std_sources())
    diagnostics.add_source(std::string(source.file), std::string(source.text));
  const int errors = diagnostics.count();
  Context context(*state_->declarations, state_->recipe, state_->hypers, diagnostics);
  std::optional<ir::Module> module = elaborate_module(context, sizes);
  check_uninlined(*state_->declarations, state_->program, context.inlined, diagnostics);
  if (diagnostics.count() > errors) module.reset();
  return module;
}

}  // namespace nnc::frontend
