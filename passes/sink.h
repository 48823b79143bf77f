// Slices what elementwise ops read instead of what they make, where nothing but parts of that is read.
//
//   %z = add %x, %y : f32[32,1024]                  %xi = slice %x {0..256}
//   %i = slice %z {0..256}              ->          %yi = slice %y {0..256}
//   %f = slice %z {256..512}                        %i = add %xi, %yi : f32[32,256]
//   ...                                             ...
//
// A kernel that reads the parts, as the gates of an lstm, then computes them too; by itself it cannot, as it would read
// %z at positions other than those where it makes it.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status sink(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
