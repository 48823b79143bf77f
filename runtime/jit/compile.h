// From fused ops to machine code in memory.
//
//   const std::unique_ptr<KernelSet> kernels = jit::compile(module.kernels, jit::host_cpu());
//   kernels->code(0).run(args, begin, end, partial, rows);
//
// One LLVM module a kernel, optimized without the loop and SLP vectorizers: the emitter writes the vectors
// (kernel_emitter.h). Several threads compile several kernels. Kernels that differ in numbers alone run the
// same code (sharing.h).
#pragma once

#include "ir/program.h"
#include "runtime/jit/object_cache.h"
#include "runtime/kernels.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace nnc::runtime::jit {

struct Cpu {
  std::string name;      // as LLVM calls it: "znver4", "x86-64-v3"
  std::string features;  // as LLVM writes them: "+avx512f,-avx512er"; may be empty
  int lanes = 8;         // f32 elements of a vector register
};

/// The CPU that this process runs on.
Cpu host_cpu();
/// Fixed CPUs with AVX2 and FMA, and with AVX-512: the same code everywhere.
Cpu avx2_cpu();
Cpu avx512_cpu();

/// Kernels over empty domains have no code and are not given. Element types without code (bf16) are internal errors.
/// What the cache has is not compiled again; null: no cache. Compiles on so many threads at once.
std::unique_ptr<KernelSet> compile(std::span<const ir::Kernel> kernels, const Cpu& cpu, ObjectCache* cache = nullptr,
                                   int threads = 2);

/// What code is shown as: LLVM IR after the passes, or assembly.
enum class CodeText : std::uint8_t { llvm, assembly };
/// The code of the kernels; what several of them share is there once.
std::string code_text(std::span<const ir::Kernel> kernels, const Cpu& cpu, CodeText form);

}  // namespace nnc::runtime::jit
