// The loop, in order:
//
//  1. The runtime's settings (random key, total steps) are set, `init` runs, and weights given by file, or all slots of a
//     run that is resumed, replace what it made.
//  2. Each epoch zeroes the accumulators and visits its batches; every step's loss is looked at.
//  3. After the epoch's last step: last weights and the run's state, validation, report, best weights, the stop rule. What
//     is resumed from that state does all that follows it once more.
#include "runtime/trainer.h"

#include "ir/check.h"
#include "ir/value_fault.h"
#include "runtime/checkpoint.h"
#include "runtime/data/file.h"
#include "runtime/epoch_order.h"
#include "runtime/run_state.h"
#include "runtime/step_times.h"
#include "runtime/stop_rule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace nnc::runtime {

namespace {

constexpr std::size_t most_losses = 1000;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// At the innermost line of the user's file; notes say what calls it, and where in the standard library it is met.
void report_fault(const ir::ValueFault& fault, ir::Diagnostics& diagnostics) {
  const ir::CallChain chain = fault.location.empty() ? ir::CallChain{{}} : fault.location.chains().front();
  const std::size_t shown = ir::innermost_in_first_file(chain);
  diagnostics.error(chain[shown], fault.what()).note_calls(chain, shown);
}

/// Whether all elements are; those that are not floats are.
bool is_finite(const ir::Type& type, std::span<const std::byte> bytes) {
  const auto all = [&]<class T>() {
    const std::span elements(reinterpret_cast<const T*>(bytes.data()), static_cast<std::size_t>(type.elements()));
    return std::ranges::all_of(elements, [](T x) { return std::isfinite(x); });
  };
  if (type.dtype == ir::DType::f32) return all.template operator()<float>();
  return type.dtype != ir::DType::f64 || all.template operator()<double>();
}

RunSettings settings(const ir::Module& module, const Dataset& training, const std::optional<Dataset>& validation,
                     const TrainOptions& options) {
  return {options.seed, options.shuffle, module.recipe.batch, training.examples(),
          validation ? validation->examples() : 0};
}

std::string output(const TrainOptions& options, std::string_view file) {
  return (std::filesystem::path(options.out) / file).string();
}

class Trainer {
 public:
  Trainer(const ir::Module& module, Executor& executor, const Dataset& training,
          const std::optional<Dataset>& validation, const TrainOptions& options, const Watcher& watcher,
          ir::Diagnostics& diagnostics)
      : module_(module),
        recipe_(module.recipe),
        executor_(executor),
        training_(training),
        validation_(validation),
        options_(options),
        watcher_(watcher),
        diagnostics_(diagnostics),
        rule_(module.recipe.stop),
        steps_per_epoch_(steps_of_epoch(training.examples(), module.recipe.batch)) {}

  std::optional<TrainResult> run() {
    if (!begin()) return std::nullopt;
    result_.losses.reserve(most_losses);
    while (!reason_ && (begun_steps_ > 0 || !over_before_epoch())) {
      if (!epoch()) return std::nullopt;
    }
    if (result_.steps == 0 && !save(last_weights)) return std::nullopt;
    result_.reason = *reason_;
    result_.step_seconds = times_.take();
    return std::move(result_);
  }

 private:
  bool begin() {
    if (!recipe_.epochs && !recipe_.steps && !recipe_.stop) {
      diagnostics_.error("training would never end: the recipe has neither epochs nor steps nor stop");
      return false;
    }
    set(ir::key_slot, static_cast<std::int64_t>(options_.seed));
    set(ir::total_steps_slot, total_steps());
    executor_.run(ir::init_graph, 0, {});
    if (options_.resume) return resume();
    if (!options_.init.empty() && load_weights(options_.init, module_, executor_, diagnostics_) == ir::Status::failed) {
      return false;
    }
    return options_.out.empty() || prepare_output(options_.out, diagnostics_) == ir::Status::ok;
  }

  /// Takes the place where the run in the output directory was.
  bool resume() {
    const std::optional<RunState> state = find_run(module_, training_, validation_, options_, diagnostics_);
    if (!state || load_slots(output(options_, run_file), module_, executor_, diagnostics_) == ir::Status::failed ||
        prepare_output(options_.out, diagnostics_) == ir::Status::failed || !restore_best(state->stop.best_epoch > 0))
      return false;
    set(ir::total_steps_slot, total_steps());  // the recipe may say more than it did
    rule_.restore(state->stop);
    result_.best_epoch = state->stop.best_epoch;
    if (validation_ && state->stop.best_epoch > 0) result_.best_valid_loss = state->stop.best_loss;
    result_.steps = state->steps;
    result_.epochs = state->epochs();
    begun_steps_ = state->step_in_epoch();
    anew_ = false;
    return true;
  }

  /// What an earlier run left says nothing about this one. It stays until there is something to put in its place.
  bool remove_earlier() {
    if (options_.out.empty() || !std::exchange(anew_, false)) return true;
    return remove(best_weights) && remove(best_epoch_weights) && remove(run_file);
  }

  /// A run that ended within an epoch measured that part of it as well. Resumed, it has only whole epochs behind it.
  bool restore_best(bool there_is_one) {
    if (!there_is_one) return remove(best_weights);
    std::error_code missing;
    return !std::filesystem::exists(output(options_, best_epoch_weights), missing) ||
           move(best_epoch_weights, best_weights);
  }

  /// Keeps the best weights of whole epochs, for a run that is resumed, where a part of one is better.
  bool keep_best() {
    if (options_.out.empty()) return true;
    std::error_code missing;
    return !std::filesystem::exists(output(options_, best_weights), missing) || move(best_weights, best_epoch_weights);
  }

  bool remove(std::string_view file) {
    std::error_code error;
    std::filesystem::remove(output(options_, file), error);
    return succeeded(file, "remove", error);
  }
  bool move(std::string_view file, std::string_view to) {
    std::error_code error;
    std::filesystem::rename(output(options_, file), output(options_, to), error);
    return succeeded(file, "move", error);
  }
  bool succeeded(std::string_view file, std::string_view what, const std::error_code& error) {
    if (error)
      diagnostics_.error(whole_file(output(options_, file)), fmt::format("cannot {} it: {}", what, error.message()));
    return !error;
  }

  /// What schedules count towards; options that end training early do not change it.
  std::int64_t total_steps() const {
    if (recipe_.steps) return *recipe_.steps;
    std::int64_t total = 0;
    const bool too_many = __builtin_mul_overflow(recipe_.epochs.value_or(0), steps_per_epoch_, &total);
    return too_many ? std::numeric_limits<std::int64_t>::max() : total;
  }

  /// A slot that no graph reads may be missing.
  void set(std::string_view slot, std::int64_t value) {
    if (const ir::Slot* found = module_.find_slot(slot)) {
      executor_.set_slot(found->path, ir::Tensor::splat_integer(found->type, value));
    }
  }

  void zero_accumulators() {
    for (const ir::Slot& slot : module_.slots) {
      if (slot.kind == ir::SlotKind::accumulator) {
        executor_.set_slot(slot.path, ir::Tensor(slot.type));
      }
    }
  }

  bool signalled() const { return options_.signal != nullptr && options_.signal->load() != 0; }

  /// Why training ends before another epoch begins.
  bool over_before_epoch() {
    if (recipe_.epochs && result_.epochs >= *recipe_.epochs) {
      reason_ = StopReason::epochs;
    } else if (recipe_.steps && result_.steps >= *recipe_.steps) {
      reason_ = StopReason::steps;
    } else if (rule_.exhausted()) {
      reason_ = StopReason::no_improvement;
    } else if (signalled()) {
      reason_ = StopReason::signal;
    } else if (options_.max_steps && result_.steps >= *options_.max_steps) {
      reason_ = StopReason::max_steps;
    }
    return reason_.has_value();
  }

  /// Why training ends after a step within an epoch; the epoch's last step asks for divergence only.
  void look_after_step(double loss, std::int64_t step_in_epoch) {
    if (!std::isfinite(loss)) {
      reason_ = StopReason::diverged;
    } else {
      look_within_epoch(step_in_epoch);
    }
  }

  void look_within_epoch(std::int64_t step_in_epoch) {
    if (step_in_epoch == steps_per_epoch_) return;
    if (recipe_.epochs && result_.epochs >= *recipe_.epochs) {
      reason_ = StopReason::epochs;  // a run that is resumed with fewer
    } else if (recipe_.steps && result_.steps >= *recipe_.steps) {
      reason_ = StopReason::steps;
    } else if (signalled()) {
      reason_ = StopReason::signal;
    } else if (options_.max_steps && result_.steps >= *options_.max_steps) {
      reason_ = StopReason::max_steps;
    }
  }

  /// One epoch, or the part of it until there is a reason to stop, and what follows it; false after an error.
  bool epoch() {
    const Clock::time_point begin = Clock::now();
    Progress progress;
    progress.epoch = result_.epochs + 1;
    progress.steps = result_.steps;
    progress.steps_per_epoch = steps_per_epoch_;
    progress.step_in_epoch = std::exchange(begun_steps_, 0);
    if (progress.step_in_epoch > 0) {
      look_within_epoch(progress.step_in_epoch);
    } else {
      zero_accumulators();
    }
    const std::vector<std::int64_t> order = options_.shuffle
                                                ? epoch_order(training_.examples(), options_.seed, progress.epoch)
                                                : file_order(training_.examples());
    while (!reason_ && progress.step_in_epoch < steps_per_epoch_) {
      progress.batch_loss = step(order, progress.step_in_epoch++);
      progress.steps = result_.steps;
      progress.seconds = seconds_since(begin);
      look_after_step(progress.batch_loss, progress.step_in_epoch);
      if (watcher_.step) watcher_.step(progress);
      const bool ends = reason_ || progress.step_in_epoch == steps_per_epoch_;
      const bool late = seconds_since(state_saved_) >= options_.save_seconds;
      if (late && !ends && (!remove_earlier() || !save_state())) return false;
    }

    // Saved before validation, which may take long.
    if (!remove_earlier() || !save(last_weights) || !save_state()) return false;
    if (progress.step_in_epoch == steps_per_epoch_) ++result_.epochs;
    const bool validated = validate();
    report(validated);
    if (!validated && reason_ != StopReason::diverged) reason_ = StopReason::signal;
    const double watched = result_.valid ? result_.valid->loss : result_.train.loss;
    const bool improved = validated && rule_.add(progress.epoch, watched);
    const bool is_whole = progress.step_in_epoch == steps_per_epoch_;
    if (improved) {
      result_.best_epoch = progress.epoch;
      if (validation_) result_.best_valid_loss = watched;
    }
    progress.seconds = seconds_since(begin);
    if (watcher_.epoch) watcher_.epoch(progress, result_.train, result_.valid, improved);
    return !improved || ((is_whole || keep_best()) && save(best_weights));
  }

  /// The examples of batch `index`; the last one has what is left.
  std::span<const std::int64_t> batch_of(const std::vector<std::int64_t>& order, std::int64_t index) const {
    const std::int64_t begin = index * recipe_.batch;
    const std::int64_t count = std::min(recipe_.batch, static_cast<std::int64_t>(order.size()) - begin);
    return std::span(order).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
  }

  /// Trains on one batch; gives its loss before the update.
  double step(const std::vector<std::int64_t>& order, std::int64_t index) {
    const Clock::time_point begin = Clock::now();
    const std::span<const std::int64_t> batch = batch_of(order, index);
    const auto size = static_cast<std::int64_t>(batch.size());
    std::vector<ir::Tensor>& gathered = batches_[size];
    training_.gather(batch, gathered);
    const double loss = named(executor_.run(ir::train_graph, size, gathered), ir::loss_result);
    const double seconds = seconds_since(begin);
    result_.seconds += seconds;
    times_.add(seconds);
    if (result_.losses.size() < most_losses) result_.losses.push_back(loss);
    ++result_.steps;
    result_.examples += size;
    return loss;
  }

  /// False if a signal cut it short: part of the validation data gives no figures. A signal that came before ended
  /// training, which validates once more.
  bool validate() {
    if (!validation_) return true;
    const bool ending = signalled();
    const std::vector<std::int64_t> order = file_order(validation_->examples());
    for (std::int64_t i = 0; i < steps_of_epoch(validation_->examples(), recipe_.batch); ++i) {
      if (!ending && signalled()) return false;
      const std::span<const std::int64_t> batch = batch_of(order, i);
      const auto size = static_cast<std::int64_t>(batch.size());
      validation_->gather(batch, batches_[size]);
      executor_.run(ir::eval_graph, size, batches_[size]);
    }
    return true;
  }

  void report(bool validated) {
    const std::vector<NamedTensor>& values = executor_.run(ir::report_graph, 0, {});
    const auto figures = [&](std::string_view graph) {
      Report report;
      report.loss = named(values, ir::reported_result(graph, ir::loss_result));
      for (const std::string& metric : recipe_.metrics) {
        report.metrics.emplace_back(metric, named(values, ir::reported_result(graph, metric)));
      }
      return report;
    };
    result_.train = figures(ir::train_graph);
    result_.valid = std::nullopt;
    if (validation_ && validated) result_.valid = figures(ir::eval_graph);
  }

  static double named(const std::vector<NamedTensor>& results, std::string_view name) {
    const auto found = std::ranges::find(results, name, &NamedTensor::name);
    NNC_CHECK(found != results.end() && found->value.elements() == 1, "no result {} of one element", name);
    return found->value.real(0);
  }

  bool save(std::string_view file) {
    if (options_.out.empty()) return true;
    return save_weights(output(options_, file), module_, executor_, symbol_tables(training_), diagnostics_) ==
           ir::Status::ok;
  }

  /// Before validation adds to its accumulators. The state that is there stays where there is nothing to resume from.
  bool save_state() {
    if (options_.out.empty() || !parameters_are_finite()) return true;
    Metadata metadata =
        to_metadata({settings(module_, training_, validation_, options_), result_.steps, rule_.state()});
    metadata.merge(symbol_tables(training_));
    const ir::Status status = save_slots(output(options_, run_file), module_, executor_, metadata, diagnostics_);
    state_saved_ = Clock::now();
    return status == ir::Status::ok;
  }

  /// A loss is that before the update, which may have made them anything.
  bool parameters_are_finite() const {
    return std::ranges::all_of(module_.slots, [&](const ir::Slot& slot) {
      return slot.kind != ir::SlotKind::parameter || is_finite(slot.type, executor_.slot_bytes(slot.path));
    });
  }

  const ir::Module& module_;
  const ir::Recipe& recipe_;
  Executor& executor_;
  const Dataset& training_;
  const std::optional<Dataset>& validation_;
  const TrainOptions& options_;
  const Watcher& watcher_;
  ir::Diagnostics& diagnostics_;
  StopRule rule_;
  std::int64_t steps_per_epoch_;
  std::int64_t begun_steps_ = 0;  // of the next epoch, done before the run was resumed
  bool anew_ = true;              // nothing in the output directory is of this run
  Clock::time_point state_saved_ = Clock::now();
  std::map<std::int64_t, std::vector<ir::Tensor>> batches_;  // by size
  TrainResult result_;
  StepTimes times_;
  std::optional<StopReason> reason_;
};

/// What a module has to run, whether it is lowered or not.
class Trainable {
 public:
  Trainable(const ir::Module& module, const std::string& file, ir::Diagnostics& diagnostics)
      : module_(module), file_(file), diagnostics_(diagnostics) {}

  void require(std::string_view graph, const std::vector<std::int64_t>& sizes) {
    for (const std::int64_t size : sizes) {
      if (results_of(graph, size)) continue;
      std::vector<std::int64_t> there;
      for (const ir::Graph& other : module_.graphs)
        if (other.name == graph) there.push_back(other.batch);
      for (const ir::Program& other : module_.programs)
        if (other.name == graph) there.push_back(other.batch);
      fail(there.empty() || size == 0
               ? fmt::format("the module has no `{}`", graph)
               : fmt::format("the data needs `{}` for batches of {}, and the module has it for {}; train the "
                             ".nn source instead",
                             graph, size, fmt::join(there, ", ")));
    }
  }

  void require_figure(std::string_view graph, std::int64_t size, const std::string& name) {
    const std::optional<std::map<std::string, ir::Type>> results = results_of(graph, size);
    if (!results) return;
    const auto found = results->find(name);
    if (found == results->end())
      fail(fmt::format("`{}` gives no result `{}`", graph, name));
    else if (found->second.elements() != 1)
      fail(fmt::format("result `{}` of `{}` is one number, found {}", name, graph, ir::to_string(found->second)));
  }

 private:
  void fail(std::string message) { diagnostics_.error(whole_file(file_), std::move(message)); }

  /// Nothing where there is no such graph or program.
  std::optional<std::map<std::string, ir::Type>> results_of(std::string_view name, std::int64_t batch) const {
    std::map<std::string, ir::Type> types;
    if (const ir::Graph* const graph = module_.find_graph(name, batch)) {
      for (std::size_t i = 0; i < graph->results.size(); ++i)
        if (graph->results[i].kind == ir::GraphResult::Kind::value)
          types.emplace(graph->results[i].name, graph->body.type(graph->body.results[i]));
      return types;
    }
    const ir::Program* const program = module_.find_program(name, batch);
    if (program == nullptr) return std::nullopt;
    for (const auto& [result, buffer] : program->results)
      types.emplace(result, program->buffers[static_cast<std::size_t>(buffer)].type);
    return types;
  }

  const ir::Module& module_;
  const std::string& file_;
  ir::Diagnostics& diagnostics_;
};

}  // namespace

ir::Status check_trainable(const ir::Module& module, const std::vector<std::int64_t>& train_sizes,
                           const std::vector<std::int64_t>& eval_sizes, const std::string& file,
                           ir::Diagnostics& diagnostics) {
  const int before = diagnostics.count();
  Trainable check(module, file, diagnostics);
  check.require(ir::init_graph, {0});
  check.require(ir::train_graph, train_sizes);
  check.require(ir::eval_graph, eval_sizes);
  check.require(ir::report_graph, {0});
  for (const std::int64_t size : train_sizes) check.require_figure(ir::train_graph, size, std::string(ir::loss_result));
  for (const std::string_view graph : {ir::train_graph, ir::eval_graph}) {
    if (graph == ir::eval_graph && eval_sizes.empty()) continue;
    check.require_figure(ir::report_graph, 0, ir::reported_result(graph, ir::loss_result));
    for (const std::string& metric : module.recipe.metrics)
      check.require_figure(ir::report_graph, 0, ir::reported_result(graph, metric));
  }
  return diagnostics.count() > before ? ir::Status::failed : ir::Status::ok;
}

std::string_view name(StopReason reason) {
  switch (reason) {
    case StopReason::epochs: return "epochs";
    case StopReason::steps: return "steps";
    case StopReason::max_steps: return "max_steps";
    case StopReason::no_improvement: return "no_improvement";
    case StopReason::diverged: return "diverged";
    case StopReason::signal: return "signal";
  }
  return "";
}

std::vector<std::int64_t> batch_sizes(std::int64_t examples, std::int64_t batch) {
  std::vector<std::int64_t> sizes;
  if (examples >= batch) sizes.push_back(batch);
  if (examples % batch != 0) sizes.push_back(examples % batch);
  return sizes;
}

std::optional<RunState> find_run(const ir::Module& module, const Dataset& training,
                                 const std::optional<Dataset>& validation, const TrainOptions& options,
                                 ir::Diagnostics& diagnostics) {
  const std::optional<RunState> state = read_run_state(options.out, diagnostics);
  if (!state) return std::nullopt;
  const std::string file = output(options, run_file);
  const RunSettings now = settings(module, training, validation, options);
  const bool fits = check_settings(file, state->settings, now, diagnostics) == ir::Status::ok &&
                    check_slots(file, module, diagnostics) == ir::Status::ok &&
                    check_symbols(file, training, diagnostics) == ir::Status::ok;
  return fits ? state : std::nullopt;
}

std::optional<TrainResult> train(const ir::Module& module, Executor& executor, const Dataset& training,
                                 const std::optional<Dataset>& validation, const TrainOptions& options,
                                 const Watcher& watcher, ir::Diagnostics& diagnostics) {
  NNC_CHECK(training.examples() > 0 && (!validation || validation->examples() > 0), "a dataset without examples");
  NNC_CHECK(module.recipe.batch > 0, "a batch of {}", module.recipe.batch);
  NNC_CHECK(!options.resume || !options.out.empty(), "no directory of the run to go on with");
  try {
    return Trainer(module, executor, training, validation, options, watcher, diagnostics).run();
  } catch (const ir::ValueFault& fault) {
    report_fault(fault, diagnostics);
    return std::nullopt;
  }
}

}  // namespace nnc::runtime
