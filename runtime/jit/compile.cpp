#include "runtime/jit/compile.h"

#include "ir/check.h"
#include "runtime/jit/kernel_emitter.h"
#include "runtime/jit/sharing.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/MemoryBuffer.h>
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
#include <optional>
#include <set>
#include <thread>

namespace nnc::runtime::jit {

namespace {

/// Of the functions of a kernel; `kernel` tells it from all others.
std::string run_name(std::string_view kernel) { return fmt::format("{}_run", kernel); }
std::string finish_name(std::string_view kernel) { return fmt::format("{}_finish", kernel); }

/// Another one where the options below, or the names of functions, change what is made of the same module.
constexpr std::string_view code_version = "1";

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

  std::unique_ptr<llvm::Module> emit(const ir::Kernel& kernel, std::string_view name,
                                     const std::vector<int>& parameters) {
    auto module = std::make_unique<llvm::Module>(name, context_);
    module->setDataLayout(machine_->createDataLayout());
    module->setTargetTriple(machine_->getTargetTriple().str());
    const ir::FusedView fused(kernel.op);
    emit_run(*module, run_name(name), fused, parameters);
    emit_finish(*module, finish_name(name), fused);
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
    llvm::FunctionPassManager passes = pipeline();
    for (llvm::Function& function : module)
      if (!function.isDeclaration()) passes.run(function, functions);
  }

  /// All that the code of a module follows from; functions name their CPU.
  static std::string key(const llvm::Module& module) {
    std::string code, passes;
    llvm::raw_string_ostream code_stream(code), pass_stream(passes);
    llvm::WriteBitcodeToFile(module, code_stream);
    pipeline().printPipeline(pass_stream, [](llvm::StringRef name) { return name; });
    return key_of({code, passes, LLVM_VERSION_STRING, code_version});
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
  /// Scalar optimizations alone: loops stay as they are emitted.
  static llvm::FunctionPassManager pipeline() {
    llvm::FunctionPassManager passes;
    passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
    passes.addPass(llvm::EarlyCSEPass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
    passes.addPass(llvm::GVNPass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::DCEPass());
    return passes;
  }

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
  std::string name;  // by its code: of all objects with one name the code is the same
  std::string code;
  bool finishes = false;
};

/// Functions are named by what they compute, which is known once they are there.
Object compile_object(Compiler& compiler, const ir::Kernel& kernel, const std::vector<int>& parameters,
                      ObjectCache* cache) {
  static constexpr std::string_view unnamed = "kernel";
  const auto module = compiler.emit(kernel, unnamed, parameters);
  Object object;
  object.name = "nnc_" + Compiler::key(*module);
  llvm::Function* const finish = module->getFunction(finish_name(unnamed));
  object.finishes = finish != nullptr;
  if (std::optional<std::string> kept = cache == nullptr ? std::nullopt : cache->find(object.name)) {
    object.code = std::move(*kept);
    return object;
  }
  module->getFunction(run_name(unnamed))->setName(run_name(object.name));
  if (finish != nullptr) finish->setName(finish_name(object.name));
  compiler.optimize(*module);
  const llvm::SmallVector<char, 0> code = compiler.generate(*module, llvm::CodeGenFileType::ObjectFile);
  object.code.assign(code.begin(), code.end());
  if (cache != nullptr) cache->keep(object.name, object.code);
  return object;
}

/// Of the kernels that lead; the others have none.
std::vector<Object> compile_objects(std::span<const ir::Kernel> kernels, const Sharing& sharing, const Cpu& cpu,
                                    ObjectCache* cache, int threads) {
  std::vector<Object> objects(kernels.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    Compiler compiler(cpu);
    for (std::size_t k = next++; k < kernels.size(); k = next++)
      if (sharing.leaders[k] == k) objects[k] = compile_object(compiler, kernels[k], sharing.parameters[k], cache);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(static_cast<std::size_t>(threads), kernels.size()); ++i)
    others.emplace_back(work);
  work();
  return objects;
}

class LoadedKernels : public KernelSet {
 public:
  LoadedKernels(std::span<const ir::Kernel> kernels, const Sharing& sharing, const std::vector<Object>& objects)
      : jit_(checked(llvm::orc::LLJITBuilder().setPlatformSetUp(llvm::orc::setUpInactivePlatform).create())) {
    std::set<std::string_view> names;
    for (const Object& object : objects)
      if (!object.name.empty() && names.insert(object.name).second)
        checked(jit_->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object.code, object.name)));
    for (std::size_t k = 0; k < objects.size(); ++k) {
      const std::size_t leader = sharing.leaders[k];
      KernelCode code = leader < k ? codes_[leader] : KernelCode{};
      if (!sharing.parameters[leader].empty())
        code.parameters = tables_.emplace_back(parameter_table(kernels[k], sharing.parameters[leader])).data();
      codes_.push_back(code);
      if (leader < k) continue;
      KernelCode& made = codes_.back();
      made.run = checked(jit_->lookup(run_name(objects[k].name))).toPtr<KernelFunction>();
      if (objects[k].finishes)
        made.finish = checked(jit_->lookup(finish_name(objects[k].name))).toPtr<FinishFunction>();
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

std::unique_ptr<KernelSet> compile(std::span<const ir::Kernel> kernels, const Cpu& cpu, ObjectCache* cache,
                                   int threads) {
  const Sharing sharing = share_code(kernels);
  return std::make_unique<LoadedKernels>(kernels, sharing, compile_objects(kernels, sharing, cpu, cache, threads));
}

std::string llvm_text(std::span<const ir::Kernel> kernels, const Cpu& cpu, bool optimized) {
  Compiler compiler(cpu);
  std::string text;
  llvm::raw_string_ostream stream(text);
  const Sharing sharing = share_code(kernels);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    if (sharing.leaders[k] != k) continue;
    const std::unique_ptr<llvm::Module> module = compiler.emit(kernels[k], kernels[k].name, sharing.parameters[k]);
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
    const std::unique_ptr<llvm::Module> module = compiler.emit(kernels[k], kernels[k].name, sharing.parameters[k]);
    compiler.optimize(*module);
    const llvm::SmallVector<char, 0> code = compiler.generate(*module, llvm::CodeGenFileType::AssemblyFile);
    text.append(code.begin(), code.end());
  }
  return text;
}

}  // namespace nnc::runtime::jit
