#include "runtime/jit/nest_emitter.h"

#include "runtime/jit/control_flow.h"
#include "runtime/jit/scalar_emitter.h"
#include "runtime/jit/vector_loops.h"

#include <algorithm>
#include <utility>

namespace nnc::runtime::jit {

using ir::KernelNest;
using ir::ValueId;

void NestEmitter::emit_all() {
  const auto outside = s_.values;
  std::vector<char> done(s_.values.size(), 0);
  for (const KernelNest& nest : s_.layout.nests) {
    emit_position_values(nest, done);
    emit_loops(nest);
  }
  s_.values = outside;
}

void NestEmitter::emit_loops(const KernelNest& nest) {
  begin_fetching(nest);
  std::vector<Accumulation> accumulations;
  emit_level(nest, 0, accumulations);
}

std::vector<Accumulation> NestEmitter::start(const KernelNest& nest) {
  begin_fetching(nest);
  return accumulate_.start(nest);
}

void NestEmitter::emit_turn(const KernelNest& nest, const std::vector<Accumulation>& accumulations) {
  for (const ValueId value : nest.needed)
    if (depth(nest, value) == 1) emit_inner_value(nest, value);
  emit_innermost(nest, accumulations);
}

Level NestEmitter::earliest(ValueId value) const {
  if (s_.is_reduction(value) || s_.layout.stage[index_of(value)] > 0) return Level::position;
  const ir::DimensionSet moves = s_.layout.moves[index_of(value)];
  if (moves == 0) return Level::function;
  if (!s_.layout.vector_is_parallel) return Level::position;
  for (int d = 0; d < s_.fused.rank(); ++d)
    if (has(moves, d) && (d == s_.vector() || !s_.fused.is_parallel(d))) return Level::position;
  return Level::row;
}

void NestEmitter::emit_early(Level level) {
  std::vector<char> done(s_.values.size(), 0);
  for (const KernelNest& nest : s_.layout.nests)
    for (const ValueId value : nest.needed)
      if (earliest(value) == level && !std::exchange(done[index_of(value)], 1)) evaluate_.emit(value);
}

void NestEmitter::emit_position_values(const KernelNest& nest, std::vector<char>& done) {
  for (const ValueId value : nest.needed)
    if (earliest(value) == Level::position && depth(nest, value) == 0 && !s_.is_reduction(value) &&
        !std::exchange(done[index_of(value)], 1))
      evaluate_.emit(value);
}

int NestEmitter::depth(const KernelNest& nest, ValueId value) const {
  int depth = 0;
  for (std::size_t i = 0; i < nest.loops.size(); ++i)
    if (has(s_.layout.moves[index_of(value)], nest.loops[i])) depth = static_cast<int>(i) + 1;
  return depth;
}

void NestEmitter::emit_level(const KernelNest& nest, int level, std::vector<Accumulation>& accumulations) {
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
      emit_vector_loop(s_, inner);
    } else if (s_.coordinate(d) != nullptr) {
      inner();
    } else if (d == s_.layout.tile && has_vectors(nest)) {
      emit_tile_loop(s_, inner);
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

bool NestEmitter::has_vectors(const KernelNest& nest) const {
  return s_.layout.vector_is_parallel || std::ranges::find(nest.loops, s_.vector()) != nest.loops.end();
}

void NestEmitter::emit_inner_value(const KernelNest& nest, ValueId value) {
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

llvm::Value* NestEmitter::row_base(const ir::RowBuffer& row) {
  llvm::Value* const first = s_.behind(s_.rows(), row.offset);
  if (row.slots == 1) return first;
  llvm::Value* const slot = b_.CreateURem(s_.place.position, s_.constant(row.slots));
  return b_.CreateGEP(b_.getInt8Ty(), first, b_.CreateNSWMul(slot, s_.constant(row.slot_bytes)));
}

bool NestEmitter::is_fetching(const KernelNest& nest, Beside beside) const {
  const ir::KernelFetch& fetch = s_.layout.fetch;
  return s_.fused.schedule.prefetch && &nest - s_.layout.nests.data() == fetch.nest && fetch.beside == beside &&
         (s_.layout.tile < 0 || s_.place.copies == s_.lanes());
}

AccessEmitter::AfterStore NestEmitter::fetching(bool fetches) const {
  return fetches ? AccessEmitter::AfterStore(emit_prefetch_) : nullptr;
}

void NestEmitter::begin_fetching(const KernelNest& nest) {
  const ir::KernelFetch& fetch = s_.layout.fetch;
  if (!s_.fused.schedule.prefetch || &nest - s_.layout.nests.data() != fetch.nest) return;
  fetched_from_.clear();
  for (const int operand : fetch.operands) {
    const ir::Access& access = s_.fused.reads[static_cast<std::size_t>(operand)];
    const auto number = [&](std::int64_t elements) { return b_.getInt64(static_cast<std::uint64_t>(elements)); };
    const auto ahead = [&](const ir::Access& of) {
      return fetch.step * of.strides[static_cast<std::size_t>(fetch.along)];
    };
    if (access.index < 0) {
      fetched_from_.push_back(number(ahead(access)));
      continue;
    }
    const auto i = static_cast<std::size_t>(access.index);
    const ir::Access& index = s_.fused.reads[i];
    const ir::DType dtype = s_.dtype(s_.fused.body.params()[i]);
    llvm::Value* const row = s_.access.load_later(s_.args[i], dtype, index, ahead(index));
    fetched_from_.push_back(b_.CreateMul(emit_cast(b_, row, dtype, ir::DType::i64), number(access.index_stride)));
  }
}

void NestEmitter::emit_prefetch(int copy) {
  const std::vector<int>& operands = s_.layout.fetch.operands;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const auto r = static_cast<std::size_t>(operands[i]);
    s_.access.prefetch(s_.args[r], s_.dtype(s_.fused.body.params()[r]), s_.fused.reads[r], fetched_from_[i], copy);
  }
}

void NestEmitter::emit_innermost(const KernelNest& nest, const std::vector<Accumulation>& accumulations) {
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

}  // namespace nnc::runtime::jit
