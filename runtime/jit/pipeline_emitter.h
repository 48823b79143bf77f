// The nests over a row in one loop, each a position behind the one before it (Schedule::pipelined).
#pragma once

#include "runtime/jit/nest_emitter.h"

namespace nnc::runtime::jit {

/// All positions of the function's range.
void emit_pipeline(KernelState& state, NestEmitter& nests);

}  // namespace nnc::runtime::jit
