#include "runtime/run_state.h"

#include "runtime/epoch_order.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>

namespace nnc::runtime {

namespace {

constexpr std::string_view prefix = "nnc.";
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 2;  // of any count: one more is a number, too

/// Reads numbers of a file's metadata; the first that is missing or none is an error.
class Reader {
 public:
  Reader(const std::string& path, const Metadata& metadata, std::string_view purpose, ir::Diagnostics& diagnostics)
      : path_(path), metadata_(metadata), purpose_(purpose), diagnostics_(diagnostics) {}

  template <class T>
  T number(std::string_view name, T least, T greatest) {
    T value = least;
    if (failed_) return value;
    const std::string key = fmt::format("{}{}", prefix, name);
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) {
      fail(fmt::format("its metadata has no `{}`: {}", key, purpose_));
      return value;
    }
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    // NaN is within no bounds.
    if (error != std::errc() || end != text.data() + text.size() || !(value >= least && value <= greatest)) {
      fail(fmt::format("its metadata's `{}`: expected a number from {} to {}, found `{}`", key, least, greatest,
                       printable(text, 40)));
      return least;
    }
    return value;
  }
  bool failed() const { return failed_; }

 private:
  void fail(const std::string& problem) {
    diagnostics_.error(whole_file(path_), problem);
    failed_ = true;
  }

  const std::string& path_;
  const Metadata& metadata_;
  std::string_view purpose_;
  ir::Diagnostics& diagnostics_;
  bool failed_ = false;
};

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

Metadata to_metadata(const RunState& state) {
  const RunSettings& settings = state.settings;
  return {{"nnc.seed", fmt::to_string(settings.seed)},
          {"nnc.shuffle", settings.shuffle ? "1" : "0"},
          {"nnc.examples", fmt::to_string(settings.examples)},
          {"nnc.batch", fmt::to_string(settings.batch)},
          {"nnc.steps", fmt::to_string(state.steps)},
          {"nnc.epochs", fmt::to_string(state.epochs)},
          {"nnc.step_in_epoch", fmt::to_string(state.step_in_epoch)},
          {"nnc.reference", fmt::to_string(state.patience.reference)},
          {"nnc.epochs_without", fmt::to_string(state.patience.epochs_without)}};
}

std::optional<RunState> read_run_state(const std::string& directory, ir::Diagnostics& diagnostics) {
  const std::string path = (std::filesystem::path(directory) / run_file).string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    diagnostics.error(whole_file(path), "there is no such file, so no run that could go on; --out DIR begins one");
    return std::nullopt;
  }
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  if (!file) return std::nullopt;
  Reader reader(path, file->metadata(), "it holds no run that could go on", diagnostics);
  RunState state;
  state.settings.seed = reader.number<std::uint64_t>("seed", 0, std::numeric_limits<std::uint64_t>::max());
  state.settings.shuffle = reader.number("shuffle", 0, 1) == 1;
  state.settings.examples = reader.number<std::int64_t>("examples", 1, most);
  state.settings.batch = reader.number<std::int64_t>("batch", 1, std::numeric_limits<std::int64_t>::max());
  state.steps = reader.number<std::int64_t>("steps", 1, most);
  state.epochs = reader.number<std::int64_t>("epochs", 0, most);
  const std::int64_t in_epoch = steps_of_epoch(state.settings.examples, state.settings.batch);
  state.step_in_epoch = reader.number<std::int64_t>("step_in_epoch", 1, in_epoch);
  state.patience.reference = reader.number("reference", -infinity, infinity);
  state.patience.epochs_without = reader.number<std::int64_t>("epochs_without", 0, most);
  return reader.failed() ? std::nullopt : std::optional(state);
}

ir::Status check_settings(const std::string& file, const RunSettings& had, const RunSettings& has,
                          ir::Diagnostics& diagnostics) {
  const int before = diagnostics.count();
  const auto compare = [&](const std::string& then, const std::string& here, std::string_view advice) {
    if (then == here) return;
    diagnostics.error(whole_file(file), fmt::format("its run has {}, this one has {}: {}", then, here, advice));
  };
  const auto order = [](bool shuffle) { return shuffle ? "a shuffled order" : "the order of the file"; };
  const auto batches = [](std::int64_t batch) { return fmt::format("batches of {}", batch); };
  const auto epochs = [](std::int64_t examples) { return fmt::format("epochs of {} examples", examples); };
  compare(fmt::format("seed {}", had.seed), fmt::format("seed {}", has.seed), "leave out --seed");
  compare(order(had.shuffle), order(has.shuffle), "leave out --no-shuffle");
  compare(batches(had.batch), batches(has.batch), "it goes on with those it began with");
  compare(epochs(had.examples), epochs(has.examples), "it goes on with the data, and the split, that it began with");
  return diagnostics.count() > before ? ir::Status::failed : ir::Status::ok;
}

Metadata to_metadata(const StopRule::Best& best) {
  return {{"nnc.epoch", fmt::to_string(best.epoch)}, {"nnc.loss", fmt::to_string(best.loss)}};
}

std::optional<StopRule::Best> read_best(const std::string& directory, ir::Diagnostics& diagnostics) {
  const std::string path = (std::filesystem::path(directory) / best_weights).string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return StopRule::Best{};
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  if (!file) return std::nullopt;
  Reader reader(path, file->metadata(), "remove it, if it is not of this run", diagnostics);
  StopRule::Best best;
  best.epoch = reader.number<std::int64_t>("epoch", 1, most);
  best.loss = reader.number("loss", -infinity, infinity);
  return reader.failed() ? std::nullopt : std::optional(best);
}

}  // namespace nnc::runtime
