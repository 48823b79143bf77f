#include "runtime/jit/compile.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>

namespace nnc::runtime::jit {

Cpu avx2_cpu() { return {"x86-64-v3", "", 8}; }
Cpu avx512_cpu() { return {"x86-64-v4", "", 16}; }

Cpu host_cpu() {
  Cpu cpu{llvm::sys::getHostCPUName().str(), "", 4};
  const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const auto& feature : features)
    cpu.features += (cpu.features.empty() ? "" : ",") + std::string(feature.second ? "+" : "-") + feature.first().str();
  if (features.lookup("avx2") && features.lookup("fma")) cpu.lanes = 8;
  if (features.lookup("avx512f") && features.lookup("avx512dq") && features.lookup("avx512bw")) cpu.lanes = 16;
  return cpu;
}

}  // namespace nnc::runtime::jit
