// Rows that are looked up for all steps of a loop, but read step by step, are looked up in the steps:
//
//   %1 = gather %table, %index : f32[2048,1024]       %1 = reshape %index : i32[64,32,1]
//   %2 = reshape %1 : f32[64,32,1024]                 scan .., %1, %table {..} (%t, .., %i: i32[32,1], %table1) {
//   scan .., %2 {..} (%t, .., %x: f32[32,1024]) {  ->    %x = gather %table1, %i : f32[32,1024]
//     ...                                               ...
//
// A kernel of the step then reads the table, or copies the rows of its step, which stay in the cache; nobody writes the
// rows of all steps. On the way rows may be moved as a whole (passes/rows.h).
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status sink_rows(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
