// The figures of a run as one line of JSON, for `nnc-train --summary=json`.
#pragma once

#include "runtime/trainer.h"
#include "tools/driver.h"

#include <optional>
#include <string>

namespace nnc::tools {

/// `result` is absent after --dry-run, which trains nothing.
std::string summary_json(const Prepared& prepared, const std::optional<runtime::TrainResult>& result);

/// The same for a run that a signal ended before there was a module: nothing done, nothing known.
std::string unprepared_summary_json();

}  // namespace nnc::tools
