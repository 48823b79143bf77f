// Runs a parity case on our side.
#pragma once

#include "runtime/checkpoint.h"
#include "tests/parity/fixture.h"

namespace nnc::parity {

/// Ten steps of the case's program, optimized, from the fixture's initial weights on batches in file order. The result
/// has the fixture's names: losses, and for the recorded steps every gradient (as autodiff gives it, before clip and
/// update), parameter and optimizer state of the module. Anything that fails throws with the diagnostics.
runtime::NamedTensors replay(const Case& test_case);

}  // namespace nnc::parity
