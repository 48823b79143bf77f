#include "runtime/jit/compile.h"

#include "ir/check.h"
#include "runtime/jit/compiler.h"
#include "runtime/jit/kernel_emitter.h"
#include "runtime/jit/sharing.h"
#include "runtime/jit/winograd_emitter.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <list>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace nnc::runtime::jit {

namespace {

/// Of functions; `code` tells it from all others.
std::string run_name(std::string_view code) { return fmt::format("{}_run", code); }
std::string finish_name(std::string_view code) { return fmt::format("{}_finish", code); }
std::string weight_name(std::string_view code) { return fmt::format("{}_weight", code); }
std::string tiles_name(std::string_view code) { return fmt::format("{}_tiles", code); }

struct KernelModule {
  std::unique_ptr<llvm::Module> module;
  bool finishes = false;
};

KernelModule emit(Compiler& compiler, const ir::Kernel& kernel, std::string_view name,
                  const std::vector<int>& parameters) {
  std::unique_ptr<llvm::Module> module = compiler.module(name);
  const ir::FusedView fused(kernel.op);
  emit_run(*module, run_name(name), fused, parameters);
  const bool finishes = emit_finish(*module, finish_name(name), fused);
  compiler.complete(*module);
  return {std::move(module), finishes};
}

std::unique_ptr<llvm::Module> emit(Compiler& compiler, const ir::WinogradTiles& tiles, std::string_view name,
                                   int lanes) {
  std::unique_ptr<llvm::Module> module = compiler.module(name);
  emit_winograd_weight(*module, weight_name(name), tiles, lanes);
  emit_winograd_tiles(*module, tiles_name(name), tiles, lanes);
  compiler.complete(*module);
  return module;
}

/// The code of a convolution serves any batch.
ir::WinogradTiles of_any_batch(ir::WinogradTiles tiles) {
  tiles.batch = 0;
  return tiles;
}

std::set<ir::WinogradTiles> different(std::span<const ir::WinogradTiles> convolutions) {
  std::set<ir::WinogradTiles> found;
  for (const ir::WinogradTiles& tiles : convolutions) found.insert(of_any_batch(tiles));
  return found;
}

/// Whether it has code of its own.
bool leads(std::span<const ir::Kernel> kernels, const Sharing& sharing, std::size_t k) {
  return sharing.leaders[k] == k && !ir::is_of_numbers(kernels[k]);
}

class CompiledCode final : public Code {
 public:
  CompiledCode(std::span<const ir::Kernel> kernels, std::span<const ir::WinogradTiles> convolutions, const Cpu& cpu,
               ObjectCache* cache, int threads) {
    const Sharing sharing = share_code(kernels);
    const std::set<ir::WinogradTiles> tiles = different(convolutions);
    std::vector<char> finishes(kernels.size());
    std::vector<Emit> modules;  // the largest first
    for (const ir::WinogradTiles& convolution : tiles)
      modules.emplace_back([&](Compiler& compiler) { return emit(compiler, convolution, "winograd", cpu.lanes); });
    for (std::size_t k = 0; k < kernels.size(); ++k)
      if (leads(kernels, sharing, k))
        modules.emplace_back([&, k](Compiler& compiler) {
          KernelModule made = emit(compiler, kernels[k], "kernel", sharing.parameters[k]);
          finishes[k] = made.finishes;
          return std::move(made.module);
        });
    const std::vector<Object> objects = compile_objects(modules, cpu, cache, threads);
    for (const Object& object : objects) objects_.add(object);

    auto object = objects.begin();
    for (const ir::WinogradTiles& convolution : tiles) {
      winograd_[convolution] = {objects_.find<KernelFunction>(weight_name(object->name)),
                                objects_.find<KernelFunction>(tiles_name(object->name))};
      ++object;
    }
    for (std::size_t k = 0; k < kernels.size(); ++k) {
      const std::size_t leader = sharing.leaders[k];
      KernelCode& code = codes_.emplace_back(leader < k ? codes_[leader] : KernelCode{});
      if (!sharing.parameters[leader].empty())
        code.parameters = tables_.emplace_back(parameter_table(kernels[k], sharing.parameters[leader])).data();
      if (!leads(kernels, sharing, k)) continue;
      code.run = objects_.find<KernelFunction>(run_name(object->name));
      if (finishes[k] != 0) code.finish = objects_.find<FinishFunction>(finish_name(object->name));
      ++object;
    }
  }

  KernelCode code(std::size_t kernel) const override { return codes_.at(kernel); }

  WinogradCode winograd(const ir::WinogradTiles& convolution) const override {
    const auto found = winograd_.find(of_any_batch(convolution));
    NNC_CHECK(found != winograd_.end(), "a convolution by tiles has not been compiled");
    return found->second;
  }

 private:
  Objects objects_;
  std::vector<KernelCode> codes_;
  std::list<std::vector<std::uint64_t>> tables_;
  std::map<ir::WinogradTiles, WinogradCode> winograd_;
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

std::unique_ptr<Code> compile(std::span<const ir::Kernel> kernels, const Cpu& cpu, ObjectCache* cache, int threads,
                              std::span<const ir::WinogradTiles> convolutions) {
  return std::make_unique<CompiledCode>(kernels, convolutions, cpu, cache, threads);
}

std::string code_text(std::span<const ir::Kernel> kernels, const Cpu& cpu, CodeText form,
                      std::span<const ir::WinogradTiles> convolutions) {
  Compiler compiler(cpu);
  std::string text;
  const Sharing sharing = share_code(kernels);
  for (std::size_t k = 0; k < kernels.size(); ++k)
    if (leads(kernels, sharing, k))
      text += compiler.text(*emit(compiler, kernels[k], kernels[k].name, sharing.parameters[k]).module, form);
  int number = 0;
  for (const ir::WinogradTiles& tiles : different(convolutions))
    text += compiler.text(*emit(compiler, tiles, fmt::format("winograd{}", number++), cpu.lanes), form);
  return text;
}

}  // namespace nnc::runtime::jit
