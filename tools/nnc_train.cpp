// nnc-train: trains the model of a `.nn` file on data until its recipe ends or the loss stops improving.
#include "runtime/atomic_file.h"
#include "runtime/checkpoint.h"
#include "runtime/data/file.h"
#include "runtime/jit/object_cache.h"
#include "runtime/run_state.h"
#include "runtime/trainer.h"
#include "tools/command_line.h"
#include "tools/describe_module.h"
#include "tools/driver.h"
#include "tools/exit_codes.h"
#include "tools/render_profile.h"
#include "tools/render_progress.h"
#include "tools/summary.h"
#include "tools/text_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace {

using namespace nnc;

struct Flags {
  tools::TrainRequest request;
  runtime::TrainOptions training;
  std::optional<std::int64_t> epochs;
  std::optional<std::uint64_t> seed;
  std::string resume;  // a directory
  bool synthetic = false, no_shuffle = false, no_kernel_cache = false, cache_asked = false, dry_run = false,
       quiet = false, profile = false;
  std::string summary, trace;
};

std::atomic<int> received_signal{0};  // by a signal handler

std::atomic<const std::string*> unprepared_summary{nullptr};  // printed if a signal ends the preparation

void on_signals(void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigfillset(&action.sa_mask);  // one handler at a time
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// While the model is compiled and data read there is nothing to save: a signal ends the process at once.
void end_at_signals() {
  static_assert(std::atomic<const std::string*>::is_always_lock_free);
  on_signals(
      [](int number) {
        const std::string* summary = unprepared_summary;
        if (summary != nullptr && write(STDOUT_FILENO, summary->data(), summary->size()) < 0) {
          _exit(tools::exit_user_error);
        }
        _exit(tools::exit_signal_base + number);
      },
      0);
}

/// While one lives, a signal that ends the preparation prints this summary.
class SummaryIfEnded {
 public:
  explicit SummaryIfEnded(std::string json) : json_(std::move(json)) {
    if (!json_.empty()) unprepared_summary = &json_;
  }
  ~SummaryIfEnded() { unprepared_summary = nullptr; }
  SummaryIfEnded(const SummaryIfEnded&) = delete;
  SummaryIfEnded& operator=(const SummaryIfEnded&) = delete;

 private:
  const std::string json_;
};

/// The first signal ends training after its batch; a second one ends the process.
void catch_signals() {
  static_assert(std::atomic<int>::is_always_lock_free);
  on_signals([](int number) { received_signal = number; }, SA_RESETHAND | SA_RESTART);
}

int exit_status(const runtime::TrainResult& result) {
  switch (result.reason) {
    case runtime::StopReason::diverged: return tools::exit_diverged;
    case runtime::StopReason::signal: return tools::exit_signal_base + received_signal;
    default: return tools::exit_done;
  }
}

int write_summary(const Flags& flags, const tools::Prepared& prepared,
                  const std::optional<runtime::TrainResult>& result, int status) {
  if (flags.summary.empty()) return status;
  ir::Diagnostics diagnostics;
  const std::string json = tools::summary_json(prepared, result);
  return tools::write_text("", json, diagnostics) == ir::Status::ok ? status : tools::fail(diagnostics);
}

/// Prints where the time went and writes the trace, as asked.
ir::Status write_profile(const Flags& flags, const tools::Prepared& prepared, ir::Diagnostics& diagnostics) {
  if (!prepared.profiling) return ir::Status::ok;
  const auto& [profile, ceilings] = *prepared.profiling;
  if (!flags.trace.empty() &&
      tools::write_text(flags.trace, tools::profile_trace(prepared.module, profile), diagnostics) == ir::Status::failed)
    return ir::Status::failed;
  if (!flags.profile) return ir::Status::ok;
  const std::string tables =
      tools::profile_tables(prepared.module, profile, ceilings, tools::source_to_show(flags.request.file));
  return tools::write_text("", tables, diagnostics);
}

/// Whether --init can be read and fits the model and the data.
ir::Status check_init(const Flags& flags, const tools::Prepared& prepared, ir::Diagnostics& diagnostics) {
  const std::string& init = flags.training.init;
  if (init.empty()) return ir::Status::ok;
  const ir::Status weights = runtime::check_weights(init, prepared.module, diagnostics);
  return weights == ir::Status::failed ? weights : runtime::check_symbols(init, prepared.training, diagnostics);
}

/// Takes from a run that is resumed what the command line does not say.
void take(const runtime::RunSettings& settings, Flags& flags) {
  if (!flags.seed) flags.request.seed = flags.training.seed = settings.seed;
  if (!flags.no_shuffle) flags.training.shuffle = settings.shuffle;
}

/// Says what would be trained, after the checks that training makes before its first step.
int dry_run(const Flags& flags, const tools::Prepared& prepared) {
  if (!flags.quiet) {
    std::cerr << flags.request.file << '\n' << tools::describe_module(prepared.module);
    const std::int64_t valid = prepared.validation ? prepared.validation->examples() : 0;
    std::cerr << fmt::format("examples       {} for training, {} for validation\n",
                             tools::grouped(prepared.training.examples()), tools::grouped(valid));
  }
  return write_summary(flags, prepared, std::nullopt, tools::exit_done);
}

int run(Flags flags) {
  const SummaryIfEnded summary(flags.summary.empty() ? "" : tools::unprepared_summary_json());
  ir::Diagnostics diagnostics;
  if (flags.cache_asked &&
      runtime::prepare_directory(flags.request.kernel_cache, "directory of kernels", diagnostics) == ir::Status::failed)
    return tools::fail(diagnostics);
  std::error_code unknown;  // that it cannot be written is found out below
  if (std::filesystem::is_directory(flags.trace, unknown)) {
    diagnostics.error(runtime::whole_file(flags.trace), "expected a file to write the trace to, found a directory");
    return tools::fail(diagnostics);
  }
  std::optional<runtime::RunState> resumed;
  if (flags.training.resume) {
    resumed = runtime::read_run_state(flags.training.out, diagnostics);
    if (!resumed) return tools::fail(diagnostics);
    take(resumed->settings, flags);
  }
  std::optional<tools::Prepared> prepared = tools::prepare(flags.request, diagnostics);
  if (!prepared || check_init(flags, *prepared, diagnostics) == ir::Status::failed ||
      (flags.training.resume &&
       !runtime::find_run(prepared->module, prepared->training, prepared->validation, flags.training, diagnostics)))
    return tools::fail(diagnostics);
  catch_signals();
  const std::string& out = flags.training.out;
  const bool made_out = !out.empty() && !std::filesystem::exists(out, unknown);
  if (!out.empty() && runtime::prepare_output(out, diagnostics) == ir::Status::failed) return tools::fail(diagnostics);
  // Found out now and not after training: an empty trace can be written or not. One that is there stays until then.
  const bool made_trace = !flags.trace.empty() && access(flags.trace.c_str(), W_OK) != 0;
  if (made_trace &&
      tools::write_text(flags.trace, tools::profile_trace(prepared->module, {}), diagnostics) == ir::Status::failed)
    return tools::fail(diagnostics);
  if (flags.dry_run) {
    std::error_code ignored;  // both were only made to see that they can be
    if (made_out) std::filesystem::remove(out, ignored);
    if (made_trace) std::filesystem::remove(flags.trace, ignored);
    return dry_run(flags, *prepared);
  }

  if (!flags.quiet && flags.request.reference) std::cerr << "executing with the reference interpreter\n";
  if (!flags.quiet && resumed) std::cerr << fmt::format("resuming after step {}\n", tools::grouped(resumed->steps));
  const runtime::Watcher watcher = tools::progress_watcher(prepared->module.recipe, flags.quiet);
  const std::optional<runtime::TrainResult> result =
      runtime::train(prepared->module, *prepared->executor, prepared->training, prepared->validation, flags.training,
                     watcher, diagnostics);
  if (!result) return tools::fail(diagnostics);
  if (!flags.quiet) std::cerr << tools::describe_result(*result, out) << '\n';
  if (write_profile(flags, *prepared, diagnostics) == ir::Status::failed) return tools::fail(diagnostics);
  return write_summary(flags, *prepared, result, exit_status(*result));
}

void declare(CLI::App& app, Flags& flags) {
  app.add_option("FILE", flags.request.file, "The .nn file, or a module that nnc printed; `-` is standard input")
      ->required()
      ->type_name("");
  const auto path = [&](const char* name, std::string& value, const char* doc, const char* type) {
    app.add_option(name, value, doc)->type_name(type)->check(tools::not_empty());
  };
  const auto positive = [&](const char* name, std::optional<std::int64_t>& value, const char* doc) {
    app.add_option(name, value, doc)->type_name("N")->transform(tools::whole_number(1));
  };
  path("--data", flags.request.data,
       "A folder of IDX or CIFAR-10 files or images, a .csv, .npy or .npz file, a text, or tokens", "PATH");
  path("--valid", flags.request.valid, "Data to validate on after each epoch", "PATH");
  app.add_option("--val-split", flags.request.val_split, "Part of the data to validate on instead, between 0 and 1")
      ->type_name("F")
      ->check(tools::proper_fraction());
  app.add_flag("--synthetic", flags.synthetic, "Train on random data instead");
  positive("--epochs", flags.epochs, "Epochs to train, over the file's `epochs` or `steps`");
  positive("--max-steps", flags.training.max_steps, "End after so many steps of the run; schedules do not see it");
  app.add_option("--seed", flags.seed, "Seed of initialization, order and split; 0 by default")
      ->type_name("N")
      ->transform(tools::whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  path("--out", flags.training.out, "Write last, best and run.safetensors to this folder", "DIR");
  path("--resume", flags.resume, "Resume the run that wrote to this folder, and write there", "DIR");
  path("--init", flags.training.init, "Start from these weights", "FILE");
  app.add_flag("--no-shuffle", flags.no_shuffle, "Take the examples in the file's order");
  app.add_flag("--reference", flags.request.reference,
               "Execute the step as written, with the slow reference interpreter");
  path("--kernel-cache", flags.request.kernel_cache,
       "Where compiled kernels are kept; nnc in the user's cache by default", "DIR");
  app.add_flag("--no-kernel-cache", flags.no_kernel_cache, "Compile all kernels anew, and keep none");
  app.add_flag("--dry-run", flags.dry_run, "Check model and data, say what would be trained, and exit");
  app.add_flag("--quiet", flags.quiet, "Print nothing but errors on stderr");
  app.add_flag("--profile", flags.profile, "Print where the time went, by instruction and by line of the file");
  path("--trace", flags.trace, "Write the last step's instructions for chrome://tracing or Perfetto", "FILE");
  app.add_option("--summary", flags.summary, "End standard output with the run's figures: json")
      ->type_name("FORM")
      ->check(tools::one_of({"json"}));
}

/// What is wrong with the options that choose data, or nothing.
std::string check_data_flags(const Flags& flags) {
  const tools::TrainRequest& request = flags.request;
  if (flags.synthetic) {
    if (!request.data.empty()) return "--synthetic replaces --data: one of them is needed, not both";
    if (!request.valid.empty()) return "--valid does not go with --synthetic";
    if (request.val_split) return "--val-split does not go with --synthetic";
    return "";
  }
  if (request.data.empty()) return "--data PATH or --synthetic is required";
  if (!request.valid.empty() && request.val_split) return "--valid and --val-split exclude each other";
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  end_at_signals();
  CLI::App app{"Train the model of a .nn file.", "nnc-train"};
  Flags flags;
  tools::ModelFlags model_flags;
  tools::ThreadFlag thread_flag;
  declare(app, flags);
  model_flags.declare(app);
  thread_flag.declare(app);

  if (const std::optional<int> status = tools::parse_command_line(app, argc, argv)) return *status;
  flags.request.threads = thread_flag.threads();
  if (const std::string problem = check_data_flags(flags); !problem.empty()) return tools::refuse(problem);
  if (!flags.resume.empty() && !flags.training.out.empty())
    return tools::refuse("--resume DIR writes to DIR: it does not go with --out");
  if (!flags.resume.empty() && !flags.training.init.empty())
    return tools::refuse("--resume begins with a run's own weights: it does not go with --init");
  if (flags.request.reference && (flags.profile || !flags.trace.empty()))
    return tools::refuse("--profile and --trace measure compiled programs: they do not go with --reference");
  if (flags.no_kernel_cache && !flags.request.kernel_cache.empty())
    return tools::refuse("--kernel-cache and --no-kernel-cache exclude each other");
  if (flags.request.reference && !flags.request.kernel_cache.empty())
    return tools::refuse("--kernel-cache is for compiled programs: it does not go with --reference");
  flags.cache_asked = !flags.request.kernel_cache.empty();
  if (!flags.no_kernel_cache && !flags.cache_asked)
    flags.request.kernel_cache = runtime::jit::default_cache_directory();
  flags.request.profile = flags.profile || !flags.trace.empty();
  const std::optional<frontend::Options> options = model_flags.options();
  if (!options) return tools::exit_usage;
  flags.request.options = *options;
  flags.request.options.epochs = flags.epochs;
  flags.training.seed = flags.request.seed = flags.seed.value_or(0);
  flags.training.resume = !flags.resume.empty();
  if (flags.training.resume) flags.training.out = flags.resume;
  flags.training.shuffle = !flags.no_shuffle;
  flags.training.signal = &received_signal;
  return tools::within_limits([&] { return run(flags); });
}
