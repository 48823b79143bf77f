#include "tests/parity/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <stdexcept>

#include "frontend/frontend.h"
#include "passes/pass.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"
#include "runtime/jit/object_cache.h"
#include "runtime/trainer.h"
#include "tools/machine.h"

namespace nnc::parity {
namespace {

template <class T>
T require(std::optional<T> value, const ir::Diagnostics& diagnostics) {
  if (!value) throw std::runtime_error(diagnostics.render());
  return *std::move(value);
}

void require(ir::Status status, const ir::Diagnostics& diagnostics) {
  if (status == ir::Status::failed) throw std::runtime_error(diagnostics.render());
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr int threads = 2;

/// The module after every pass up to autodiff, with the gradients among its named results instead of updates.
ir::Module differentiated(ir::Module module, ir::Diagnostics& diagnostics) {
  std::vector<const passes::Pass*> until = passes::pipeline_to(passes::Stage::step);
  const auto autodiff = std::ranges::find(until, "autodiff", &passes::Pass::name);
  if (autodiff == until.end()) throw std::runtime_error("no pass is called autodiff");
  until.erase(std::next(autodiff), until.end());
  require(passes::run_passes(module, until, {}, diagnostics), diagnostics);
  for (ir::Graph& graph : module.graphs) {
    for (ir::GraphResult& result : graph.results) {
      if (result.kind == ir::GraphResult::Kind::gradient)
        result = {ir::GraphResult::Kind::value, "grad." + result.name};
    }
  }
  module.rules.clear();
  module.updates.clear();
  return module;
}

/// Executes a module whose step stands, as written or compiled.
std::unique_ptr<runtime::Executor> executor_of(ir::Module module, Execution execution, ir::Diagnostics& diagnostics) {
  if (execution == Execution::reference) return runtime::make_reference_executor(module);
  tools::Machine machine = tools::Machine::native(threads);
  machine.keep_kernels_in(runtime::jit::default_cache_directory());
  std::vector<const passes::Pass*> rest = passes::pipeline_to(passes::Stage::program);
  rest.erase(rest.begin(), rest.begin() + std::ssize(passes::pipeline_to(passes::Stage::step)));
  require(passes::run_passes(module, rest, {.target = &machine.target()}, diagnostics), diagnostics);
  return machine.load(module);
}

/// The gradients of a batch at the slots that `state` has.
void record_gradients(const ir::Module& module, runtime::Executor& gradients, const runtime::Executor& state,
                      const std::vector<ir::Tensor>& batch, const std::string& step, runtime::NamedTensors& record) {
  for (const ir::Slot& slot : module.slots) gradients.set_slot(slot.path, state.slot(slot.path));
  const std::int64_t size = batch.at(0).type().shape.at(0);
  for (const runtime::NamedTensor& result : gradients.run(ir::train_graph, size, batch)) {
    if (result.name.starts_with("grad.")) record[fmt::format("{}.{}", step, result.name)] = result.value;
  }
}

/// `updates` says which parameter a state belongs to; every slot of either kind must turn up.
void record_slots(const ir::Module& module, const std::vector<ir::Update>& updates, const runtime::Executor& executor,
                  const std::string& step, runtime::NamedTensors& record) {
  std::map<std::string, std::string> names;
  for (const ir::Update& update : updates) {
    for (const std::string& state : update.states) {
      names[state] = fmt::format("state.{}{}", update.parameter, state.substr(state.rfind('.')));
    }
  }
  for (const ir::Slot& slot : module.slots) {
    if (slot.kind == ir::SlotKind::parameter) names[slot.path] = "param." + slot.path;
    if (slot.kind == ir::SlotKind::statistic) names[slot.path] = "statistic." + slot.path;
    if (slot.kind != ir::SlotKind::parameter && slot.kind != ir::SlotKind::statistic &&
        slot.kind != ir::SlotKind::optimizer)
      continue;
    if (!names.contains(slot.path)) throw std::runtime_error("no update has the state " + slot.path);
    record[fmt::format("{}.{}", step, names[slot.path])] = executor.slot(slot.path);
  }
}

/// What the accumulators say, by names like `report.train.loss`, in the fixture's type.
void record_report(runtime::Executor& executor, runtime::NamedTensors& record) {
  for (const runtime::NamedTensor& result : executor.run(ir::report_graph, 0, {})) {
    record["report." + result.name] =
        ir::Tensor::splat(ir::Type{.dtype = ir::DType::f32, .shape = {}, .layout = {}}, result.value.real(0));
  }
}

void zero_accumulators(const ir::Module& module, runtime::Executor& executor) {
  for (const ir::Slot& slot : module.slots) {
    if (slot.kind == ir::SlotKind::accumulator) executor.set_slot(slot.path, ir::Tensor(slot.type));
  }
}

/// The examples of a dataset in file order, cut into batches of which the last may be smaller.
class Batches {
 public:
  Batches(const runtime::Dataset& data, std::int64_t batch) : data_(data), batch_(batch) {}

  std::int64_t count() const { return (data_.examples() + batch_ - 1) / batch_; }
  std::int64_t size(std::int64_t index) const { return std::min(batch_, data_.examples() - index * batch_); }
  std::vector<ir::Tensor> gather(std::int64_t index) const {
    std::vector<std::int64_t> examples(static_cast<std::size_t>(size(index)));
    std::iota(examples.begin(), examples.end(), index * batch_);
    std::vector<ir::Tensor> fields;
    data_.gather(examples, fields);
    return fields;
  }

 private:
  const runtime::Dataset& data_;
  std::int64_t batch_;
};

double loss_of(const std::vector<runtime::NamedTensor>& results) {
  const auto loss = std::ranges::find(results, "loss", &runtime::NamedTensor::name);
  if (loss == results.end()) throw std::runtime_error("the train graph has no result `loss`");
  return loss->value.real(0);
}

}  // namespace

runtime::NamedTensors replay(const Case& test_case, Execution execution) {
  ir::Diagnostics diagnostics;
  const frontend::Options options{.set = test_case.set, .batch = test_case.batch, .epochs = {}};
  const frontend::Model model =
      require(frontend::load(test_case.program, read_text(test_case.program), options, diagnostics), diagnostics);
  const runtime::OpenedData data =
      require(runtime::open_data(test_case.data, model.recipe().data, diagnostics), diagnostics);
  const Batches batches(data.train, test_case.batch);
  frontend::BatchSizes sizes{.train = runtime::batch_sizes(data.train.examples(), test_case.batch), .eval = {}};
  if (test_case.reports) sizes.eval = sizes.train;
  ir::Module module = require(model.elaborate(sizes, diagnostics), diagnostics);
  const std::vector<ir::Update> updates = module.updates;
  const std::unique_ptr<runtime::Executor> gradients =
      executor_of(differentiated(module, diagnostics), execution, diagnostics);
  require(passes::run_passes(module, passes::pipeline_to(passes::Stage::step), {}, diagnostics), diagnostics);
  const std::unique_ptr<runtime::Executor> executor = executor_of(module, execution, diagnostics);
  if (const ir::Slot* total = module.find_slot(ir::total_steps_slot)) {
    const ir::Recipe& recipe = module.recipe;
    const std::int64_t steps_in_all = recipe.steps ? *recipe.steps : recipe.epochs.value_or(1) * batches.count();
    executor->set_slot(total->path, ir::Tensor::splat_integer(total->type, steps_in_all));
  }
  executor->run("init", 0, {});
  require(runtime::load_weights(test_case.initial_weights, module, *executor, diagnostics), diagnostics);

  runtime::NamedTensors record;
  ir::Tensor losses(ir::Type{.dtype = ir::DType::f32, .shape = {steps}, .layout = {}});
  for (std::int64_t step = 1; step <= steps; ++step) {
    const std::int64_t index = (step - 1) % batches.count();
    const std::int64_t size = batches.size(index);
    const std::vector<ir::Tensor> batch = batches.gather(index);
    if (index == 0) zero_accumulators(module, *executor);
    const bool recorded = step == first_recorded || step == steps;
    const std::string name = fmt::format("step{}", step);
    if (recorded) record_gradients(module, *gradients, *executor, batch, name, record);
    losses.set_real(step - 1, loss_of(executor->run("train", size, batch)));
    if (recorded) record_slots(module, updates, *executor, name, record);
  }
  record["loss"] = std::move(losses);
  if (test_case.reports) {
    for (std::int64_t i = 0; i < batches.count(); ++i) executor->run("eval", batches.size(i), batches.gather(i));
    record_report(*executor, record);
  }
  return record;
}

}  // namespace nnc::parity
