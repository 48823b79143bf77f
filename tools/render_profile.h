// What a profile says to people, and to a trace viewer.
//
//   train@128: 469 runs, 1.804 ms each; at best 41.2 GB/s, 103.5 GFLOP/s
//       ms  share  times    GB/s  GFLOP/s  of best  instruction                                    line
//    0.371  20.6%      1    11.9    277.0      91%  matmul f32[128,784] f32[512,784]               mlp.nn:7:12
//   ...
//       ms  share  forward  backward  update  line
//    0.702  38.9%    0.402     0.300       -  mlp.nn:7: x = relu(linear(x, width) as fc1)
#pragma once

#include "ir/module.h"
#include "runtime/ceilings.h"
#include "runtime/profile.h"
#include "tools/text_files.h"

#include <string>

namespace nnc::tools {

/// Tables of the training step that ran most often, by instruction and by the user's line, and a line for each other
/// program.
/// Instructions that do the same for the same line, as those of repeated layers, are one row.
///
/// Bytes are those that an instruction has to read and write, each once; "of best" is the time that they, or its
/// operations, would take at the ceilings, over the time it took: more than 100 % where data comes from the caches. The
/// time of an instruction that stands for several lines is divided evenly among them. Lines of
/// `source` are shown as they stand there.
std::string profile_tables(const ir::Module& module, const runtime::Profile& profile, const runtime::Ceilings& ceilings,
                           const TextFile& source);

/// The last run of each program in the trace event format of Chrome and Perfetto: JSON.
std::string profile_trace(const ir::Module& module, const runtime::Profile& profile);

}  // namespace nnc::tools
