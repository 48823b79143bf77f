// Convolutions that passes want by tiles (ir/winograd.h), compiled; all others are left to another library.
#pragma once

#include "ir/program.h"
#include "runtime/contraction.h"
#include "runtime/jit/compile.h"

#include <memory>
#include <span>
#include <string>

namespace nnc::runtime::jit {

/// Equal convolutions are compiled once, when the first of them is prepared. `cache` as for kernels.
std::unique_ptr<Contractions> with_winograd(std::shared_ptr<Contractions> others, const Cpu& cpu,
                                            std::shared_ptr<ObjectCache> cache = nullptr);

/// The code of the convolutions by tiles in these programs, each once.
std::string winograd_text(std::span<const ir::Program> programs, const Cpu& cpu, CodeText form);

}  // namespace nnc::runtime::jit
