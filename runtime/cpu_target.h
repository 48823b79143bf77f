// The CPU that this process runs on, as passes see it (ir/target.h).
#pragma once

#include "ir/target.h"
#include "runtime/contraction.h"

#include <memory>
#include <string>

namespace nnc::runtime {

/// `name` and `lanes` are the kernel generator's; caches are the operating system's word; contractions say themselves
/// what scratch they need.
std::unique_ptr<ir::Target> cpu_target(std::string name, int lanes, int threads,
                                       std::shared_ptr<Contractions> contractions);

}  // namespace nnc::runtime
