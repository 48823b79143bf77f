#include "runtime/jit/kernel_emitter.h"

#include "ir/check.h"
#include "ir/evaluate.h"
#include "ir/kernel_layout.h"
#include "ir/op.h"
#include "runtime/jit/access_emitter.h"
#include "runtime/jit/control_flow.h"
#include "runtime/jit/reduction_emitter.h"
#include "runtime/jit/scalar_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace nnc::runtime::jit {

using ir::DType;
using ir::KernelNest;
using ir::Op;
using ir::SplitReduction;
using ir::ValueId;

namespace {

std::size_t index_of(ValueId value) { return static_cast<std::size_t>(value.index); }

class RunEmitter {
 public:
  RunEmitter(llvm::Module& module, const std::string& name, const ir::FusedView& fused)
      : fused_(fused),
        layout_(ir::kernel_layout(fused)),
        unroll_(layout_.vector >= 0 ? fused.schedule.unroll : 1),
        b_(module.getContext()),
        access_(b_, fused.domain, layout_, place_),
        values_(static_cast<std::size_t>(fused.body.value_count())) {
    llvm::Type* const pointer = b_.getPtrTy();
    llvm::Type* const integer = b_.getInt64Ty();
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {pointer, integer, integer, pointer, pointer}, false);
    function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
    place_.coordinates.assign(fused.domain.size(), nullptr);
    for (int d = 0; d < fused.rank(); ++d)
      if (extent(d) <= 1) coordinate(d) = b_.getInt64(0);
  }

  void run() {
    b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "entry", function_));
    for (std::size_t i = 0; i < fused_.reads.size() + fused_.writes.size(); ++i)
      args_.push_back(b_.CreateLoad(b_.getPtrTy(), b_.CreateConstGEP1_64(b_.getPtrTy(), function_->getArg(0), i)));
    start_splits();
    emit_early(0);
    if (layout_.vector_is_parallel)
      vector_positions();
    else
      emit_loop(b_, begin(), end(), 1, [&](llvm::Value* position) {
        place_position(position, fused_.schedule.parallel.size());
        emit_nests();
      });
    end_splits();
    b_.CreateRetVoid();
  }

 private:
  std::int64_t extent(int d) const { return fused_.domain[static_cast<std::size_t>(d)]; }
  llvm::Value*& coordinate(int d) { return place_.coordinates[static_cast<std::size_t>(d)]; }
  llvm::Value* begin() const { return function_->getArg(1); }
  llvm::Value* end() const { return function_->getArg(2); }
  llvm::Value* partial() const { return function_->getArg(3); }
  llvm::Value* rows() const { return function_->getArg(4); }
  llvm::Value* constant(std::int64_t x) { return b_.getInt64(static_cast<std::uint64_t>(x)); }
  DType dtype(ValueId value) const { return fused_.body.type(value).dtype; }
  int vector() const { return layout_.vector; }
  int lanes() const { return layout_.lanes; }

  // --- positions ----------------------------------------------------------------------------------------------------

  /// The coordinates of the first `count` parallel dimensions.
  void place_position(llvm::Value* position, std::size_t count) {
    const auto& parallel = fused_.schedule.parallel;
    for (std::size_t i = count; i-- > 0;) {
      if (extent(parallel[i]) <= 1) continue;
      const bool outermost = std::all_of(parallel.begin(), parallel.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](int d) { return extent(d) <= 1; });
      llvm::Value* const length = constant(extent(parallel[i]));
      coordinate(parallel[i]) = outermost ? position : b_.CreateURem(position, length);
      if (!outermost) position = b_.CreateUDiv(position, length);
    }
  }

  /// The lanes are consecutive positions of the last parallel dimension; a vector does not cross its end.
  void vector_positions() {
    const auto& parallel = fused_.schedule.parallel;
    const bool only = std::ranges::all_of(parallel, [&](int d) { return d == vector() || extent(d) <= 1; });
    if (only) return vector_range(begin(), end());
    emit_while_below(b_, begin(), end(), [&](llvm::Value* position) {
      llvm::Value* const length = constant(extent(vector()));
      llvm::Value* const first = b_.CreateURem(position, length);
      place_position(b_.CreateUDiv(position, length), parallel.size() - 1);
      const auto outside = values_;
      emit_early(1);
      llvm::Value* const left = b_.CreateNSWAdd(first, b_.CreateNSWSub(end(), position));
      llvm::Value* const last = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, left, length);
      vector_range(first, last);
      values_ = outside;
      return b_.CreateNSWAdd(position, b_.CreateNSWSub(last, first));
    });
  }

  void vector_range(llvm::Value* first, llvm::Value* last) {
    const auto steps = [&](std::int64_t step, int copies) {
      llvm::Value* const length = b_.CreateNSWSub(last, first);
      llvm::Value* const whole = b_.CreateNSWMul(b_.CreateUDiv(length, constant(step)), constant(step));
      llvm::Value* const stop = b_.CreateNSWAdd(first, whole);
      emit_loop(b_, first, stop, step, [&](llvm::Value* at) { in_lanes(at, copies, nullptr, [&] { emit_nests(); }); });
      first = stop;
    };
    if (unroll_ > 1) steps(std::int64_t{lanes()} * unroll_, unroll_);
    steps(lanes(), 1);
    emit_if(b_, b_.CreateICmpSLT(first, last), [&] {
      llvm::Type* const narrow = register_type(b_.getContext(), DType::i32, lanes());
      llvm::Value* const left = b_.CreateTrunc(b_.CreateNSWSub(last, first), b_.getInt32Ty());
      llvm::Value* const numbers = b_.CreateTrunc(lane_numbers(b_.getContext(), 0, lanes()), narrow);
      llvm::Value* const mask = b_.CreateICmpSLT(numbers, splat(b_, left, lanes()));
      in_lanes(first, 1, mask, [&] { emit_nests(); });
    });
  }

  template <class F>
  void in_lanes(llvm::Value* first, int copies, llvm::Value* mask, F body) {
    coordinate(vector()) = first;
    place_.in_lanes = true;
    place_.copies = copies;
    place_.mask = mask;
    body();
    place_.in_lanes = false;
    place_.copies = 1;
    place_.mask = nullptr;
    coordinate(vector()) = nullptr;
  }

  // --- values -------------------------------------------------------------------------------------------------------

  bool is_reduction(ValueId value) const {
    const Op* op = fused_.body.definer(value);
    return op != nullptr && op->def->as<ir::Reduction>() != nullptr;
  }
  bool moves_in_lanes(ValueId value) const { return place_.in_lanes && has(layout_.moves[index_of(value)], vector()); }

  /// 0 for what is known at the function's start; 1 for what is in a row of positions; 2 for anything else.
  int earliest(ValueId value) const {
    if (is_reduction(value) || layout_.stage[index_of(value)] > 0) return 2;
    const ir::DimensionSet moves = layout_.moves[index_of(value)];
    if (moves == 0) return 0;
    if (!layout_.vector_is_parallel) return 2;
    for (int d = 0; d < fused_.rank(); ++d)
      if (has(moves, d) && (d == vector() || !fused_.is_parallel(d))) return 2;
    return 1;
  }
  void emit_early(int level) {
    std::vector<char> done(values_.size(), 0);
    for (const KernelNest& nest : layout_.nests)
      for (const ValueId value : nest.needed)
        if (earliest(value) == level && !std::exchange(done[index_of(value)], 1)) emit_value(value);
  }

  void emit_value(ValueId value) {
    Pack& pack = values_[index_of(value)];
    const Op* op = fused_.body.definer(value);
    if (op == nullptr) {
      pack = load_param(value);
    } else if (op->def->as<ir::Elementwise>() != nullptr) {
      pack = emit_elementwise(*op);
    } else {
      const std::vector<ir::Tensor> number = ir::evaluate(ir::view(fused_.body, *op), {});
      pack = {number_of(number[0])};
    }
  }

  llvm::Value* number_of(const ir::Tensor& tensor) {
    llvm::Type* const type = register_type(b_.getContext(), tensor.type().dtype);
    if (ir::is_float(tensor.type().dtype)) return number(b_.getContext(), tensor.real(0), tensor.type().dtype);
    return llvm::ConstantInt::get(type, static_cast<std::uint64_t>(tensor.integer(0)));
  }

  Pack load_param(ValueId value) {
    const auto& params = fused_.body.params();
    const auto p = static_cast<std::size_t>(std::ranges::find(params, value) - params.begin());
    const ir::Access& access = fused_.reads[p];
    std::optional<Pack> index;
    if (access.index >= 0) {
      const ValueId operand = params[static_cast<std::size_t>(access.index)];
      index.emplace();
      for (llvm::Value* row : values_[index_of(operand)])
        index->push_back(emit_cast(b_, row, dtype(operand), DType::i64));
    }
    return access_.load(args_[p], dtype(value), access, index ? &*index : nullptr, moves_in_lanes(value));
  }

  Pack emit_elementwise(const Op& op) {
    const ir::ScalarProgram program = ir::scalar_program(ir::view(fused_.body, op));
    const int missing = fused_.rank() - fused_.body.type(op.results[0]).rank();
    Pack pack;
    const int copies = moves_in_lanes(op.results[0]) ? place_.copies : 1;
    for (int copy = 0; copy < copies; ++copy)
      pack.push_back(emit_program(
          b_, program, [&](int i) { return at(values_[index_of(op.operands[static_cast<std::size_t>(i)])], copy); },
          [&](int i) {
            // Along an extent of 1 of the op's own shape the coordinate is 0.
            const int d = i + missing;
            return fused_.varies(op.results[0], d) ? lane_coordinate(d, copy) : b_.getInt64(0);
          })[0]);
    return pack;
  }

  /// The coordinate of every lane of a copy.
  llvm::Value* lane_coordinate(int d, int copy) {
    if (d != vector() || !place_.in_lanes) return coordinate(d);
    return b_.CreateAdd(splat(b_, coordinate(d), lanes()),
                        lane_numbers(b_.getContext(), std::int64_t{copy} * lanes(), lanes()));
  }

  // --- nests --------------------------------------------------------------------------------------------------------

  void emit_nests() {
    const auto outside = values_;
    std::vector<char> done(values_.size(), 0);
    for (const KernelNest& nest : layout_.nests) {
      for (const ValueId value : nest.needed)
        if (earliest(value) == 2 && depth(nest, value) == 0 && !is_reduction(value) &&
            !std::exchange(done[index_of(value)], 1))
          emit_value(value);
      std::vector<Registers> registers;
      emit_level(nest, 0, registers);
    }
    values_ = outside;
  }

  /// How many of the nest's loops a value needs.
  int depth(const KernelNest& nest, ValueId value) const {
    int depth = 0;
    for (std::size_t i = 0; i < nest.loops.size(); ++i)
      if (has(layout_.moves[index_of(value)], nest.loops[i])) depth = static_cast<int>(i) + 1;
    return depth;
  }

  struct Registers {
    ReductionEmitter reduction;
    AccumulatorRegisters accumulators;
    bool lanes_apart;
  };

  void emit_level(const KernelNest& nest, int level, std::vector<Registers>& registers) {
    nest_ = &nest;
    if (level > 0)
      for (const ValueId value : nest.needed)
        if (depth(nest, value) == level) emit_inner_value(nest, value);
    if (level == nest.kept) start_reductions(nest, registers);
    if (level == static_cast<int>(nest.loops.size())) {
      emit_innermost(nest, registers);
    } else {
      const int d = nest.loops[static_cast<std::size_t>(level)];
      const auto inner = [&] { emit_level(nest, level + 1, registers); };
      if (d == vector()) {
        emit_vector_loop(inner);
      } else {
        emit_loop(b_, 0, extent(d), 1, [&](llvm::Value* i) {
          coordinate(d) = i;
          inner();
        });
        coordinate(d) = nullptr;
      }
    }
    if (level == nest.kept) finish_reductions(nest, registers);
  }

  template <class F>
  void emit_vector_loop(const F& inner) {
    const std::int64_t length = extent(vector());
    std::int64_t first = 0;
    const auto steps = [&](std::int64_t step, int copies) {
      const std::int64_t stop = first + (length - first) / step * step;
      emit_loop(b_, first, stop, step, [&](llvm::Value* at) { in_lanes(at, copies, nullptr, inner); });
      first = stop;
    };
    if (unroll_ > 1) steps(std::int64_t{lanes()} * unroll_, unroll_);
    steps(lanes(), 1);
    if (first == length) return;
    llvm::SmallVector<llvm::Constant*, 16> mask;
    for (std::int64_t lane = 0; lane < lanes(); ++lane) mask.push_back(b_.getInt1(first + lane < length));
    in_lanes(constant(first), 1, llvm::ConstantVector::get(mask), inner);
  }

  void emit_inner_value(const KernelNest& nest, ValueId value) {
    const auto& row = layout_.rows[index_of(value)];
    const bool buffers = std::ranges::find(nest.buffered, value) != nest.buffered.end();
    llvm::Value* const base =
        row ? b_.CreateConstGEP1_64(b_.getInt8Ty(), rows(), static_cast<std::uint64_t>(row->offset)) : nullptr;
    if (row && !buffers) {
      values_[index_of(value)] = access_.load_row(base, dtype(value), row->array, moves_in_lanes(value));
      return;
    }
    emit_value(value);
    if (buffers) access_.store_row(base, dtype(value), row->array, values_[index_of(value)], moves_in_lanes(value));
  }

  void emit_innermost(const KernelNest& nest, const std::vector<Registers>& registers) {
    for (const Registers& held : registers) step_registers(held.reduction, held.accumulators, held.lanes_apart);
    for (const int split : nest.splits) step_split(static_cast<std::size_t>(split));
    for (const int result : nest.results) {
      const auto r = static_cast<std::size_t>(result);
      const ValueId value = fused_.body.results[r];
      const bool in_lanes = place_.in_lanes && fused_.varies(value, vector());
      access_.store(args_[fused_.reads.size() + r], dtype(value), fused_.writes[r], values_[index_of(value)], in_lanes);
    }
  }

  // --- reductions ---------------------------------------------------------------------------------------------------

  const Op& op(int i) const { return fused_.body.ops()[static_cast<std::size_t>(i)]; }

  /// Copies that a loop over the vector dimension works on at a time.
  int inner_copies() const { return extent(vector()) >= std::int64_t{lanes()} * unroll_ ? unroll_ : 1; }

  void start_reductions(const KernelNest& nest, std::vector<Registers>& registers) {
    for (const int i : nest.reductions) {
      const ReductionEmitter reduction(fused_, op(i));
      const bool over = vector() >= 0 && fused_.varies(op(i).operands[0], vector());
      const bool apart = over && !place_.in_lanes;
      registers.push_back({reduction,
                           AccumulatorRegisters(b_, reduction, over ? lanes() : 1,
                                                apart  ? inner_copies()
                                                : over ? place_.copies
                                                       : 1),
                           apart});
    }
  }

  void finish_reductions(const KernelNest& nest, std::vector<Registers>& registers) {
    for (const auto& [reduction, accumulators, lanes_apart] : registers) {
      std::vector<Pack> results(reduction.op().results.size());
      const auto finish = [&](const Accumulators& held) {
        const std::vector<llvm::Value*> finished = reduction.finish(b_, held);
        for (std::size_t i = 0; i < finished.size(); ++i) results[i].push_back(finished[i]);
      };
      if (lanes_apart)
        finish(merged(reduction, accumulators));
      else
        for (int copy = 0; copy < accumulators.copies(); ++copy) finish(accumulators.load(b_, copy));
      for (std::size_t i = 0; i < results.size(); ++i) {
        const ValueId result = reduction.op().results[i];
        if (nest.kept == 0) {
          values_[index_of(result)] = results[i];
        } else if (const auto& row = layout_.rows[index_of(result)]) {
          llvm::Value* const base =
              b_.CreateConstGEP1_64(b_.getInt8Ty(), rows(), static_cast<std::uint64_t>(row->offset));
          access_.store_row(base, dtype(result), row->array, results[i], moves_in_lanes(result));
        }
      }
    }
    registers.clear();
  }

  /// All copies and lanes in one.
  Accumulators merged(const ReductionEmitter& reduction, const AccumulatorRegisters& accumulators) {
    Accumulators all = accumulators.load(b_, 0);
    for (int copy = 1; copy < accumulators.copies(); ++copy)
      all = reduction.merge(b_, all, accumulators.load(b_, copy));
    return reduction.merge_lanes(b_, all);
  }

  void step_registers(const ReductionEmitter& reduction, const AccumulatorRegisters& accumulators, bool lanes_apart) {
    const ValueId operand = reduction.op().operands[0];
    const bool in_lanes = place_.in_lanes && fused_.varies(operand, vector());
    for (int copy = 0; copy < (in_lanes ? place_.copies : 1); ++copy) {
      const Accumulators before = accumulators.load(b_, copy);
      accumulators.store(b_, copy, step(reduction, before, copy, in_lanes, lanes_apart));
    }
  }

  /// Whether the loops meet the elements of a reduction in the order of their numbers.
  bool is_in_order(const ReductionEmitter& reduction) const {
    std::vector<int> met;
    for (const std::vector<int>* loops : {&fused_.schedule.parallel, &nest_->loops})
      for (const int d : *loops)
        if (std::ranges::find(reduction.reduced(), d) != reduction.reduced().end()) met.push_back(d);
    return std::ranges::is_sorted(met);
  }

  Accumulators step(const ReductionEmitter& reduction, const Accumulators& before, int copy, bool in_lanes,
                    bool lanes_apart) {
    llvm::Value* const x = at(values_[index_of(reduction.op().operands[0])], copy);
    const auto step = [&](const Accumulators& with) {
      return reduction.step(b_, with, in_lanes ? splat(b_, x, lanes()) : x,
                            [&] { return reduced_position(reduction, copy); });
    };
    // A step takes a later element than all before; parts are merged however they lie.
    const Accumulators after = !reduction.uses_index() || is_in_order(reduction)
                                   ? step(before)
                                   : reduction.merge(b_, before, step(reduction.start(b_, in_lanes ? lanes() : 1)));
    return lanes_apart && place_.mask != nullptr ? select_lanes(b_, place_.mask, after, before) : after;
  }

  /// Row-major position within the dimensions removed.
  llvm::Value* reduced_position(const ReductionEmitter& reduction, int copy) {
    llvm::Value* position = constant(0);
    for (const int d : reduction.reduced()) {
      llvm::Value* const along = lane_coordinate(d, copy);
      const int width = std::max(lanes_of(position), lanes_of(along));
      llvm::Value* const length = splat(b_, constant(extent(d)), width);
      position = b_.CreateAdd(b_.CreateMul(splat(b_, position, width), length), splat(b_, along, width));
    }
    return position;
  }

  // --- split reductions ---------------------------------------------------------------------------------------------

  /// What is kept of a split reduction while its chunk runs: registers where it keeps no dimension, else memory.
  struct Split {
    ReductionEmitter reduction;
    std::optional<AccumulatorRegisters> registers;
  };

  llvm::Value* kind_area(const SplitReduction& split, std::size_t kind) {
    return b_.CreateConstGEP1_64(b_.getInt8Ty(), partial(), static_cast<std::uint64_t>(split.offsets[kind]));
  }
  std::int64_t split_elements(const SplitReduction& split) const {
    return split.array.elements * (split.lanes_apart ? lanes() : 1);
  }
  llvm::Value* element_of(llvm::Value* area, DType kind, llvm::Value* element) {
    return b_.CreateGEP(memory_type(b_.getContext(), kind), area, element);
  }

  void start_splits() {
    for (const SplitReduction& split : layout_.splits) {
      Split& made = splits_.emplace_back(Split{ReductionEmitter(fused_, op(split.op)), std::nullopt});
      if (split.array.dimensions.empty()) {
        const int copies = split.lanes_apart ? layout_.vector_is_parallel ? unroll_ : inner_copies() : 1;
        made.registers.emplace(b_, made.reduction, split.lanes_apart ? lanes() : 1, copies);
        continue;
      }
      // Arrays are made of whole vectors.
      const Accumulators start = made.reduction.start(b_, lanes());
      emit_loop(b_, 0, split_elements(split), lanes(), [&](llvm::Value* element) {
        for (std::size_t kind = 0; kind < start.size(); ++kind) {
          const DType type = made.reduction.kinds()[kind];
          access_.store_elements(element_of(kind_area(split, kind), type, element), type, start[kind]);
        }
      });
    }
  }

  void step_split(std::size_t i) {
    const SplitReduction& split = layout_.splits[i];
    const auto& [reduction, registers] = splits_[i];
    if (registers) return step_registers(reduction, *registers, split.lanes_apart);
    const bool in_lanes = place_.in_lanes && fused_.varies(reduction.op().operands[0], vector());
    const int width = in_lanes ? lanes() : 1;
    for (int copy = 0; copy < (in_lanes ? place_.copies : 1); ++copy) {
      const std::size_t kinds = reduction.kinds().size();
      llvm::SmallVector<llvm::Value*, 2> addresses;
      Accumulators before;
      // Lanes that are elements of the array are masked as they might lie beyond it.
      llvm::Value* const mask = in_lanes && !split.lanes_apart ? place_.mask : nullptr;
      for (std::size_t kind = 0; kind < kinds; ++kind) {
        const DType type = reduction.kinds()[kind];
        llvm::Value* address =
            access_.address(kind_area(split, kind), type, split.array, split.lanes_apart ? lanes() : 1);
        if (in_lanes && !split.lanes_apart) address = element_of(address, type, constant(std::int64_t{copy} * lanes()));
        addresses.push_back(address);
        before.push_back(access_.load_elements(address, type, width, mask));
      }
      const Accumulators after = step(reduction, before, copy, in_lanes, split.lanes_apart);
      for (std::size_t kind = 0; kind < kinds; ++kind)
        access_.store_elements(addresses[kind], reduction.kinds()[kind], after[kind], mask);
    }
  }

  /// Lanes are merged, so that an array has one accumulator of a kind for each of its elements.
  void end_splits() {
    for (std::size_t i = 0; i < splits_.size(); ++i) {
      const SplitReduction& split = layout_.splits[i];
      const auto& [reduction, registers] = splits_[i];
      const auto store = [&](const Accumulators& merged, llvm::Value* element) {
        for (std::size_t kind = 0; kind < merged.size(); ++kind)
          access_.store_elements(element_of(kind_area(split, kind), reduction.kinds()[kind], element),
                                 reduction.kinds()[kind], merged[kind]);
      };
      if (registers) {
        store(split.lanes_apart ? merged(reduction, *registers) : registers->load(b_, 0), constant(0));
      } else if (split.lanes_apart) {
        // An element is written before the lanes of any later one.
        emit_loop(b_, 0, split.array.elements, 1, [&](llvm::Value* element) {
          Accumulators apart;
          for (std::size_t kind = 0; kind < reduction.kinds().size(); ++kind) {
            const DType type = reduction.kinds()[kind];
            llvm::Value* const first = b_.CreateNSWMul(element, constant(lanes()));
            apart.push_back(access_.load_elements(element_of(kind_area(split, kind), type, first), type, lanes()));
          }
          store(reduction.merge_lanes(b_, apart), element);
        });
      }
    }
  }

  ir::FusedView fused_;
  ir::KernelLayout layout_;
  int unroll_;
  llvm::IRBuilder<> b_;
  llvm::Function* function_ = nullptr;
  std::vector<llvm::Value*> args_;
  Place place_;
  AccessEmitter access_;
  std::vector<Pack> values_;  // of the body, as far as they are known at the place
  std::vector<Split> splits_;
  const KernelNest* nest_ = nullptr;  // the one that is emitted
};

}  // namespace

void emit_run(llvm::Module& module, const std::string& name, const ir::FusedView& fused) {
  RunEmitter(module, name, fused).run();
}

}  // namespace nnc::runtime::jit
