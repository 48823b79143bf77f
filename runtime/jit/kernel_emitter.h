// The code of a fused op as LLVM IR: two functions of the types in runtime/kernels.h.
//
//   run:     numbers that vary along nothing
//            for each position of [begin, end)            the vector dimension is an inner one
//              for each nest: its loops, the vector dimension's in steps of lanes * unroll, lanes, and a masked tail
//            or
//            for each row of [begin, end)                 the vector dimension is the last parallel one
//              for positions in steps of lanes * unroll, and masked steps of lanes for the tail
//                for each nest: its loops, each value a position in each lane
//            the partial results of split reductions
//   finish:  for each split reduction and each element of its results: all chunks
//
// The nests are those of ir/kernel_layout.h. A value is computed in the outermost loop in which all that it depends on
// is known. Extents are in the code, but not that of the outermost parallel dimension unless something depends on it
// (ir::fits_any_extent).
#pragma once

#include "ir/fused.h"

#include <llvm/IR/Module.h>

#include <string>
#include <vector>

namespace nnc::runtime::jit {

/// Adds the function `name`. The numbers and streams of those ops of the body are read from a table (sharing.h).
void emit_run(llvm::Module& module, const std::string& name, const ir::FusedView& fused,
              const std::vector<int>& parameters);
/// Adds the function `name`; false, and nothing is added, if there are no split reductions.
bool emit_finish(llvm::Module& module, const std::string& name, const ir::FusedView& fused);

}  // namespace nnc::runtime::jit
