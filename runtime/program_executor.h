// Executes programs: kernels and contractions over one arena. Everything is made before the first run; a run follows the
// instructions, and nnc's own code allocates nothing in it.
#pragma once

#include "ir/module.h"
#include "runtime/contraction.h"
#include "runtime/executor.h"
#include "runtime/kernels.h"
#include "runtime/profile.h"

#include <memory>

namespace nnc::runtime {

/// `kernels` is the code of `module.kernels`. What instructions take is measured into
/// `profile`, if there is one, which then has to outlive the executor.
std::unique_ptr<Executor> make_program_executor(const ir::Module& module, std::shared_ptr<const KernelSet> kernels,
                                                std::shared_ptr<Contractions> contractions, Profile* profile = nullptr);

}  // namespace nnc::runtime
