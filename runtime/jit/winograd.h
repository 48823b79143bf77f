// Convolutions that passes want by tiles (ir/winograd.h), beside another library's contractions.
#pragma once

#include "ir/program.h"
#include "runtime/contraction.h"
#include "runtime/jit/compile.h"

#include <memory>
#include <span>
#include <vector>

namespace nnc::runtime::jit {

/// `code` has those that are to be run; null: they are only planned.
std::unique_ptr<Contractions> with_winograd(std::shared_ptr<Contractions> others,
                                            std::shared_ptr<const Code> code = nullptr);

/// The convolutions by tiles of these programs.
std::vector<ir::WinogradTiles> winograd_convolutions(std::span<const ir::Program> programs);

}  // namespace nnc::runtime::jit
