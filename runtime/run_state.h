// Where a run of training stands: the metadata of run.safetensors, whose tensors are all slots. With both, and the same
// model, data and options, training goes on as if it had never ended, bit for bit.
#pragma once

#include "ir/diagnostics.h"
#include "runtime/checkpoint.h"
#include "runtime/stop_rule.h"

#include <cstdint>
#include <optional>
#include <string>

namespace nnc::runtime {

/// What a run is, and remains when it goes on.
struct RunSettings {
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::int64_t examples = 0;  // of an epoch
  std::int64_t batch = 0;
};

/// How far it is.
struct RunState {
  RunSettings settings;
  std::int64_t steps = 0;          // done, of all epochs
  std::int64_t epochs = 0;         // before the one it is in
  std::int64_t step_in_epoch = 0;  // done, from 1; where it is the last, validation and figures are still to come
  StopRule::Patience patience;     // before them
};

Metadata to_metadata(const RunState& state);
/// What the file in that directory says; without it, or with other text than ours, an error.
std::optional<RunState> read_run_state(const std::string& directory, ir::Diagnostics& diagnostics);
/// Whether a run goes on with the settings it had, each difference an error of `file`.
ir::Status check_settings(const std::string& file, const RunSettings& had, const RunSettings& has,
                          ir::Diagnostics& diagnostics);

/// The metadata of best.safetensors: which epoch its weights are of, and its watched loss.
Metadata to_metadata(const StopRule::Best& best);
/// What the file in that directory says; that of no epoch if there is none.
std::optional<StopRule::Best> read_best(const std::string& directory, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
