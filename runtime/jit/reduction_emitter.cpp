#include "runtime/jit/reduction_emitter.h"

#include "runtime/jit/control_flow.h"
#include "runtime/jit/scalar_emitter.h"

#include <numeric>

namespace nnc::runtime::jit {

namespace {

Accumulators gathered(const std::vector<llvm::Value*>& values) { return {values.begin(), values.end()}; }

}  // namespace

ReductionEmitter::ReductionEmitter(const ir::FusedView& fused, const ir::Op& op)
    : op_(&op),
      programs_(ir::reduction_programs(*op.def->as<ir::Reduction>(), fused.body.type(op.operands[0]).dtype)),
      reduced_(ir::reduced_dimensions(fused, op)) {
  for (const ir::ValueId result : op.results) results_.push_back(fused.body.type(result).dtype);
  for (const int d : reduced_) count_ *= fused.domain[static_cast<std::size_t>(d)];
}

bool ReductionEmitter::counts_steps(std::size_t kind) const {
  const std::vector<ir::ScalarInstr>& instrs = programs_.step.instrs;
  std::vector<int> work{programs_.step.results[kind]};
  while (!work.empty()) {
    const ir::ScalarInstr& instr = instrs[static_cast<std::size_t>(work.back())];
    work.pop_back();
    if (instr.op == ir::ScalarOp::input && instr.index != static_cast<int>(kind)) return false;
    for (const int argument : {instr.a, instr.b, instr.c})
      if (argument >= 0) work.push_back(argument);
  }
  return true;
}

Accumulators ReductionEmitter::start(llvm::IRBuilder<>& b, int lanes) const {
  Accumulators made = gathered(emit_program(b, programs_.start, nullptr));
  for (llvm::Value*& value : made) value = splat(b, value, lanes);
  return made;
}

Accumulators ReductionEmitter::step(llvm::IRBuilder<>& b, const Accumulators& accumulators, llvm::Value* x,
                                    const std::function<llvm::Value*()>& index) const {
  const std::size_t k = accumulators.size();
  Accumulators made = gathered(emit_program(b, programs_.step, [&](int input) -> llvm::Value* {
    const auto i = static_cast<std::size_t>(input);
    return i < k ? accumulators[i] : i == k ? x : index();
  }));
  for (std::size_t i = 0; i < k; ++i) made[i] = splat(b, made[i], lanes_of(accumulators[i]));
  return made;
}

Accumulators ReductionEmitter::merge(llvm::IRBuilder<>& b, const Accumulators& first,
                                     const Accumulators& second) const {
  return gathered(emit_program(b, programs_.merge, [&](int input) {
    const auto i = static_cast<std::size_t>(input);
    return i < first.size() ? first[i] : second[i - first.size()];
  }));
}

Accumulators ReductionEmitter::merge_lanes(llvm::IRBuilder<>& b, Accumulators accumulators) const {
  for (int lanes = lanes_of(accumulators[0]); lanes > 1; lanes /= 2) {
    Accumulators low, high;
    std::vector<int> order(static_cast<std::size_t>(lanes / 2));
    for (llvm::Value* value : accumulators) {
      // A single lane is an element.
      if (lanes == 2) {
        low.push_back(b.CreateExtractElement(value, std::uint64_t{0}));
        high.push_back(b.CreateExtractElement(value, std::uint64_t{1}));
        continue;
      }
      std::iota(order.begin(), order.end(), 0);
      low.push_back(b.CreateShuffleVector(value, order));
      std::iota(order.begin(), order.end(), lanes / 2);
      high.push_back(b.CreateShuffleVector(value, order));
    }
    accumulators = merge(b, low, high);
  }
  return accumulators;
}

std::vector<llvm::Value*> ReductionEmitter::finish(llvm::IRBuilder<>& b, const Accumulators& accumulators) const {
  std::vector<llvm::Value*> results = emit_program(b, programs_.finish, [&](int input) -> llvm::Value* {
    const auto i = static_cast<std::size_t>(input);
    return i < accumulators.size() ? accumulators[i] : b.getInt64(static_cast<std::uint64_t>(count_));
  });
  for (std::size_t i = 0; i < results.size(); ++i) {
    const int scalar = programs_.finish.results[i];
    results[i] = emit_cast(b, splat(b, results[i], lanes_of(accumulators[0])),
                           programs_.finish.instrs[static_cast<std::size_t>(scalar)].dtype, results_[i]);
  }
  return results;
}

AccumulatorRegisters::AccumulatorRegisters(llvm::IRBuilder<>& b, const ReductionEmitter& reduction, int lanes,
                                           int copies) {
  const Accumulators start = reduction.start(b, lanes);
  for (int copy = 0; copy < copies; ++copy) {
    auto& variables = variables_.emplace_back();
    for (llvm::Value* value : start) variables.push_back(emit_variable(b, value->getType()));
    store(b, copy, start);
  }
}

Accumulators AccumulatorRegisters::load(llvm::IRBuilder<>& b, int copy) const {
  Accumulators values;
  for (llvm::AllocaInst* variable : variables_[static_cast<std::size_t>(copy)])
    values.push_back(b.CreateLoad(variable->getAllocatedType(), variable));
  return values;
}

void AccumulatorRegisters::store(llvm::IRBuilder<>& b, int copy, const Accumulators& accumulators) const {
  for (std::size_t i = 0; i < accumulators.size(); ++i)
    b.CreateStore(accumulators[i], variables_[static_cast<std::size_t>(copy)][i]);
}

Accumulators select_lanes(llvm::IRBuilder<>& b, llvm::Value* mask, const Accumulators& changed,
                          const Accumulators& kept) {
  Accumulators made;
  for (std::size_t i = 0; i < changed.size(); ++i) made.push_back(b.CreateSelect(mask, changed[i], kept[i]));
  return made;
}

}  // namespace nnc::runtime::jit
