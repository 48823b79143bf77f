// Kernels and programs as text; program.h shows it.
#pragma once

#include "ir/module.h"
#include "ir/text.h"

#include <string>

namespace nnc::ir::text {

std::string print_kernel(const Kernel& kernel, const PrintOptions& options);
std::string print_program(const Module& module, const Program& program, const PrintOptions& options);

}  // namespace nnc::ir::text
