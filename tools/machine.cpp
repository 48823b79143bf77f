#include "tools/machine.h"

#include "ir/program.h"
#include "runtime/cpu_target.h"
#include "runtime/data/file.h"
#include "runtime/jit/winograd.h"
#include "runtime/onednn/contractions.h"
#include "runtime/program_executor.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace nnc::tools {

Machine::Machine(runtime::jit::Cpu cpu, std::shared_ptr<runtime::Contractions> contractions,
                 std::unique_ptr<ir::Target> target)
    : cpu_(std::move(cpu)), contractions_(std::move(contractions)), target_(std::move(target)) {}

Machine Machine::of(runtime::jit::Cpu cpu, int threads) {
  const std::shared_ptr<runtime::Contractions> contractions = runtime::make_onednn_contractions();
  auto target = runtime::cpu_target(cpu.name, cpu.lanes, threads, runtime::jit::with_winograd(contractions));
  return {std::move(cpu), contractions, std::move(target)};
}

Machine Machine::native(int threads) { return of(runtime::jit::host_cpu(), threads); }

Machine Machine::avx2(int threads) { return of(runtime::jit::avx2_cpu(), threads); }

void Machine::keep_kernels_in(const std::string& directory) {
  kept_ = std::make_shared<runtime::jit::ObjectCache>(directory);
}

Machine Machine::generic(int threads) {
  return {runtime::jit::avx2_cpu(), runtime::make_onednn_contractions(), ir::generic_target(threads)};
}

std::string Machine::code_text(const ir::Module& module, runtime::jit::CodeText form) const {
  return runtime::jit::code_text(module.kernels, cpu_, form, runtime::jit::winograd_convolutions(module.programs));
}

ir::Status Machine::check(const ir::Module& module, const std::string& file, ir::Diagnostics& diagnostics) const {
  const std::unique_ptr<runtime::Contractions> needs = runtime::jit::with_winograd(contractions_);
  for (const ir::Program& program : module.programs) {
    for (const ir::Instruction& instruction : program.instructions) {
      if (instruction.def == nullptr || instruction.def->as<ir::Contraction>() == nullptr) continue;
      const std::int64_t needed = needs->scratch_bytes(ir::view(program, instruction), instruction.threads);
      if (needed <= instruction.scratch) continue;
      diagnostics.error(
          runtime::whole_file(file),
          fmt::format("this program is planned for target {}: on {} its {} needs {} bytes of "
                      "scratch and has {}; compile the .nn source here",
                      module.target, target_->name(), *instruction.def->name, needed, instruction.scratch));
      return ir::Status::failed;
    }
  }
  return ir::Status::ok;
}

std::unique_ptr<runtime::Executor> Machine::load(const ir::Module& module, runtime::Profile* profile) const {
  const std::shared_ptr<const runtime::jit::Code> code = runtime::jit::compile(
      module.kernels, cpu_, kept_.get(), target_->threads(), runtime::jit::winograd_convolutions(module.programs));
  return runtime::make_program_executor(module, code, runtime::jit::with_winograd(contractions_, code), profile);
}

}  // namespace nnc::tools
