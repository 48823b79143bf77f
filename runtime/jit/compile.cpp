#include "runtime/jit/compile.h"

#include "runtime/jit/compiler.h"
#include "runtime/jit/kernel_emitter.h"
#include "runtime/jit/sharing.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <thread>

namespace nnc::runtime::jit {

namespace {

/// Of the functions of a kernel; `kernel` tells it from all others.
std::string run_name(std::string_view kernel) { return fmt::format("{}_run", kernel); }
std::string finish_name(std::string_view kernel) { return fmt::format("{}_finish", kernel); }

std::unique_ptr<llvm::Module> emit(Compiler& compiler, const ir::Kernel& kernel, std::string_view name,
                                   const std::vector<int>& parameters) {
  std::unique_ptr<llvm::Module> module = compiler.module(name);
  const ir::FusedView fused(kernel.op);
  emit_run(*module, run_name(name), fused, parameters);
  emit_finish(*module, finish_name(name), fused);
  compiler.complete(*module);
  return module;
}

struct KernelObject {
  Object object;
  bool finishes = false;
};

KernelObject compile_kernel(Compiler& compiler, const ir::Kernel& kernel, const std::vector<int>& parameters,
                            ObjectCache* cache) {
  static constexpr std::string_view unnamed = "kernel";
  const auto module = emit(compiler, kernel, unnamed, parameters);
  const bool finishes = module->getFunction(finish_name(unnamed)) != nullptr;
  return {compile_object(compiler, *module, cache), finishes};
}

/// Of the kernels that lead; the others have none.
std::vector<KernelObject> compile_objects(std::span<const ir::Kernel> kernels, const Sharing& sharing, const Cpu& cpu,
                                          ObjectCache* cache, int threads) {
  std::vector<KernelObject> objects(kernels.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    Compiler compiler(cpu);
    for (std::size_t k = next++; k < kernels.size(); k = next++)
      if (sharing.leaders[k] == k) objects[k] = compile_kernel(compiler, kernels[k], sharing.parameters[k], cache);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(static_cast<std::size_t>(threads), kernels.size()); ++i)
    others.emplace_back(work);
  work();
  return objects;
}

class LoadedKernels : public KernelSet {
 public:
  LoadedKernels(std::span<const ir::Kernel> kernels, const Sharing& sharing, const std::vector<KernelObject>& objects) {
    for (std::size_t k = 0; k < objects.size(); ++k) {
      const std::size_t leader = sharing.leaders[k];
      KernelCode code = leader < k ? codes_[leader] : KernelCode{};
      if (!sharing.parameters[leader].empty())
        code.parameters = tables_.emplace_back(parameter_table(kernels[k], sharing.parameters[leader])).data();
      codes_.push_back(code);
      if (leader < k) continue;
      KernelCode& made = codes_.back();
      const auto& [object, finishes] = objects[k];
      objects_.add(object);
      made.run = objects_.find<KernelFunction>(run_name(object.name));
      if (finishes) made.finish = objects_.find<FinishFunction>(finish_name(object.name));
    }
  }

  KernelCode code(std::size_t kernel) const override { return codes_.at(kernel); }

 private:
  Objects objects_;
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

std::string code_text(std::span<const ir::Kernel> kernels, const Cpu& cpu, CodeText form) {
  Compiler compiler(cpu);
  std::string text;
  const Sharing sharing = share_code(kernels);
  for (std::size_t k = 0; k < kernels.size(); ++k)
    if (sharing.leaders[k] == k)
      text += compiler.text(*emit(compiler, kernels[k], kernels[k].name, sharing.parameters[k]), form);
  return text;
}

}  // namespace nnc::runtime::jit
