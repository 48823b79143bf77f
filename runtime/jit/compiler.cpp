#include "runtime/jit/compiler.h"

#include "runtime/jit/lanes.h"

#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/MCSubtargetInfo.h>
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

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

namespace nnc::runtime::jit {

namespace {

/// Another one where the options below, or the names of functions, change what is made of the same module.
constexpr std::string_view code_version = "1";

void initialize_targets() {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  NNC_CHECK(initialized, "LLVM has no target for this machine");
}

std::unique_ptr<llvm::TargetMachine> target_machine(const Cpu& cpu) {
  initialize_targets();
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

}  // namespace

Compiler::Compiler(const Cpu& cpu) : machine_(target_machine(cpu)), cpu_(cpu) {}

std::unique_ptr<llvm::Module> Compiler::module(std::string_view name) {
  auto module = std::make_unique<llvm::Module>(name, context_);
  module->setDataLayout(machine_->createDataLayout());
  module->setTargetTriple(machine_->getTargetTriple().str());
  set_has_tables(*module, std::ranges::all_of(table_features, [&](const std::string& feature) {
    return machine_->getMCSubtargetInfo()->checkFeatures("+" + feature);
  }));
  return module;
}

void Compiler::complete(llvm::Module& module) {
  for (llvm::Function& function : module) {
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
  NNC_CHECK(!llvm::verifyModule(module, &stream), "{} is malformed: {}", module.getName().str(), fault);
}

void Compiler::optimize(llvm::Module& module) {
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

std::string Compiler::key(const llvm::Module& module) {
  std::string code, passes;
  llvm::raw_string_ostream code_stream(code), pass_stream(passes);
  llvm::WriteBitcodeToFile(module, code_stream);
  pipeline().printPipeline(pass_stream, [](llvm::StringRef name) { return name; });
  return key_of({code, passes, LLVM_VERSION_STRING, code_version});
}

llvm::SmallVector<char, 0> Compiler::generate(llvm::Module& module, llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  NNC_CHECK(!machine_->addPassesToEmitFile(passes, stream, nullptr, type, /*DisableVerify=*/true),
            "LLVM does not generate code for {}", cpu_.name);
  passes.run(module);
  return code;
}

std::string Compiler::text(llvm::Module& module, CodeText form) {
  optimize(module);
  if (form == CodeText::assembly) {
    const llvm::SmallVector<char, 0> code = generate(module, llvm::CodeGenFileType::AssemblyFile);
    return {code.begin(), code.end()};
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

llvm::FunctionPassManager Compiler::pipeline() {
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

namespace {

Object compile_object(Compiler& compiler, llvm::Module& module, ObjectCache* cache) {
  Object object{.name = "nnc_" + Compiler::key(module), .code = {}};
  if (std::optional<std::string> kept = cache == nullptr ? std::nullopt : cache->find(object.name)) {
    object.code = std::move(*kept);
    return object;
  }
  for (llvm::Function& function : module)
    if (!function.isDeclaration())
      function.setName(object.name + function.getName().substr(module.getName().size()).str());
  compiler.optimize(module);
  const llvm::SmallVector<char, 0> code = compiler.generate(module, llvm::CodeGenFileType::ObjectFile);
  object.code.assign(code.begin(), code.end());
  if (cache != nullptr) cache->keep(object.name, object.code);
  return object;
}

}  // namespace

std::vector<Object> compile_objects(std::span<const Emit> modules, const Cpu& cpu, ObjectCache* cache, int threads) {
  std::vector<Object> objects(modules.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    Compiler compiler(cpu);
    for (std::size_t i = next++; i < modules.size(); i = next++)
      objects[i] = compile_object(compiler, *modules[i](compiler), cache);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(static_cast<std::size_t>(threads), modules.size()); ++i)
    others.emplace_back(work);
  work();
  return objects;
}

Objects::Objects() {
  initialize_targets();
  auto jit = llvm::orc::LLJITBuilder().setPlatformSetUp(llvm::orc::setUpInactivePlatform).create();
  if (!jit) ir::internal_error(__FILE__, __LINE__, llvm::toString(jit.takeError()));
  jit_ = std::move(*jit);
}

void Objects::add(const Object& object) {
  if (!names_.insert(object.name).second) return;
  if (llvm::Error error = jit_->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object.code, object.name)))
    ir::internal_error(__FILE__, __LINE__, llvm::toString(std::move(error)));
}

}  // namespace nnc::runtime::jit
