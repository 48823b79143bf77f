#include "tools/render_progress.h"

#include "tools/command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <string_view>

namespace nnc::tools {
namespace {

constexpr int bar_width = 26;
constexpr double seconds_between_frames = 0.1;
constexpr std::string_view green = "\x1b[32m";
constexpr std::string_view plain = "\x1b[0m";
constexpr std::string_view clear_line = "\r\x1b[K";

/// The sign of a NaN says nothing.
std::string figure(double value) { return std::isnan(value) ? "nan" : fmt::format("{:.4f}", value); }

std::string figures(const runtime::Report& report) {
  std::string text = "loss " + figure(report.loss);
  for (const auto& [name, value] : report.metrics) text += fmt::format("  {} {}", name, figure(value));
  return text;
}

class ProgressPrinter {
 public:
  ProgressPrinter(const ir::Recipe& recipe, bool moving, bool colour)
      : epochs_(recipe.epochs), moving_(moving), colour_(colour) {}

  void step(const runtime::Progress& progress) {
    const bool last = progress.step_in_epoch == progress.steps_per_epoch;
    if (!moving_ || (!last && progress.seconds < next_frame_)) return;
    next_frame_ = last ? 0 : progress.seconds + seconds_between_frames;
    const std::int64_t total = std::max<std::int64_t>(progress.steps_per_epoch, 1);
    const auto done =
        static_cast<std::size_t>(std::clamp<std::int64_t>(progress.step_in_epoch * bar_width / total, 0, bar_width));
    std::string bar(done, '=');
    if (done < bar_width) bar += '>';
    bar.resize(bar_width, ' ');
    std::cerr << clear_line
              << fmt::format("{}  [{}]  {}/{}  loss {}", epoch_text(progress.epoch), bar, progress.step_in_epoch,
                             progress.steps_per_epoch, figure(progress.batch_loss))
              << std::flush;
  }

  void epoch(const runtime::Progress& progress, const runtime::Report& train,
             const std::optional<runtime::Report>& valid, bool improved) {
    next_frame_ = 0;
    std::string line = fmt::format("{}  {:.1f} s  {}", epoch_text(progress.epoch), progress.seconds, figures(train));
    if (valid) line += "  valid " + figures(*valid);
    if (improved) line += colour_ ? fmt::format("  {}best{}", green, plain) : "  best";
    std::cerr << (moving_ ? clear_line : "") << line << std::endl;
  }

 private:
  std::string epoch_text(std::int64_t epoch) const {
    if (!epochs_) return fmt::format("epoch {:2}", epoch);
    return fmt::format("epoch {:{}}/{}", epoch, std::to_string(*epochs_).size(), *epochs_);
  }

  std::optional<std::int64_t> epochs_;
  bool moving_;
  bool colour_;
  double next_frame_ = 0;  // in seconds since the epoch began
};

}  // namespace

runtime::Watcher progress_watcher(const ir::Recipe& recipe, bool quiet) {
  if (quiet) return {};
  const auto printer = std::make_shared<ProgressPrinter>(recipe, isatty(STDERR_FILENO) != 0, colour_on_stderr());
  runtime::Watcher watcher;
  watcher.step = [printer](const runtime::Progress& progress) { printer->step(progress); };
  watcher.epoch = [printer](const runtime::Progress& progress, const runtime::Report& train,
                            const std::optional<runtime::Report>& valid,
                            bool improved) { printer->epoch(progress, train, valid, improved); };
  return watcher;
}

std::string describe_result(const runtime::TrainResult& result, const std::string& out) {
  std::string text = fmt::format("trained {} step{}, {} complete epoch{} (stop reason: {})", result.steps,
                                 result.steps == 1 ? "" : "s", result.epochs, result.epochs == 1 ? "" : "s",
                                 runtime::name(result.reason));
  if (result.best_valid_loss) {
    text += fmt::format("; lowest validation loss {:.4f} in epoch {}", *result.best_valid_loss, result.best_epoch);
  }
  if (!out.empty()) text += fmt::format("; weights are in {}", out);
  return text;
}

}  // namespace nnc::tools
