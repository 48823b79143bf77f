// Runs a parity case on our side.
#pragma once

#include "runtime/checkpoint.h"
#include "tests/parity/fixture.h"

namespace nnc::parity {

enum class Execution {
  reference,  // the step as written, by the reference interpreter
  compiled,   // optimized, lowered and compiled for this machine
};

/// Ten steps of the case's program from the fixture's initial weights on batches in file order. The result
/// has the fixture's names: losses, and for the recorded steps every gradient (as autodiff gives it, before clip and
/// update), parameter and optimizer state of the module. For a case that reports, also the losses and metrics of the
/// last epoch, as far as it went, and of an evaluation of all data after it. Anything that fails throws with the
/// diagnostics.
runtime::NamedTensors replay(const Case& test_case, Execution execution);

}  // namespace nnc::parity
