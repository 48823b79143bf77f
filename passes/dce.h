// Dead code elimination: drops the ops that no result of a graph depends on.
//
//   %0 = slot @w : f32[4]                   %0 = slot @w : f32[4]
//   %1 = exp %0 : f32[4]            ->      return loss = %0
//   return loss = %0
//
// Ops have no effects, so an op whose results nobody uses is dead. Parameters stay: they are the interface.
#pragma once

#include "passes/pass.h"

#include <cstddef>

namespace nnc::passes {

/// Drops dead ops from position `first` on, in regions too; whether there were any.
bool remove_dead_ops(ir::Block& block, std::size_t first = 0);

ir::Status dce(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
