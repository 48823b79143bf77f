// Random graphs over all op records, for tests that a pass keeps what a graph computes.
#pragma once

#include "ir/graph.h"
#include "ir/tensor.h"
#include "tests/unit/random_values.h"

#include <vector>

namespace nnc::tests {

struct RandomGraph {
  ir::Block block;                 // f64 in place of f32; all values that nothing uses are results
  std::vector<ir::Tensor> params;  // arguments for its parameters
};

/// `ops` ops, each as one of its record's samples says; operands are earlier values, parameters or constants.
RandomGraph random_graph(int ops, Random& random);

/// The same in f32, of ops that a pass pipeline sees (no loops, no fused ops). What jumps (a comparison, a rounding, a
/// position) gets parameters and constants as its floats, so that two right evaluations do not differ by a jump.
RandomGraph random_f32_graph(int ops, Random& random);

}  // namespace nnc::tests
