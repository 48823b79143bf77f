// Kernels that run the same code: they differ in the numbers of their formulas, in their random streams and in an extent
// that is in no instruction. The code takes those numbers from a table, which is an argument.
//
//   w1 = (2 * random("fc1") - 1) * 0.036   of 401408 elements
//   w2 = (2 * random("fc2") - 1) * 0.044   of 131072           one function; 1 and 2 are in it, the rest is read
#pragma once

#include "ir/program.h"

#include <cstdint>
#include <span>
#include <vector>

namespace nnc::runtime::jit {

struct Sharing {
  /// For each kernel the one whose code it runs: itself, or an earlier one.
  std::vector<std::size_t> leaders;
  /// For each kernel that leads, the ops of its body whose number or stream is in the table, in ascending order.
  std::vector<std::vector<int>> parameters;
};
Sharing share_code(std::span<const ir::Kernel> kernels);

/// The table of a kernel: 8 bytes for each parameter, an element as in memory or the hash of a stream.
std::vector<std::uint64_t> parameter_table(const ir::Kernel& kernel, const std::vector<int>& parameters);

}  // namespace nnc::runtime::jit
