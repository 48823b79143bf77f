// Computes with tables instead of the rows that are looked up in them, where the rows are more.
//
//   gather(E, i) W        ->  gather(E W, i)
//   f(gather(E W, i), c) ->  gather(f(E W, c), i)          f elementwise, c the same for all rows, as a bias
//   gather(E, i)^T D      ->  E^T scatter_add(D, i)         the gradient of W
//   D^T gather(E, i)      ->  scatter_add(D, i)^T E         that of a transposed one
//   scatter_add(D W, i)   ->  scatter_add(D, i) W           the gradient of E
//
// A gather of rows is the product with a matrix of zeros and ones, and scatter_add that with its transpose; products
// are associative. What reshapes, permutes and slices rows between the two does so with the indices instead; behind
// anything else rows are what they were. An LSTM over 2048 characters of 65 kinds multiplies 65 rows by its input
// weights and adds its biases to these, not to 2048.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status lookups(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
