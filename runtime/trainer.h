// The training loop: epochs of shuffled batches, validation, metrics, the stop rule, best and last weights.
//
// An epoch visits every training example once: full batches, then the rest as a smaller one. After it (and when
// training ends within one) last.safetensors is written, validation runs over the validation data in order, the
// `report` graph turns the epoch's accumulators into loss and metrics, and best.safetensors is written if the watched
// loss (validation, or training without validation data) is the lowest so far. run.safetensors, from which training can
// be resumed, is written before validation, and every ten minutes. Where several reasons to stop meet in one step,
// divergence counts first, then the end of the recipe, then no improvement, a signal, max_steps. A signal also cuts
// validation short, which then gives no figures.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"
#include "runtime/run_state.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nnc::runtime {

struct TrainOptions {
  std::optional<std::int64_t> max_steps;
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::string out;                           // directory; empty: no files
  bool resume = false;                       // the run in `out`, whose state is there
  double save_seconds = 600;                 // save that state within an epoch as well, so long after the last time
  std::string init;                          // safetensors to start from; empty: the `init` graph alone
  const std::atomic<int>* signal = nullptr;  // set to a signal's number to stop after the current batch
};

enum class StopReason { epochs, steps, max_steps, no_improvement, diverged, signal };
std::string_view name(StopReason reason);

using Metrics = std::vector<std::pair<std::string, double>>;

/// Figures of an epoch, or of the part of one that was done.
struct Report {
  double loss = std::numeric_limits<double>::quiet_NaN();
  Metrics metrics;
};

/// What watchers see after a step (for a moving bar) and after an epoch or the part of one that was done (for a line).
/// `improved`: the watched loss is the lowest so far.
struct Progress {
  std::int64_t epoch = 0;  // from 1
  std::int64_t steps = 0;  // done so far
  std::int64_t step_in_epoch = 0, steps_per_epoch = 0;
  double seconds = 0;  // since the epoch began
  double batch_loss = 0;
};
struct Watcher {
  std::function<void(const Progress&)> step;
  std::function<void(const Progress&, const Report& train, const std::optional<Report>& valid, bool improved)> epoch;
};

struct TrainResult {
  StopReason reason = StopReason::epochs;
  std::int64_t steps = 0, epochs = 0;  // of the whole run, however often it was resumed; epochs: complete ones
  Report train;
  std::optional<Report> valid;
  std::optional<double> best_valid_loss;
  std::int64_t best_epoch = 0;
  // Since the run began or was resumed:
  std::vector<double> losses;        // before each update, of the first 1000 steps
  std::vector<double> step_seconds;  // gathering the batch and the step: of the last 10,000, in no order
  double seconds = 0;                // of all steps
  std::int64_t examples = 0;         // seen in training steps
};

/// The batch sizes that training and validation on so many examples need, largest first.
std::vector<std::int64_t> batch_sizes(std::int64_t examples, std::int64_t batch);

/// Whether a module that was printed, and perhaps edited, has what training runs: `init`, `train` and `eval` for these
/// sizes of batches, `report`, and the figures that they give. `file` is where it comes from.
ir::Status check_trainable(const ir::Module& module, const std::vector<std::int64_t>& train_sizes,
                           const std::vector<std::int64_t>& eval_sizes, const std::string& file,
                           ir::Diagnostics& diagnostics);

/// Where the run in `options.out` is, if it can be resumed with this model, data and options; what does not fit is an
/// error.
std::optional<RunState> find_run(const ir::Module& module, const Dataset& training,
                                 const std::optional<Dataset>& validation, const TrainOptions& options,
                                 ir::Diagnostics& diagnostics);

/// Trains until the recipe, the options or a signal ends it. Errors (an unwritable file, weights that do not fit) come
/// back as an empty result with diagnostics.
std::optional<TrainResult> train(const ir::Module& module, Executor& executor, const Dataset& training,
                                 const std::optional<Dataset>& validation, const TrainOptions& options,
                                 const Watcher& watcher, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
