// Where each value of a program is computed, and why neighbours are not one kernel: what `nnc FILE.nn --explain` says.
//
//   train@128
//
//   mlp.nn:7: x = relu(linear(x, width) as fc1)
//     forward   %6             matmul -> f32[128,512]
//     forward   %7, %8         @k13 add le where -> bool[128,512], f32[128,512]
//     backward  %58, %59       @k16 where sum -> f32[128,512], f32[512]
//     not fused: add le where | mul add sqrt div ... of line 19: they belong to different parts of the step
#pragma once

#include "ir/module.h"
#include "passes/pass.h"
#include "tools/text_files.h"

#include <span>
#include <string>

namespace nnc::tools {

/// Values are named as `--emit=optimized` prints them, kernels as `--emit=program` does. A kernel that works for several
/// lines is shown at each of them, with the ops of that line. Lines of `source` are shown as they stand there.
std::string explain(const ir::Module& optimized, const ir::Module& lowered, std::span<const passes::Remark> remarks,
                    const TextFile& source);

}  // namespace nnc::tools
