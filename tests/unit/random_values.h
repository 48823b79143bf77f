// Random tensors for the samples of op records.
#pragma once

#include "ir/samples.h"
#include "ir/tensor.h"

#include <random>
#include <vector>

namespace nnc::tests {

using Random = std::mt19937_64;

/// Half as many of a long test with sanitizers, where each takes five times as long.
int fewer_with_sanitizers(int usual);
/// The seeds that a test draws: NNC_SEEDS, or fewer with sanitizers.
int seed_count(int usual);

/// Elements as the sample wants them: within the operand's range, away from kinks and, if asked, from other operands.
std::vector<ir::Tensor> random_operands(const ir::Sample& sample, Random& random);
ir::Tensor random_tensor(const ir::Type& type, double low, double high, Random& random);

/// The sample with f64 in place of f32, in operands and in attributes.
ir::Sample in_f64(ir::Sample sample);
/// A block, the same way.
ir::Block in_f64(const ir::Block& block);

/// Pointers to tensors, as `evaluate` takes them.
std::vector<const ir::Tensor*> pointers(const std::vector<ir::Tensor>& tensors);

/// Whether two numbers agree to `tolerance` of the larger, or to `tolerance` below 1; NaN agrees with NaN.
bool agree(double a, double b, double tolerance);
/// The same for all elements; types have to be equal.
bool agree(const ir::Tensor& a, const ir::Tensor& b, double tolerance);

}  // namespace nnc::tests
