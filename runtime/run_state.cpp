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

namespace fs = std::filesystem;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

/// Reads numbers of a file's metadata; the first that is missing or none is an error.
class Reader {
 public:
  Reader(const std::string& path, const Metadata& metadata, ir::Diagnostics& diagnostics)
      : path_(path), metadata_(metadata), diagnostics_(diagnostics) {}

  template <class T>
  void read(const std::string& key, T& value, T least, T greatest) {
    if (failed_) return;
    const auto found = metadata_.find(key);
    if (found == metadata_.end())
      return fail(fmt::format("its metadata has no `{}`: it holds no run that could be resumed", key));
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    // NaN is within no bounds.
    if (error != std::errc() || end != text.data() + text.size() || !(value >= least && value <= greatest))
      fail(fmt::format("its metadata's `{}`: expected a number from {} to {}, found `{}`", key, least, greatest,
                       printable(text, 40)));
  }
  bool failed() const { return failed_; }

 private:
  void fail(const std::string& problem) {
    diagnostics_.error(whole_file(path_), problem);
    failed_ = true;
  }

  const std::string& path_;
  const Metadata& metadata_;
  ir::Diagnostics& diagnostics_;
  bool failed_ = false;
};

}  // namespace

std::int64_t RunState::epochs() const { return (steps - 1) / steps_of_epoch(settings.examples, settings.batch); }
std::int64_t RunState::step_in_epoch() const {
  return steps - epochs() * steps_of_epoch(settings.examples, settings.batch);
}

Metadata to_metadata(const RunState& state) {
  const RunSettings& settings = state.settings;
  return {{"nnc.seed", fmt::to_string(settings.seed)},
          {"nnc.shuffle", settings.shuffle ? "1" : "0"},
          {"nnc.batch", fmt::to_string(settings.batch)},
          {"nnc.examples", fmt::to_string(settings.examples)},
          {"nnc.validation", fmt::to_string(settings.validation)},
          {"nnc.steps", fmt::to_string(state.steps)},
          {"nnc.best_epoch", fmt::to_string(state.stop.best_epoch)},
          {"nnc.best_loss", fmt::to_string(state.stop.best_loss)},
          {"nnc.stop.reference", fmt::to_string(state.stop.reference)},
          {"nnc.stop.epochs_without", fmt::to_string(state.stop.epochs_without)}};
}

std::optional<RunState> read_run_state(const std::string& directory, ir::Diagnostics& diagnostics) {
  const std::string path = (fs::path(directory) / run_file).string();
  std::error_code error;
  if (fs::is_regular_file(directory, error)) {
    diagnostics.error(whole_file(directory), "expected the folder that a run wrote to, found a file");
    return std::nullopt;
  }
  if (!fs::exists(path, error) && !error) {
    diagnostics.error(whole_file(path), "there is no such file, so no run to resume; --out DIR begins one");
    return std::nullopt;
  }
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  if (!file) return std::nullopt;
  Reader reader(path, file->metadata(), diagnostics);
  RunState state;
  int shuffle = 1;
  reader.read<std::uint64_t>("nnc.seed", state.settings.seed, 0, std::numeric_limits<std::uint64_t>::max());
  reader.read("nnc.shuffle", shuffle, 0, 1);
  state.settings.shuffle = shuffle == 1;
  reader.read<std::int64_t>("nnc.batch", state.settings.batch, 1, most);
  reader.read<std::int64_t>("nnc.examples", state.settings.examples, 1, most);
  reader.read<std::int64_t>("nnc.validation", state.settings.validation, 0, most);
  reader.read<std::int64_t>("nnc.steps", state.steps, 1, most / 2);
  reader.read<std::int64_t>("nnc.best_epoch", state.stop.best_epoch, 0, most);
  reader.read("nnc.best_loss", state.stop.best_loss, -infinity, infinity);
  reader.read("nnc.stop.reference", state.stop.reference, -infinity, infinity);
  reader.read<std::int64_t>("nnc.stop.epochs_without", state.stop.epochs_without, 0, most / 2);
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
  const auto validation = [](std::int64_t examples) {
    return examples == 0 ? std::string("no validation data") : fmt::format("validation on {} examples", examples);
  };
  const auto epochs = [](std::int64_t examples) { return fmt::format("epochs of {} examples", examples); };
  compare(fmt::format("seed {}", had.seed), fmt::format("seed {}", has.seed), "leave out --seed");
  compare(order(had.shuffle), order(has.shuffle), "leave out --no-shuffle");
  compare(batches(had.batch), batches(has.batch), "it resumes with those it began with");
  compare(epochs(had.examples), epochs(has.examples), "it resumes with the data, and the split, that it began with");
  compare(validation(had.validation), validation(has.validation), "it resumes with what it began with");
  return diagnostics.count() > before ? ir::Status::failed : ir::Status::ok;
}

}  // namespace nnc::runtime
