// A square tile of elements in registers.
#pragma once

#include "runtime/jit/place.h"

#include <llvm/IR/IRBuilder.h>

namespace nnc::runtime::jit {

/// As many vectors as each of them has lanes, a power of 2: lane i of vector j becomes lane j of vector i.
Pack transposed(llvm::IRBuilder<>& b, Pack rows);

}  // namespace nnc::runtime::jit
