// From a request to a module and data that are ready for the first step (driver.h).
//
//  1. The source gives the data fields; a printed module has them in its recipe.
//  2. The data is opened, split, and its numbers of examples give the batch sizes.
//  3. The source is elaborated for those sizes; a printed module must have them.
//  4. What the model indexes by the data is checked, or drawn, before the passes run.
#include "ir/text.h"
#include "runtime/data/file.h"
#include "runtime/epoch_order.h"
#include "runtime/trainer.h"
#include "tools/describe_module.h"
#include "tools/driver.h"
#include "tools/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

namespace nnc::tools {
namespace {

constexpr std::int64_t synthetic_batches = 100;  // in an epoch

/// Sums up the time between resume and pause.
class Stopwatch {
 public:
  void resume() { began_ = std::chrono::steady_clock::now(); }
  void pause() { total_ += std::chrono::steady_clock::now() - began_; }
  double seconds() const { return std::chrono::duration<double>(total_).count(); }

 private:
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::duration total_{};
};

/// The program as the file gives it: source yet to be elaborated, or a module.
struct Input {
  std::optional<frontend::Model> model;
  std::optional<ir::Module> module;

  const ir::Recipe& recipe() const { return model ? model->recipe() : module->recipe; }
};

/// Whether a module has been brought to programs.
bool is_lowered(const ir::Module& module) { return !module.programs.empty(); }

std::optional<Input> load_input(const TrainRequest& request, ir::Diagnostics& diagnostics) {
  std::optional<TextFile> file = read_text(request.file, diagnostics);
  if (!file) return std::nullopt;
  Input input;
  if (!is_module_text(file->text)) {
    input.model = frontend::load(file->name, file->text, request.options, diagnostics);
    return input.model ? std::optional{std::move(input)} : std::nullopt;
  }
  if (!request.options.set.empty() || request.options.batch) {
    diagnostics.error(runtime::whole_file(file->name),
                      fmt::format("a printed module is compiled already: {} needs the .nn source",
                                  request.options.batch ? "--batch" : "--set"));
    return std::nullopt;
  }
  input.module = ir::parse_module(file->name, file->text, diagnostics);
  if (!input.module) return std::nullopt;
  if (!flops_per_step(*input.module)) {
    diagnostics.error(runtime::whole_file(file->name), "the module has no `train`, so there is nothing to train");
    return std::nullopt;
  }
  if (is_lowered(*input.module) && request.reference) {
    diagnostics.error(runtime::whole_file(file->name),
                      "the reference interpreter runs graphs, and this module has programs: leave out --reference");
    return std::nullopt;
  }
  if (request.options.epochs) {
    input.module->recipe.epochs = request.options.epochs;
    input.module->recipe.steps = std::nullopt;
  }
  return input;
}

/// Sets a part of the training examples apart for validation.
std::optional<runtime::OpenedData> split(const runtime::OpenedData& data, double fraction, std::uint64_t seed,
                                         ir::Diagnostics& diagnostics) {
  const std::int64_t examples = data.train.examples();
  // Windows beside those of training would tell much of what is to be predicted: a text's end is set apart.
  const std::vector<std::int64_t> indices = data.train.is_sequence()
                                                ? runtime::last_indices(examples, fraction)
                                                : runtime::validation_indices(examples, fraction, seed);
  const auto count = static_cast<std::int64_t>(indices.size());
  if (count == 0 || count == examples) {
    diagnostics.error(fmt::format("--val-split {} leaves {} of {} examples for training and {} for validation",
                                  fraction, examples - count, examples, count));
    return std::nullopt;
  }
  auto [training, validation] = data.train.split(indices);
  return runtime::OpenedData{std::move(training), std::move(validation)};
}

std::optional<runtime::OpenedData> open(const TrainRequest& request, const std::vector<ir::DataField>& fields,
                                        ir::Diagnostics& diagnostics) {
  const bool own_validation = request.valid.empty() && !request.val_split;
  std::optional<runtime::OpenedData> opened = runtime::open_data(request.data, fields, diagnostics, own_validation);
  if (!opened) return std::nullopt;
  if (!request.valid.empty()) {
    opened->validation = runtime::open_validation(request.valid, fields, opened->train, diagnostics);
    if (!opened->validation) return std::nullopt;
  } else if (request.val_split) {
    return split(*opened, *request.val_split, request.seed, diagnostics);
  }
  return opened;
}

/// Whether the train graphs update parameters already, as they do from the step on.
bool has_updates(const ir::Module& module) {
  const ir::Graph* train = full_train_graph(module);
  return std::any_of(module.slots.begin(), module.slots.end(), [&](const ir::Slot& slot) {
    return slot.kind == ir::SlotKind::parameter && train->result(ir::GraphResult::Kind::slot, slot.path).valid();
  });
}

/// The passes from where the module stands to where execution begins. Indices are checked whatever the text says.
std::vector<const passes::Pass*> remaining_passes(const ir::Module& module, bool reference) {
  if (is_lowered(module)) return {};
  const std::vector<const passes::Pass*> to_step = passes::pipeline_to(passes::Stage::step);
  std::vector<const passes::Pass*> result = reference ? to_step : passes::pipeline_to(passes::Stage::program);
  if (!has_updates(module)) return result;
  result.erase(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(to_step.size()));
  result.insert(result.begin(), passes::find_pass("check-indices"));
  return result;
}

/// An executor, if there is memory for what it plans.
std::unique_ptr<runtime::Executor> make_executor(const ir::Module& module, const Machine* machine,
                                                 runtime::Profile* profile, ir::Diagnostics& diagnostics) {
  try {
    return machine == nullptr ? runtime::make_reference_executor(module) : machine->load(module, profile);
  } catch (const std::bad_alloc&) {
    const ir::PlannedMemory memory = ir::planned_memory(module);
    const bool of_batches = memory.transient + memory.scratch > memory.slots;
    diagnostics.error(fmt::format("out of memory for the planned {}{}", describe_memory(memory),
                                  of_batches ? "; smaller batches need less" : ""));
    return nullptr;
  }
}

ir::Status check_data(const TrainRequest& request, const std::map<std::string, std::int64_t>& ranges,
                      const Prepared& prepared, ir::Diagnostics& diagnostics) {
  const ir::Status training = runtime::check_ranges(prepared.training, ranges, request.data, diagnostics);
  if (!prepared.validation) return training;
  const std::string& path = request.valid.empty() ? request.data : request.valid;
  const ir::Status validation = runtime::check_ranges(*prepared.validation, ranges, path, diagnostics);
  return training == ir::Status::failed ? training : validation;
}

}  // namespace

std::optional<Prepared> prepare(const TrainRequest& request, ir::Diagnostics& diagnostics) {
  Stopwatch compiling;
  compiling.resume();
  std::optional<Input> input = load_input(request, diagnostics);
  if (!input) return std::nullopt;
  const ir::Recipe& recipe = input->recipe();
  compiling.pause();

  Prepared prepared;
  const bool synthetic = request.data.empty();
  frontend::BatchSizes sizes{{recipe.batch}, {}};
  if (!synthetic) {
    std::optional<runtime::OpenedData> opened = open(request, recipe.data, diagnostics);
    if (!opened) return std::nullopt;
    prepared.training = std::move(opened->train);
    prepared.validation = std::move(opened->validation);
    sizes.train = runtime::batch_sizes(prepared.training.examples(), recipe.batch);
    if (prepared.validation) sizes.eval = runtime::batch_sizes(prepared.validation->examples(), recipe.batch);
  }

  compiling.resume();
  std::optional<ir::Module> module =
      input->model ? input->model->elaborate(sizes, diagnostics) : std::move(input->module);
  if (!module) return std::nullopt;
  if (!input->model &&
      runtime::check_trainable(*module, sizes.train, sizes.eval, request.file, diagnostics) == ir::Status::failed)
    return std::nullopt;
  std::map<std::string, std::int64_t> ranges;
  for (const ir::DataField& field : module->recipe.data) {
    if (field.range > 0) ranges[field.name] = field.range;
  }
  compiling.pause();

  if (synthetic) {
    const std::int64_t examples = synthetic_batches * module->recipe.batch;
    // Ids that the model may leave out are drawn as if it did not.
    for (const ir::DataField& field : module->recipe.data) {
      if (field.drawn > 0) ranges.try_emplace(field.name, field.drawn);
    }
    prepared.training = runtime::synthetic(module->recipe.data, ranges, examples, request.seed);
  } else if (check_data(request, ranges, prepared, diagnostics) == ir::Status::failed) {
    return std::nullopt;
  }

  compiling.resume();
  std::optional<Machine> machine;
  if (!request.reference) machine = Machine::native(request.threads);
  if (machine && !request.kernel_cache.empty()) machine->keep_kernels_in(request.kernel_cache);
  const ir::Target* target = machine ? &machine->target() : nullptr;
  const std::vector<const passes::Pass*> passes = remaining_passes(*module, request.reference);
  if (passes::run_passes(*module, passes, {.target = target}, diagnostics) == ir::Status::failed) return std::nullopt;
  if (machine && machine->check(*module, request.file, diagnostics) == ir::Status::failed) return std::nullopt;
  prepared.module = std::move(*module);
  if (request.profile) prepared.profiling = std::make_unique<Profiling>();
  runtime::Profile* profile = request.profile ? &prepared.profiling->profile : nullptr;
  prepared.executor = make_executor(prepared.module, machine ? &*machine : nullptr, profile, diagnostics);
  if (!prepared.executor) return std::nullopt;
  compiling.pause();
  if (request.profile) prepared.profiling->ceilings = machine->ceilings();
  prepared.compile_seconds = compiling.seconds();
  return prepared;
}

}  // namespace nnc::tools
