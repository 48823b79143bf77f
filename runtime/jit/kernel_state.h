// What every part of the kernel emitter works on: the fused op, its layout, the function that is written, and where in
// its loops code is being emitted.
#pragma once

#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/op.h"
#include "runtime/jit/access_emitter.h"
#include "runtime/jit/place.h"

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nnc::runtime::jit {

struct KernelState {
  /// Adds the function, of the type KernelFunction (runtime/kernels.h), and begins it by loading the arguments.
  KernelState(llvm::Module& module, const std::string& name, const ir::FusedView& fused,
              const std::vector<int>& parameters);
  KernelState(const KernelState&) = delete;
  KernelState& operator=(const KernelState&) = delete;

  ir::FusedView fused;
  ir::KernelLayout layout;
  int unroll;
  llvm::IRBuilder<> b;
  llvm::Function* function = nullptr;
  std::vector<llvm::Value*> args;  // pointers of the operands, then of the results
  Place place;
  AccessEmitter access;
  std::vector<int> parameters;  // ops of the body (sharing.h)
  std::vector<Pack> values;     // of the body, as far as they are known at the place

  llvm::Value* begin() const { return function->getArg(1); }
  llvm::Value* end() const { return function->getArg(2); }
  llvm::Value* partial() const { return function->getArg(3); }
  llvm::Value* rows() const { return function->getArg(4); }

  std::int64_t extent(int d) const { return fused.domain[static_cast<std::size_t>(d)]; }
  /// Where the table has the number or the stream of an op of the body; null if the code has it.
  llvm::Value* parameter(const ir::Op& op);
  llvm::Value*& coordinate(int d) { return place.coordinates[static_cast<std::size_t>(d)]; }
  /// Sets the coordinates of the first `count` parallel dimensions to those of a position, flattened.
  void place_position(llvm::Value* position, std::size_t count);
  void place_position(llvm::Value* position) { place_position(position, fused.schedule.parallel.size()); }
  int vector() const { return layout.vector; }
  int lanes() const { return layout.lanes; }
  ir::DType dtype(ir::ValueId value) const { return fused.body.type(value).dtype; }
  Pack& pack(ir::ValueId value) { return values[index_of(value)]; }
  const ir::Op& op(int i) const { return fused.body.ops()[static_cast<std::size_t>(i)]; }
  bool is_reduction(ir::ValueId value) const;
  /// What there is of a value at the place: of elements that really differ.
  Spread spread(ir::ValueId value) const {
    const ir::DimensionSet moves = layout.moves[index_of(value)];
    return {place.in_lanes && has(moves, vector()), has(moves, place.along) ? place.copies : 1};
  }
  /// Copies of a value's elements, even where they are equal.
  int copies_varied(ir::ValueId value) const {
    return place.along >= 0 && fused.varies(value, place.along) ? place.copies : 1;
  }
  /// Vectors that a loop over the vector dimension within a position works on at a time.
  int inner_copies() const { return extent(vector()) >= std::int64_t{lanes()} * unroll ? unroll : 1; }

  llvm::Value* constant(std::int64_t x) { return b.getInt64(static_cast<std::uint64_t>(x)); }
  /// An address so many bytes behind another.
  llvm::Value* behind(llvm::Value* address, std::int64_t bytes) {
    return b.CreateConstGEP1_64(b.getInt8Ty(), address, static_cast<std::uint64_t>(bytes));
  }
  /// The coordinate of a copy, of every lane along the vector dimension.
  llvm::Value* lane_coordinate(int d, int copy);
};

}  // namespace nnc::runtime::jit
