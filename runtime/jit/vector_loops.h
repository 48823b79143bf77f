// Loops that take vectors, and copies of them, at a time: they say at the state's place what a turn takes.
#pragma once

#include "runtime/jit/kernel_state.h"

#include <llvm/ADT/STLFunctionalExtras.h>

namespace nnc::runtime::jit {

using TurnBody = llvm::function_ref<void()>;

/// `copies` vectors along the vector dimension, from the lane at `first`; `mask` as in Place.
void in_lanes(KernelState& state, llvm::Value* first, int copies, llvm::Value* mask, TurnBody body);
/// Over the vector dimension within a position: in steps of `lanes * unroll`, then `lanes`, then a masked turn for the tail.
void emit_vector_loop(KernelState& state, TurnBody body);
/// Over the tile's dimension: as many of its positions a turn as there are lanes, and what is left.
void emit_tile_loop(KernelState& state, TurnBody body);

}  // namespace nnc::runtime::jit
