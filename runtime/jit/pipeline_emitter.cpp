#include "runtime/jit/pipeline_emitter.h"

#include "runtime/jit/control_flow.h"
#include "runtime/jit/scalar_emitter.h"
#include "runtime/jit/vector_loops.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Instructions.h>

#include <algorithm>
#include <utility>

namespace nnc::runtime::jit {

using ir::KernelNest;
using ir::ValueId;

namespace {

class PipelineEmitter {
 public:
  PipelineEmitter(KernelState& state, NestEmitter& nests) : s_(state), b_(state.b), nests_(nests) {}

  void run() {
    const int last = std::ranges::max(s_.layout.nests, {}, &KernelNest::lag).lag;
    std::vector<Passed> passed = passed_on();
    emit_loop(b_, s_.begin(), b_.CreateNSWAdd(s_.end(), s_.constant(last)), 1, [&](llvm::Value* turn) {
      const auto outside = s_.values;
      std::vector<Step> steps;
      for (int lag = 0; lag <= last; ++lag) {
        s_.values = outside;
        steps.push_back(begin_step(turn, lag, passed));
      }
      emit_rows(steps);
      for (Passed& result : passed) {
        for (std::size_t i = result.turns.size(); i-- > 1;) {
          llvm::AllocaInst* const from = result.turns[i - 1];
          b_.CreateStore(b_.CreateLoad(from->getAllocatedType(), from), result.turns[i]);
        }
        b_.CreateStore(steps[static_cast<std::size_t>(result.lag)].values[index_of(result.value)][0], result.turns[0]);
      }
      s_.values = outside;
    });
  }

 private:
  /// A reduction's result, for the nests of later turns that need it.
  struct Passed {
    ValueId value;
    int lag = 0;                           // of the nest that makes it
    std::vector<llvm::AllocaInst*> turns;  // of so many turns before, the last one first
  };
  /// What the nests of a lag work on in a turn.
  struct Step {
    std::vector<Pack> values;
    std::vector<llvm::Value*> coordinates;
    llvm::Value* position = nullptr;
    llvm::Value* runs = nullptr;  // whether the chunk has that position
    std::vector<Accumulation> accumulations;
    const KernelNest* row = nullptr;  // the nest over the row
  };

  std::vector<Passed> passed_on() {
    std::vector<Passed> passed;
    for (const KernelNest& nest : s_.layout.nests)
      for (const int i : nest.reductions)
        for (const ValueId value : s_.op(i).results) {
          int turns = 0;
          for (const KernelNest& later : s_.layout.nests)
            if (std::ranges::find(later.needed, value) != later.needed.end())
              turns = std::max(turns, later.lag - nest.lag);
          if (turns == 0) continue;
          Passed& made = passed.emplace_back(Passed{value, nest.lag, {}});
          llvm::Type* const type = register_type(b_.getContext(), s_.dtype(value));
          for (int turn = 0; turn < turns; ++turn) {
            made.turns.push_back(emit_variable(b_, type));
            b_.CreateStore(llvm::Constant::getNullValue(type), made.turns.back());
          }
        }
    return passed;
  }

  /// All but the loop over the row. Nothing is read, or done, where the chunk has no such position: the values then are 0.
  Step begin_step(llvm::Value* turn, int lag, const std::vector<Passed>& passed) {
    Step step;
    for (const Passed& result : passed) {
      const int turns = lag - result.lag;
      if (turns < 1 || turns > std::ssize(result.turns)) continue;
      llvm::AllocaInst* const from = result.turns[static_cast<std::size_t>(turns - 1)];
      s_.pack(result.value) = {b_.CreateLoad(from->getAllocatedType(), from)};
    }
    step.position = b_.CreateNSWSub(turn, s_.constant(lag));
    step.runs = b_.CreateICmpULT(b_.CreateSub(step.position, s_.begin()), b_.CreateSub(s_.end(), s_.begin()));
    s_.place_position(step.position);
    step.coordinates = s_.place.coordinates;
    emit_known_if(step.runs, [&] {
      std::vector<char> done(s_.values.size(), 0);
      for (const KernelNest& nest : s_.layout.nests) {
        if (nest.lag != lag) continue;
        nests_.emit_position_values(nest, done);
        if (!nest.loops.empty()) {
          step.row = &nest;
          continue;
        }
        nests_.emit_loops(nest);
      }
    });
    if (step.row != nullptr) step.accumulations = nests_.start(*step.row);
    step.values = s_.values;
    return step;
  }

  /// The loop that the nests share. Those behind come first: they read a row before it is written for a later position.
  void emit_rows(std::vector<Step>& steps) {
    const auto resume = [&](const Step& step) {
      s_.values = step.values;
      for (const int d : s_.fused.schedule.parallel) s_.coordinate(d) = step.coordinates[static_cast<std::size_t>(d)];
      s_.place.position = step.position;
    };
    emit_vector_loop(s_, [&] {
      for (std::size_t i = steps.size(); i-- > 0;) {
        if (steps[i].row == nullptr) continue;
        resume(steps[i]);
        emit_if(b_, steps[i].runs, [&] { nests_.emit_turn(*steps[i].row, steps[i].accumulations); });
      }
    });
    for (Step& step : steps) {
      if (step.row == nullptr) continue;
      resume(step);
      nests_.finish(*step.row, step.accumulations);
      step.values = s_.values;
    }
  }

  /// What becomes known in the body is a value behind it too: 0 where the condition does not hold.
  template <class F>
  void emit_known_if(llvm::Value* condition, const F& body) {
    const std::vector<Pack> before = s_.values;
    std::vector<std::pair<llvm::Value**, llvm::AllocaInst*>> known;
    llvm::BasicBlock* const outside = b_.GetInsertBlock();
    emit_if(b_, condition, [&] {
      body();
      for (std::size_t v = 0; v < s_.values.size(); ++v) {
        if (s_.values[v] == before[v]) continue;
        for (llvm::Value*& value : s_.values[v]) {
          if (llvm::isa<llvm::Constant>(value)) continue;
          llvm::AllocaInst* const variable = emit_variable(b_, value->getType());
          llvm::IRBuilder<>(outside->getTerminator())
              .CreateStore(llvm::Constant::getNullValue(value->getType()), variable);
          b_.CreateStore(value, variable);
          known.emplace_back(&value, variable);
        }
      }
    });
    for (const auto& [value, variable] : known) *value = b_.CreateLoad(variable->getAllocatedType(), variable);
  }

  KernelState& s_;
  llvm::IRBuilder<>& b_;
  NestEmitter& nests_;
};

}  // namespace

void emit_pipeline(KernelState& state, NestEmitter& nests) { PipelineEmitter(state, nests).run(); }

}  // namespace nnc::runtime::jit
