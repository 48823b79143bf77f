// Executes programs: kernels and contractions over one arena. Everything is made before the first run; a run follows the
// instructions, and nnc's own code allocates nothing in it.
#pragma once

#include "ir/module.h"
#include "runtime/contraction.h"
#include "runtime/executor.h"
#include "runtime/kernels.h"

#include <memory>

namespace nnc::runtime {

/// Whether a kernel has to be compiled; the others are of numbers, which the host evaluates.
bool has_code(const ir::Kernel& kernel);

/// `kernels` are those of `module.kernels` that have code, in this order.
std::unique_ptr<Executor> make_program_executor(const ir::Module& module, std::shared_ptr<const KernelSet> kernels,
                                                std::shared_ptr<Contractions> contractions);

}  // namespace nnc::runtime
