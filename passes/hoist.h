// Takes out of loops what can be done once for all steps: contractions, and sums over the steps.
//
//   ys, dw = scan ... {                        h = matmul x, w : f32[T,N,K]        // rows of x and w are there before
//     h = matmul x_t, w                   ->   ys, ds = scan ... {
//     ...                                        ...
//     dw' = dw + matmul(x_t, d_t)                yield y_t, d_t
//     yield y_t                                }
//   }                                          dw = matmul(x as f32[T*N,..], ds as f32[T*N,..])
//
// One large product takes less time than many small ones, and a sum that is carried is read and written in every step.
// An op whose operand leaves late stays: of a chain of products for results alone the last one goes. Which ops can
// leave, and as what, is in their records (`all_steps`, `sum_of_steps`).
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status hoist(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
