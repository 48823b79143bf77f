// From fused ops to machine code in memory.
//
//   const std::unique_ptr<Code> code = jit::compile(module.kernels, jit::host_cpu());
//   code->code(0).run(args, begin, end, partial, rows);
//
// One LLVM module a kernel, or convolution by tiles, optimized without the loop and SLP vectorizers: the emitters write
// the vectors (kernel_emitter.h, winograd_emitter.h). Several threads compile several modules. Kernels that differ in
// numbers alone run the same code (sharing.h).
#pragma once

#include "ir/program.h"
#include "ir/winograd.h"
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

/// The functions of a convolution by tiles (winograd_emitter.h).
struct WinogradCode {
  KernelFunction weight = nullptr, tiles = nullptr;
};

/// All code of some programs.
class Code : public KernelSet {
 public:
  /// One whose code was not asked for is an internal error.
  virtual WinogradCode winograd(const ir::WinogradTiles& convolution) const = 0;
};

/// Kernels of numbers have no code. Element types without code (bf16) are internal errors. What the cache has is not
/// compiled again; null: no cache. Compiles on so many threads at once.
std::unique_ptr<Code> compile(std::span<const ir::Kernel> kernels, const Cpu& cpu, ObjectCache* cache = nullptr,
                              int threads = 2, std::span<const ir::WinogradTiles> convolutions = {});

/// What code is shown as: LLVM IR after the passes, or assembly.
enum class CodeText : std::uint8_t { llvm, assembly };
/// The code of the kernels, then of the convolutions; what several of them share is there once.
std::string code_text(std::span<const ir::Kernel> kernels, const Cpu& cpu, CodeText form,
                      std::span<const ir::WinogradTiles> convolutions = {});

}  // namespace nnc::runtime::jit
