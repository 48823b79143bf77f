#include "runtime/jit/vector_loops.h"

#include "runtime/jit/control_flow.h"

#include <llvm/IR/Constants.h>

namespace nnc::runtime::jit {
namespace {

/// A single copy is none: there may be copies along another dimension.
void in_copies(KernelState& s, int along, int copies, TurnBody body) {
  if (copies == 1) return body();
  s.place.along = along;
  s.place.copies = copies;
  body();
  s.place.along = -1;
  s.place.copies = 1;
}

}  // namespace

void in_lanes(KernelState& s, llvm::Value* first, int copies, llvm::Value* mask, TurnBody body) {
  s.coordinate(s.vector()) = first;
  s.place.in_lanes = true;
  s.place.mask = mask;
  in_copies(s, s.vector(), copies, body);
  s.place.in_lanes = false;
  s.place.mask = nullptr;
  s.coordinate(s.vector()) = nullptr;
}

void emit_vector_loop(KernelState& s, TurnBody body) {
  const std::int64_t length = s.extent(s.vector()), lanes = s.lanes();
  std::int64_t first = 0;
  const auto steps = [&](std::int64_t step, int copies) {
    const std::int64_t stop = first + (length - first) / step * step;
    emit_loop(s.b, first, stop, step, [&](llvm::Value* at) { in_lanes(s, at, copies, nullptr, body); });
    first = stop;
  };
  if (s.unroll > 1) steps(lanes * s.unroll, s.unroll);
  steps(lanes, 1);
  if (first == length) return;
  llvm::SmallVector<llvm::Constant*, 16> mask;
  for (std::int64_t lane = 0; lane < lanes; ++lane) mask.push_back(s.b.getInt1(first + lane < length));
  in_lanes(s, s.constant(first), 1, llvm::ConstantVector::get(mask), body);
}

void emit_tile_loop(KernelState& s, TurnBody body) {
  const int d = s.layout.tile;
  const std::int64_t length = s.extent(d), whole = length / s.lanes() * s.lanes();
  const auto tile = [&](llvm::Value* first, std::int64_t copies) {
    s.coordinate(d) = first;
    in_copies(s, d, static_cast<int>(copies), body);
    s.coordinate(d) = nullptr;
  };
  emit_loop(s.b, 0, whole, s.lanes(), [&](llvm::Value* first) { tile(first, s.lanes()); });
  if (whole < length) tile(s.constant(whole), length - whole);
}

}  // namespace nnc::runtime::jit
