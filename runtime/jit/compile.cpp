#include "runtime/jit/compile.h"

#include "ir/check.h"
#include "runtime/jit/kernel_emitter.h"
#include "runtime/jit/sharing.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <thread>

namespace nnc::runtime::jit {

namespace {

std::string run_name(std::size_t kernel) { return fmt::format("kernel{}_run", kernel); }
std::string finish_name(std::size_t kernel) { return fmt::format("kernel{}_finish", kernel); }

std::unique_ptr<llvm::TargetMachine> target_machine(const Cpu& cpu) {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  NNC_CHECK(initialized, "LLVM has no target for this machine");
  const std::string triple = llvm::sys::getProcessTriple();
  std::string error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
  NNC_CHECK(target != nullptr, "LLVM has no target {}: {}", triple, error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, cpu.name, cpu.features, options, llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
  NNC_CHECK(machine != nullptr, "LLVM has no code for {}", cpu.name);
  return machine;
}

/// Compiles one kernel after another; one a thread.
class Compiler {
 public:
  explicit Compiler(const Cpu& cpu) : machine_(target_machine(cpu)), cpu_(cpu) {}

  std::unique_ptr<llvm::Module> emit(const ir::Kernel& kernel, std::size_t number, const std::vector<int>& parameters,
                                     bool& finishes) {
    auto module = std::make_unique<llvm::Module>(kernel.name, context_);
    module->setDataLayout(machine_->createDataLayout());
    module->setTargetTriple(machine_->getTargetTriple().str());
    const ir::FusedView fused(kernel.op);
    emit_run(*module, run_name(number), fused, parameters);
    finishes = emit_finish(*module, finish_name(number), fused);
    for (llvm::Function& function : *module) {
      if (function.isDeclaration()) continue;
      function.setDoesNotThrow();
      function.addFnAttr("target-cpu", cpu_.name);
      if (!cpu_.features.empty()) function.addFnAttr("target-features", cpu_.features);
      // Whole vectors, on CPUs whose default is to halve them too.
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr("min-legal-vector-width", "512");
    }
    std::string fault;
    llvm::raw_string_ostream stream(fault);
    NNC_CHECK(!llvm::verifyModule(*module, &stream), "kernel {} is malformed: {}", kernel.name, fault);
    return module;
  }

  /// Scalar optimizations alone: loops stay as they are emitted.
  void optimize(llvm::Module& module) {
    llvm::PassBuilder builder(machine_.get());
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager sccs;
    llvm::ModuleAnalysisManager modules;
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    llvm::FunctionPassManager passes;
    passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
    passes.addPass(llvm::EarlyCSEPass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
    passes.addPass(llvm::GVNPass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::DCEPass());
    for (llvm::Function& function : module)
      if (!function.isDeclaration()) passes.run(function, functions);
  }

  llvm::SmallVector<char, 0> generate(llvm::Module& module, llvm::CodeGenFileType type) {
    llvm::SmallVector<char, 0> code;
    llvm::raw_svector_ostream stream(code);
    llvm::legacy::PassManager passes;
    NNC_CHECK(!machine_->addPassesToEmitFile(passes, stream, nullptr, type, /*DisableVerify=*/true),
              "LLVM does not generate code for {}", cpu_.name);
    passes.run(module);
    return code;
  }

 private:
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  Cpu cpu_;
};

template <class T>
T checked(llvm::Expected<T> value) {
  if (!value) ir::internal_error(__FILE__, __LINE__, llvm::toString(value.takeError()));
  return std::move(*value);
}
void checked(llvm::Error error) {
  if (error) ir::internal_error(__FILE__, __LINE__, llvm::toString(std::move(error)));
}

struct Object {
  std::unique_ptr<llvm::MemoryBuffer> code;
  bool finishes = false;
};

/// Of the kernels that lead; the others have none.
std::vector<Object> compile_objects(std::span<const ir::Kernel> kernels, const Sharing& sharing, const Cpu& cpu) {
  std::vector<Object> objects(kernels.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    Compiler compiler(cpu);
    for (std::size_t k = next++; k < kernels.size(); k = next++) {
      if (sharing.leaders[k] != k) continue;
      const auto module = compiler.emit(kernels[k], k, sharing.parameters[k], objects[k].finishes);
      compiler.optimize(*module);
      objects[k].code = std::make_unique<llvm::SmallVectorMemoryBuffer>(
          compiler.generate(*module, llvm::CodeGenFileType::ObjectFile), kernels[k].name,
          /*RequiresNullTerminator=*/false);
    }
  };
  std::vector<std::jthread> others;
  if (kernels.size() > 1 && std::thread::hardware_concurrency() > 1) others.emplace_back(work);
  work();
  return objects;
}

class LoadedKernels : public KernelSet {
 public:
  LoadedKernels(std::span<const ir::Kernel> kernels, const Sharing& sharing, std::vector<Object> objects)
      : jit_(checked(llvm::orc::LLJITBuilder().setPlatformSetUp(llvm::orc::setUpInactivePlatform).create())) {
    std::vector<bool> finishes;
    for (Object& object : objects) {
      finishes.push_back(object.finishes);
      if (object.code != nullptr) checked(jit_->addObjectFile(std::move(object.code)));
    }
    for (std::size_t k = 0; k < finishes.size(); ++k) {
      const std::size_t leader = sharing.leaders[k];
      KernelCode code = leader < k ? codes_[leader] : KernelCode{};
      if (!sharing.parameters[leader].empty())
        code.parameters = tables_.emplace_back(parameter_table(kernels[k], sharing.parameters[leader])).data();
      codes_.push_back(code);
      if (leader < k) continue;
      KernelCode& made = codes_.back();
      made.run = checked(jit_->lookup(run_name(k))).toPtr<KernelFunction>();
      if (finishes[k]) made.finish = checked(jit_->lookup(finish_name(k))).toPtr<FinishFunction>();
    }
  }

  KernelCode code(std::size_t kernel) const override { return codes_.at(kernel); }

 private:
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  std::vector<KernelCode> codes_;
  std::list<std::vector<std::uint64_t>> tables_;
};

}  // namespace

Cpu avx2_cpu() { return {"x86-64-v3", "", 8}; }
Cpu avx512_cpu() { return {"x86-64-v4", "", 16}; }

Cpu host_cpu() {
  Cpu cpu{llvm::sys::getHostCPUName().str(), "", 4};
  const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> names;
  for (const auto& feature : features) names.push_back(std::string(feature.second ? "+" : "-") + feature.first().str());
  std::ranges::sort(names);
  cpu.features = fmt::format("{}", fmt::join(names, ","));
  if (features.lookup("avx2") && features.lookup("fma")) cpu.lanes = 8;
  if (features.lookup("avx512f") && features.lookup("avx512dq") && features.lookup("avx512bw")) cpu.lanes = 16;
  return cpu;
}

std::unique_ptr<KernelSet> compile(std::span<const ir::Kernel> kernels, const Cpu& cpu) {
  const Sharing sharing = share_code(kernels);
  return std::make_unique<LoadedKernels>(kernels, sharing, compile_objects(kernels, sharing, cpu));
}

std::string llvm_text(std::span<const ir::Kernel> kernels, const Cpu& cpu, bool optimized) {
  Compiler compiler(cpu);
  std::string text;
  llvm::raw_string_ostream stream(text);
  const Sharing sharing = share_code(kernels);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    if (sharing.leaders[k] != k) continue;
    bool finishes = false;
    const std::unique_ptr<llvm::Module> module = compiler.emit(kernels[k], k, sharing.parameters[k], finishes);
    if (optimized) compiler.optimize(*module);
    module->print(stream, nullptr);
  }
  return text;
}

std::string assembly(std::span<const ir::Kernel> kernels, const Cpu& cpu) {
  Compiler compiler(cpu);
  std::string text;
  const Sharing sharing = share_code(kernels);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    if (sharing.leaders[k] != k) continue;
    bool finishes = false;
    const std::unique_ptr<llvm::Module> module = compiler.emit(kernels[k], k, sharing.parameters[k], finishes);
    compiler.optimize(*module);
    const llvm::SmallVector<char, 0> code = compiler.generate(*module, llvm::CodeGenFileType::AssemblyFile);
    text.append(code.begin(), code.end());
  }
  return text;
}

}  // namespace nnc::runtime::jit
