#include "tools/machine.h"

#include "ir/program.h"
#include "runtime/cpu_target.h"
#include "runtime/jit/winograd.h"
#include "runtime/onednn/contractions.h"
#include "runtime/program_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace nnc::tools {

Machine::Machine(runtime::jit::Cpu cpu, std::shared_ptr<runtime::Contractions> contractions,
                 std::unique_ptr<ir::Target> target)
    : cpu_(std::move(cpu)), contractions_(std::move(contractions)), target_(std::move(target)) {}

namespace {

std::shared_ptr<runtime::Contractions> contractions_of(const runtime::jit::Cpu& cpu,
                                                       std::shared_ptr<runtime::jit::ObjectCache> cache = nullptr) {
  return runtime::jit::with_winograd(runtime::make_onednn_contractions(), cpu, std::move(cache));
}

}  // namespace

Machine Machine::of(runtime::jit::Cpu cpu, int threads) {
  std::shared_ptr<runtime::Contractions> contractions = contractions_of(cpu);
  auto target = runtime::cpu_target(cpu.name, cpu.lanes, threads, contractions);
  return {std::move(cpu), std::move(contractions), std::move(target)};
}

Machine Machine::native(int threads) { return of(runtime::jit::host_cpu(), threads); }

Machine Machine::avx2(int threads) { return of(runtime::jit::avx2_cpu(), threads); }

void Machine::keep_kernels_in(const std::string& directory) {
  kept_ = std::make_shared<runtime::jit::ObjectCache>(directory);
  contractions_ = contractions_of(cpu_, kept_);
}

Machine Machine::generic(int threads) {
  runtime::jit::Cpu cpu = runtime::jit::avx2_cpu();
  auto contractions = contractions_of(cpu);
  return {std::move(cpu), std::move(contractions), ir::generic_target(threads)};
}

namespace {

std::vector<ir::Kernel> kernels_with_code(const ir::Module& module) {
  std::vector<ir::Kernel> kernels;
  std::ranges::copy_if(module.kernels, std::back_inserter(kernels), runtime::has_code);
  return kernels;
}

}  // namespace

std::string Machine::code_text(const ir::Module& module, runtime::jit::CodeText form) const {
  return runtime::jit::code_text(kernels_with_code(module), cpu_, form) +
         runtime::jit::winograd_text(module.programs, cpu_, form);
}

ir::Status Machine::check(const ir::Module& module, const std::string& file, ir::Diagnostics& diagnostics) const {
  for (const ir::Program& program : module.programs) {
    for (const ir::Instruction& instruction : program.instructions) {
      if (instruction.def == nullptr || instruction.def->as<ir::Contraction>() == nullptr) continue;
      const std::int64_t needed = contractions_->scratch_bytes(ir::view(program, instruction), instruction.threads);
      if (needed <= instruction.scratch) continue;
      diagnostics.error(
          {file, 1, 1},
          fmt::format("this program is planned for target {}: on {} its {} needs {} bytes of "
                      "scratch and has {}; compile the .nn source here",
                      module.target, target_->name(), *instruction.def->name, needed, instruction.scratch));
      return ir::Status::failed;
    }
  }
  return ir::Status::ok;
}

std::unique_ptr<runtime::Executor> Machine::load(const ir::Module& module, runtime::Profile* profile) const {
  return runtime::make_program_executor(
      module, runtime::jit::compile(kernels_with_code(module), cpu_, kept_.get(), target_->threads()), contractions_,
      profile);
}

}  // namespace nnc::tools
