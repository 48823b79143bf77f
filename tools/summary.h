// The figures of a run as one line of JSON, for `nnc-train --summary=json`.
#pragma once

#include "ir/module.h"
#include "runtime/trainer.h"

#include <optional>
#include <string>

namespace nnc::tools {

/// `result` is absent after --dry-run, which trains nothing.
std::string summary_json(const ir::Module& module, const std::optional<runtime::TrainResult>& result,
                         double compile_seconds);

/// The same for a run that a signal ended before there was a module: nothing done, nothing known.
std::string unprepared_summary_json();

}  // namespace nnc::tools
