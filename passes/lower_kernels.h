// Fused ops of equal structure as one kernel.
//
// Structure is what a kernel's text shows, without operands, result shapes, locations and roles; and without the extent
// of the outermost parallel dimension where the code does not depend on it.
#pragma once

#include "ir/module.h"

#include <map>
#include <string>
#include <vector>

namespace nnc::passes {

/// The same text for fused ops that are one kernel.
std::string kernel_structure(const ir::Op& fused);

class KernelTable {
 public:
  /// The number of the kernel for a fused op, which it may be the first to need.
  int kernel_of(const ir::Op& fused);
  /// The kernels in the order in which the programs use them, who have their numbers changed.
  std::vector<ir::Kernel> take(std::vector<ir::Program>& programs);

 private:
  std::vector<ir::Kernel> kernels_;
  std::map<std::string, int> known_;  // by structure
};

}  // namespace nnc::passes
