// Simplification: the rewrite rules of the op records, applied until none matches.
//
//   %0 = constant {value = 1.0} : f32[]
//   %1 = mul %x, %0 : f32[4]                ->      return y = %x
//   return y = %1
//
// Each rule makes its op cheaper, so this ends; a block that still changes after `max_simplify_rounds` means that rules
// fight each other, and is an error of ours.
#pragma once

#include "passes/pass.h"

#include <map>
#include <string>

namespace nnc::passes {

inline constexpr int max_simplify_rounds = 64;

/// Simplifies a block and its regions; adds to `counts` how often each rule applied. False if it still changed in the
/// last round.
bool simplify_block(ir::Block& block, std::map<std::string, int>& counts, int max_rounds = max_simplify_rounds);

ir::Status simplify(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
