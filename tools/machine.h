// The machine that programs are compiled for, and run on: the kernel generator's CPU, oneDNN's contractions, and what
// passes ask of both.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "ir/target.h"
#include "runtime/ceilings.h"
#include "runtime/contraction.h"
#include "runtime/executor.h"
#include "runtime/jit/compile.h"
#include "runtime/profile.h"

#include <memory>
#include <string>

namespace nnc::tools {

class Machine {
 public:
  /// This CPU, with so many threads.
  static Machine native(int threads);
  /// This CPU, using AVX2 only.
  static Machine avx2(int threads);
  /// One that is the same everywhere, to be read.
  static Machine generic(int threads);

  /// Takes compiled kernels from this directory, and keeps new ones there.
  void keep_kernels_in(const std::string& directory);

  const ir::Target& target() const { return *target_; }
  /// The code of a lowered module: its kernels, then its convolutions by tiles.
  std::string code_text(const ir::Module& module, runtime::jit::CodeText form) const;
  /// Whether a program planned for another machine has the scratch that this one's contractions need.
  ir::Status check(const ir::Module& module, const std::string& file, ir::Diagnostics& diagnostics) const;
  /// Compiles the kernels of a lowered module and makes it ready to run, measured into `profile` if there is one.
  std::unique_ptr<runtime::Executor> load(const ir::Module& module, runtime::Profile* profile = nullptr) const;
  /// What this machine reaches at best with its threads.
  runtime::Ceilings ceilings() const { return runtime::measure_ceilings(*contractions_, target_->threads()); }

 private:
  static Machine of(runtime::jit::Cpu cpu, int threads);
  Machine(runtime::jit::Cpu cpu, std::shared_ptr<runtime::Contractions> contractions,
          std::unique_ptr<ir::Target> target);

  runtime::jit::Cpu cpu_;
  std::shared_ptr<runtime::Contractions> contractions_;
  std::unique_ptr<ir::Target> target_;
  std::shared_ptr<runtime::jit::ObjectCache> kept_;  // null: nothing is kept
};

}  // namespace nnc::tools
