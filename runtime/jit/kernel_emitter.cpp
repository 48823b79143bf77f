#include "runtime/jit/kernel_emitter.h"

#include "ir/op.h"
#include "runtime/jit/accumulation.h"
#include "runtime/jit/control_flow.h"
#include "runtime/jit/kernel_state.h"
#include "runtime/jit/scalar_emitter.h"
#include "runtime/jit/split_accumulation.h"
#include "runtime/jit/value_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace nnc::runtime::jit {

using ir::DType;
using ir::KernelNest;
using ir::ValueId;

namespace {

using Beside = ir::KernelFetch::Beside;

class RunEmitter {
 public:
  RunEmitter(llvm::Module& module, const std::string& name, const ir::FusedView& fused,
             const std::vector<int>& parameters)
      : s_(module, name, fused, parameters), b_(s_.b), evaluate_(s_), accumulate_(s_), splits_(s_, accumulate_) {}

  void run() {
    splits_.start();
    emit_early(Level::function);
    if (s_.layout.vector_is_parallel)
      vector_positions();
    else if (s_.fused.schedule.pipelined)
      emit_pipeline();
    else
      emit_loop(b_, s_.begin(), s_.end(), 1, [&](llvm::Value* position) {
        place_position(position, s_.fused.schedule.parallel.size());
        emit_nests();
      });
    splits_.end();
    if (s_.access.streams()) b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {}, {});
    b_.CreateRetVoid();
  }

 private:
  // --- positions ----------------------------------------------------------------------------------------------------

  /// The coordinates of the first `count` parallel dimensions.
  void place_position(llvm::Value* position, std::size_t count) {
    const auto& parallel = s_.fused.schedule.parallel;
    for (std::size_t i = count; i-- > 0;) {
      if (s_.extent(parallel[i]) <= 1) continue;
      const bool outermost = std::all_of(parallel.begin(), parallel.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](int d) { return s_.extent(d) <= 1; });
      llvm::Value* const length = s_.constant(s_.extent(parallel[i]));
      s_.coordinate(parallel[i]) = outermost ? position : b_.CreateURem(position, length);
      if (!outermost) position = b_.CreateUDiv(position, length);
    }
  }

  /// The lanes are consecutive positions of the last parallel dimension; a vector does not cross its end.
  void vector_positions() {
    const auto& parallel = s_.fused.schedule.parallel;
    const bool only = std::ranges::all_of(parallel, [&](int d) { return d == s_.vector() || s_.extent(d) <= 1; });
    if (only) return vector_range(s_.begin(), s_.end());
    emit_while_below(b_, s_.begin(), s_.end(), [&](llvm::Value* position) {
      llvm::Value* const length = s_.constant(s_.extent(s_.vector()));
      llvm::Value* const first = b_.CreateURem(position, length);
      place_position(b_.CreateUDiv(position, length), parallel.size() - 1);
      const auto outside = s_.values;
      emit_early(Level::row);
      llvm::Value* const left = b_.CreateNSWAdd(first, b_.CreateNSWSub(s_.end(), position));
      llvm::Value* const last = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, left, length);
      vector_range(first, last);
      s_.values = outside;
      return b_.CreateNSWAdd(position, b_.CreateNSWSub(last, first));
    });
  }

  void vector_range(llvm::Value* first, llvm::Value* last) {
    if (s_.fused.schedule.tile_outside && s_.layout.tile >= 0) return emit_tile_loop([&] { vectors(first, last); });
    vectors(first, last);
  }

  void vectors(llvm::Value* first, llvm::Value* last) {
    if (!masks_all()) {
      const std::int64_t step = std::int64_t{s_.lanes()} * s_.unroll;
      llvm::Value* const length = b_.CreateNSWSub(last, first);
      llvm::Value* const whole = b_.CreateNSWMul(b_.CreateUDiv(length, s_.constant(step)), s_.constant(step));
      llvm::Value* const stop = b_.CreateNSWAdd(first, whole);
      emit_loop(b_, first, stop, step,
                [&](llvm::Value* at) { in_lanes(at, s_.unroll, nullptr, [&] { emit_nests(); }); });
      first = stop;
    }
    emit_loop(b_, first, last, s_.lanes(), [&](llvm::Value* at) {
      llvm::Type* const narrow = register_type(b_.getContext(), DType::i32, s_.lanes());
      llvm::Value* const left = b_.CreateTrunc(b_.CreateNSWSub(last, at), b_.getInt32Ty());
      llvm::Value* const numbers = b_.CreateTrunc(lane_numbers(b_.getContext(), 0, s_.lanes()), narrow);
      llvm::Value* const mask = b_.CreateICmpSLT(numbers, splat(b_, left, s_.lanes()));
      in_lanes(at, 1, mask, [&] { emit_nests(); });
    });
  }

  /// Whether every vector is masked, so that there is one loop: what that costs does not show in a large body.
  bool masks_all() const {
    constexpr std::size_t large_body = 16;
    return s_.unroll == 1 && s_.layout.tile < 0 && s_.fused.schedule.streamed.empty() &&
           s_.fused.body.ops().size() >= large_body;
  }

  template <class F>
  void in_lanes(llvm::Value* first, int copies, llvm::Value* mask, F body) {
    s_.coordinate(s_.vector()) = first;
    s_.place.in_lanes = true;
    s_.place.mask = mask;
    in_copies(s_.vector(), copies, body);
    s_.place.in_lanes = false;
    s_.place.mask = nullptr;
    s_.coordinate(s_.vector()) = nullptr;
  }

  /// A single copy is none: there may be copies along another dimension.
  template <class F>
  void in_copies(int along, int copies, F body) {
    if (copies == 1) return body();
    s_.place.along = along;
    s_.place.copies = copies;
    body();
    s_.place.along = -1;
    s_.place.copies = 1;
  }

  // --- values -------------------------------------------------------------------------------------------------------

  /// Where a value is known first: at the function's start, in a row of positions, or in a position.
  enum class Level : std::uint8_t { function, row, position };
  Level earliest(ValueId value) const {
    if (s_.is_reduction(value) || s_.layout.stage[index_of(value)] > 0) return Level::position;
    const ir::DimensionSet moves = s_.layout.moves[index_of(value)];
    if (moves == 0) return Level::function;
    if (!s_.layout.vector_is_parallel) return Level::position;
    for (int d = 0; d < s_.fused.rank(); ++d)
      if (has(moves, d) && (d == s_.vector() || !s_.fused.is_parallel(d))) return Level::position;
    return Level::row;
  }
  void emit_early(Level level) {
    std::vector<char> done(s_.values.size(), 0);
    for (const KernelNest& nest : s_.layout.nests)
      for (const ValueId value : nest.needed)
        if (earliest(value) == level && !std::exchange(done[index_of(value)], 1)) evaluate_.emit(value);
  }

  // --- nests --------------------------------------------------------------------------------------------------------

  void emit_nests() {
    const auto outside = s_.values;
    std::vector<char> done(s_.values.size(), 0);
    for (const KernelNest& nest : s_.layout.nests) {
      emit_position_values(nest, done);
      std::vector<Accumulation> accumulations;
      emit_level(nest, 0, accumulations);
    }
    s_.values = outside;
  }

  /// Of what the nest needs, all that its loops have equal.
  void emit_position_values(const KernelNest& nest, std::vector<char>& done) {
    for (const ValueId value : nest.needed)
      if (earliest(value) == Level::position && depth(nest, value) == 0 && !s_.is_reduction(value) &&
          !std::exchange(done[index_of(value)], 1))
        evaluate_.emit(value);
  }

  // --- a pipeline of nests ------------------------------------------------------------------------------------------

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

  void emit_pipeline() {
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
    place_position(step.position, s_.fused.schedule.parallel.size());
    step.coordinates = s_.place.coordinates;
    emit_known_if(step.runs, [&] {
      std::vector<char> done(s_.values.size(), 0);
      for (const KernelNest& nest : s_.layout.nests) {
        if (nest.lag != lag) continue;
        emit_position_values(nest, done);
        if (!nest.loops.empty()) {
          step.row = &nest;
          continue;
        }
        std::vector<Accumulation> accumulations;
        emit_level(nest, 0, accumulations);
      }
    });
    if (step.row != nullptr) step.accumulations = accumulate_.start(*step.row);
    step.values = s_.values;
    return step;
  }

  /// The loop that the nests share. Those behind come first: they read a row before it is written for a later position.
  void emit_rows(std::vector<Step>& steps) {
    const auto resume = [&](const Step& step) {
      s_.values = step.values;
      for (const int d : s_.fused.schedule.parallel) s_.coordinate(d) = step.coordinates[static_cast<std::size_t>(d)];
      position_ = step.position;
    };
    emit_vector_loop([&] {
      for (std::size_t i = steps.size(); i-- > 0;) {
        if (steps[i].row == nullptr) continue;
        resume(steps[i]);
        emit_if(b_, steps[i].runs, [&] {
          for (const ValueId value : steps[i].row->needed)
            if (depth(*steps[i].row, value) == 1) emit_inner_value(*steps[i].row, value);
          emit_innermost(*steps[i].row, steps[i].accumulations);
        });
      }
    });
    for (Step& step : steps) {
      if (step.row == nullptr) continue;
      resume(step);
      accumulate_.finish(*step.row, step.accumulations);
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

  /// How many of the nest's loops a value needs.
  int depth(const KernelNest& nest, ValueId value) const {
    int depth = 0;
    for (std::size_t i = 0; i < nest.loops.size(); ++i)
      if (has(s_.layout.moves[index_of(value)], nest.loops[i])) depth = static_cast<int>(i) + 1;
    return depth;
  }

  void emit_level(const KernelNest& nest, int level, std::vector<Accumulation>& accumulations) {
    if (level > 0)
      for (const ValueId value : nest.needed)
        if (depth(nest, value) == level) emit_inner_value(nest, value);
    if (level == nest.kept) accumulations = accumulate_.start(nest);
    if (level == static_cast<int>(nest.loops.size())) {
      emit_innermost(nest, accumulations);
    } else {
      const int d = nest.loops[static_cast<std::size_t>(level)];
      const auto inner = [&] { emit_level(nest, level + 1, accumulations); };
      if (d == s_.vector()) {
        emit_vector_loop(inner);
      } else if (s_.coordinate(d) != nullptr) {
        inner();
      } else if (d == s_.layout.tile && has_vectors(nest)) {
        emit_tile_loop(inner);
      } else {
        emit_loop(b_, 0, s_.extent(d), 1, [&](llvm::Value* i) {
          s_.coordinate(d) = i;
          inner();
        });
        s_.coordinate(d) = nullptr;
      }
    }
    if (level == nest.kept) accumulate_.finish(nest, accumulations);
  }

  bool has_vectors(const KernelNest& nest) const {
    return s_.layout.vector_is_parallel || std::ranges::find(nest.loops, s_.vector()) != nest.loops.end();
  }

  template <class F>
  void emit_tile_loop(const F& inner) {
    const int d = s_.layout.tile;
    const std::int64_t length = s_.extent(d), whole = length / s_.lanes() * s_.lanes();
    const auto tile = [&](llvm::Value* first, std::int64_t copies) {
      s_.coordinate(d) = first;
      in_copies(d, static_cast<int>(copies), inner);
      s_.coordinate(d) = nullptr;
    };
    emit_loop(b_, 0, whole, s_.lanes(), [&](llvm::Value* first) { tile(first, s_.lanes()); });
    if (whole < length) tile(s_.constant(whole), length - whole);
  }

  template <class F>
  void emit_vector_loop(const F& inner) {
    const std::int64_t length = s_.extent(s_.vector()), lanes = s_.lanes();
    std::int64_t first = 0;
    const auto steps = [&](std::int64_t step, int copies) {
      const std::int64_t stop = first + (length - first) / step * step;
      emit_loop(b_, first, stop, step, [&](llvm::Value* at) { in_lanes(at, copies, nullptr, inner); });
      first = stop;
    };
    if (s_.unroll > 1) steps(lanes * s_.unroll, s_.unroll);
    steps(lanes, 1);
    if (first == length) return;
    llvm::SmallVector<llvm::Constant*, 16> mask;
    for (std::int64_t lane = 0; lane < lanes; ++lane) mask.push_back(b_.getInt1(first + lane < length));
    in_lanes(s_.constant(first), 1, llvm::ConstantVector::get(mask), inner);
  }

  void emit_inner_value(const KernelNest& nest, ValueId value) {
    const auto& row = s_.layout.rows[index_of(value)];
    const bool buffers = std::ranges::find(nest.buffered, value) != nest.buffered.end();
    llvm::Value* const base = row ? row_base(*row) : nullptr;
    if (row && !buffers) {
      s_.pack(value) = s_.access.load_row(base, s_.dtype(value), row->array, s_.spread(value));
      return;
    }
    evaluate_.emit(value);
    if (!buffers) return;
    s_.access.store_row(base, s_.dtype(value), row->array, s_.pack(value), s_.spread(value),
                        fetching(is_fetching(nest, Beside::row) && value == nest.buffered.back()));
  }

  llvm::Value* row_base(const ir::RowBuffer& row) {
    llvm::Value* const first = s_.behind(s_.rows(), row.offset);
    if (row.slots == 1) return first;
    llvm::Value* const slot = b_.CreateURem(position_, s_.constant(row.slots));
    return b_.CreateGEP(b_.getInt8Ty(), first, b_.CreateNSWMul(slot, s_.constant(row.slot_bytes)));
  }

  /// At the place; behind a part of a tile there is no next one.
  bool is_fetching(const KernelNest& nest, Beside beside) const {
    const ir::KernelFetch& fetch = s_.layout.fetch;
    return s_.fused.schedule.prefetch && &nest - s_.layout.nests.data() == fetch.nest && fetch.beside == beside &&
           (s_.layout.tile < 0 || s_.place.copies == s_.lanes());
  }

  AccessEmitter::AfterStore fetching(bool fetches) const {
    return fetches ? AccessEmitter::AfterStore(emit_prefetch_) : nullptr;
  }

  void emit_prefetch(int copy) {
    for (const int operand : s_.layout.fetch.operands) {
      const auto r = static_cast<std::size_t>(operand);
      const ir::Access& access = s_.fused.reads[r];
      s_.access.prefetch(s_.args[r], s_.dtype(s_.fused.body.params()[r]), access,
                         s_.layout.fetch.step * access.strides[static_cast<std::size_t>(s_.layout.fetch.along)], copy);
    }
  }

  void emit_innermost(const KernelNest& nest, const std::vector<Accumulation>& accumulations) {
    if (is_fetching(nest, Beside::nothing))
      for (int copy = 0; copy < s_.place.copies; ++copy) emit_prefetch(copy);
    for (const auto& [reduction, registers, lanes_apart, copies_apart] : accumulations)
      accumulate_.step(nest, reduction, registers, lanes_apart);
    for (const int split : nest.splits) splits_.step(nest, split);
    const std::vector<int>& streamed = s_.fused.schedule.streamed;
    for (const int write : nest.writes) {
      const auto w = static_cast<std::size_t>(write);
      const ValueId value = s_.fused.body.results[w];
      const bool in_lanes = s_.place.in_lanes && s_.fused.varies(value, s_.vector());
      s_.access.store(s_.args[s_.fused.reads.size() + s_.fused.result_of(w)], s_.dtype(value), s_.fused.writes[w],
                      s_.pack(value), {in_lanes, s_.copies_varied(value)},
                      std::ranges::find(streamed, write) != streamed.end(),
                      fetching(is_fetching(nest, Beside::write) && write == nest.writes.back()));
    }
  }

  KernelState s_;
  llvm::IRBuilder<>& b_;
  const std::function<void(int copy)> emit_prefetch_ = [this](int copy) { emit_prefetch(copy); };
  llvm::Value* position_ = nullptr;  // of the nest that is emitted, in a pipeline
  ValueEmitter evaluate_;
  AccumulationEmitter accumulate_;
  SplitAccumulations splits_;
};

}  // namespace

void emit_run(llvm::Module& module, const std::string& name, const ir::FusedView& fused,
              const std::vector<int>& parameters) {
  RunEmitter(module, name, fused, parameters).run();
}

}  // namespace nnc::runtime::jit
