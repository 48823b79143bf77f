// LLVM as kernels are compiled with: modules for a CPU, the passes that run over them, and what is made of them.
#pragma once

#include "ir/check.h"
#include "runtime/jit/compile.h"

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PassManager.h>
#include <llvm/Support/Error.h>
#include <llvm/Target/TargetMachine.h>

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime::jit {

/// Compiles one module after another; one a thread.
class Compiler {
 public:
  explicit Compiler(const Cpu& cpu);

  /// Without functions yet.
  std::unique_ptr<llvm::Module> module(std::string_view name);
  /// Says of the functions that are there what they are compiled for, and checks them.
  void complete(llvm::Module& module);
  void optimize(llvm::Module& module);
  /// All that the code of a module follows from; functions name their CPU.
  static std::string key(const llvm::Module& module);
  llvm::SmallVector<char, 0> generate(llvm::Module& module, llvm::CodeGenFileType type);
  /// Optimizes the module.
  std::string text(llvm::Module& module, CodeText form);

 private:
  /// Scalar optimizations alone: loops stay as they are emitted.
  static llvm::FunctionPassManager pipeline();

  llvm::LLVMContext context_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  Cpu cpu_;
};

/// The code of a module's functions, which are `name` and a word of the module's: of all objects with one name the code
/// is the same.
struct Object {
  std::string name;
  std::string code;
};
/// Makes a module, complete, with the compiler of the thread that it runs on.
using Emit = std::function<std::unique_ptr<llvm::Module>(Compiler&)>;
/// An object for each module, on so many threads. Names the functions by what they compute, which is known once they are
/// there: `kernel_run` of the module `kernel` becomes `nnc_<sum>_run`. What the cache has is not compiled again; null: no
/// cache.
std::vector<Object> compile_objects(std::span<const Emit> modules, const Cpu& cpu, ObjectCache* cache, int threads);

/// Objects in memory, ready to run.
class Objects {
 public:
  Objects();
  /// One whose name is there already is not added.
  void add(const Object& object);
  template <class Function>
  Function find(const std::string& name) {
    auto found = jit_->lookup(name);
    if (!found) ir::internal_error(__FILE__, __LINE__, llvm::toString(found.takeError()));
    return found->template toPtr<Function>();
  }

 private:
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  std::set<std::string> names_;
};

}  // namespace nnc::runtime::jit
