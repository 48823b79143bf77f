// Where a run of training stands: the metadata of run.safetensors, whose tensors are all slots. With both, and with the
// same model, data, options, threads and CPU, training resumes as if it had never ended, bit for bit.
#pragma once

#include "ir/diagnostics.h"
#include "runtime/checkpoint.h"
#include "runtime/stop_rule.h"

#include <cstdint>
#include <optional>
#include <string>

namespace nnc::runtime {

/// What a run is, and remains when it is resumed.
struct RunSettings {
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::int64_t batch = 0;
  std::int64_t examples = 0;    // of an epoch
  std::int64_t validation = 0;  // examples of it; 0: none
};

struct RunState {
  RunSettings settings;
  /// Done, at least 1. Where the last one ended an epoch, its validation and figures are still to come.
  std::int64_t steps = 0;
  StopRule::State stop;  // before them

  /// Epochs before that of the last step, and what is done of that.
  std::int64_t epochs() const;
  std::int64_t step_in_epoch() const;
};

Metadata to_metadata(const RunState& state);
/// What the file in that directory says; without it, or with other text than ours, an error.
std::optional<RunState> read_run_state(const std::string& directory, ir::Diagnostics& diagnostics);
/// Whether a run resumes with the settings it had, each difference an error of `file`.
ir::Status check_settings(const std::string& file, const RunSettings& had, const RunSettings& has,
                          ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
