#include "runtime/jit/accumulation.h"

#include "runtime/jit/scalar_emitter.h"

#include <algorithm>

namespace nnc::runtime::jit {

std::vector<Accumulation> AccumulationEmitter::start(const ir::KernelNest& nest) {
  std::vector<Accumulation> started;
  for (const int i : nest.reductions) {
    const ReductionEmitter reduction(s_.fused, s_.op(i));
    const bool over = s_.vector() >= 0 && s_.fused.varies(s_.op(i).operands[0], s_.vector());
    const bool apart = over && !s_.place.in_lanes;
    const bool copies_apart = apart && s_.unroll > 1;
    const int copies = copies_apart ? s_.inner_copies() : s_.copies_varied(s_.op(i).operands[0]);
    started.push_back(
        {reduction, AccumulatorRegisters(s_.b, reduction, over ? s_.lanes() : 1, copies), apart, copies_apart});
  }
  return started;
}

void AccumulationEmitter::step(const ir::KernelNest& nest, const ReductionEmitter& reduction,
                               const AccumulatorRegisters& registers, bool lanes_apart) {
  const ir::ValueId operand = reduction.op().operands[0];
  const bool in_lanes = s_.place.in_lanes && s_.fused.varies(operand, s_.vector());
  const bool in_step = are_in_step(nest, reduction, registers);
  const Accumulators first = registers.load(s_.b, 0);
  for (int copy = 0; copy < s_.copies_varied(operand); ++copy) {
    const int held = registers.copies() == 1 ? 0 : copy;
    Accumulators before = registers.load(s_.b, held);
    for (std::size_t kind = 0; in_step && kind < before.size(); ++kind)
      if (reduction.counts_steps(kind)) before[kind] = first[kind];
    registers.store(s_.b, held, stepped(nest, reduction, before, copy, in_lanes, lanes_apart));
  }
}

bool AccumulationEmitter::are_in_step(const ir::KernelNest& nest, const ReductionEmitter& reduction,
                                      const AccumulatorRegisters& registers) const {
  if (registers.copies() == 1 || registers.copies() != s_.place.copies) return false;
  // A split reduction goes on in the next position.
  if (std::ranges::none_of(nest.reductions, [&](int op) { return &s_.op(op) == &reduction.op(); })) return false;
  const auto inner = nest.loops.begin() + nest.kept;
  if (std::find(inner, nest.loops.end(), s_.place.along) == nest.loops.end() || nest.loops.end() - inner == 1)
    return true;
  // What is left of the dimension at its end is for fewer copies, and the loop around it comes back from there.
  const std::int64_t turn = std::int64_t{s_.lanes()} * (s_.place.along == s_.vector() ? s_.place.copies : 1);
  return s_.extent(s_.place.along) % turn == 0;
}

void AccumulationEmitter::finish(const ir::KernelNest& nest, const std::vector<Accumulation>& accumulations) {
  for (const auto& [reduction, registers, lanes_apart, copies_apart] : accumulations) {
    std::vector<Pack> results(reduction.op().results.size());
    const auto finish = [&](const Accumulators& held) {
      const std::vector<llvm::Value*> finished = reduction.finish(s_.b, held);
      for (std::size_t i = 0; i < finished.size(); ++i) results[i].push_back(finished[i]);
    };
    if (copies_apart) finish(merged(reduction, registers));
    for (int copy = 0; copy < (copies_apart ? 0 : registers.copies()); ++copy) {
      const Accumulators held = registers.load(s_.b, copy);
      finish(lanes_apart ? reduction.merge_lanes(s_.b, held) : held);
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ir::ValueId result = reduction.op().results[i];
      if (nest.kept == 0)
        s_.pack(result) = results[i];
      else if (const auto& row = s_.layout.rows[index_of(result)])
        s_.access.store_row(s_.behind(s_.rows(), row->offset), s_.dtype(result), row->array, results[i],
                            s_.spread(result));
    }
  }
}

Accumulators AccumulationEmitter::merged(const ReductionEmitter& reduction, const AccumulatorRegisters& registers) {
  Accumulators all = registers.load(s_.b, 0);
  for (int copy = 1; copy < registers.copies(); ++copy) all = reduction.merge(s_.b, all, registers.load(s_.b, copy));
  return reduction.merge_lanes(s_.b, all);
}

Accumulators AccumulationEmitter::stepped(const ir::KernelNest& nest, const ReductionEmitter& reduction,
                                          const Accumulators& before, int copy, bool in_lanes, bool lanes_apart) {
  llvm::Value* const x = at(s_.pack(reduction.op().operands[0]), copy);
  const auto step = [&](const Accumulators& with) {
    return reduction.step(s_.b, with, in_lanes ? splat(s_.b, x, s_.lanes()) : x,
                          [&] { return reduced_position(reduction, copy); });
  };
  // A step takes a later element than all before; parts are merged however they lie.
  const Accumulators after =
      !reduction.uses_index() || is_in_order(nest, reduction)
          ? step(before)
          : reduction.merge(s_.b, before, step(reduction.start(s_.b, in_lanes ? s_.lanes() : 1)));
  return lanes_apart && s_.place.mask != nullptr ? select_lanes(s_.b, s_.place.mask, after, before) : after;
}

bool AccumulationEmitter::is_in_order(const ir::KernelNest& nest, const ReductionEmitter& reduction) const {
  std::vector<int> met;
  for (const std::vector<int>* loops : {&s_.fused.schedule.parallel, &nest.loops})
    for (const int d : *loops)
      if (std::ranges::find(reduction.reduced(), d) != reduction.reduced().end()) met.push_back(d);
  // Copies, and positions of a tile, are met one after another within the loops inside of them.
  const auto has_met = [&](int d) { return d >= 0 && std::ranges::find(met, d) != met.end(); };
  const bool tiled = has_met(s_.layout.tile) && met.size() > 1;
  const bool jumps = has_met(s_.place.along) && met.back() != s_.place.along;
  return std::ranges::is_sorted(met) && !tiled && !jumps;
}

llvm::Value* AccumulationEmitter::reduced_position(const ReductionEmitter& reduction, int copy) {
  llvm::Value* position = s_.constant(0);
  for (const int d : reduction.reduced()) {
    llvm::Value* const along = s_.lane_coordinate(d, copy);
    const int width = std::max(lanes_of(position), lanes_of(along));
    llvm::Value* const length = splat(s_.b, s_.constant(s_.extent(d)), width);
    position = s_.b.CreateAdd(s_.b.CreateMul(splat(s_.b, position, width), length), splat(s_.b, along, width));
  }
  return position;
}

}  // namespace nnc::runtime::jit
