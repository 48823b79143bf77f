// Loads and stores: of operands and results by their accesses, and of the kernel's own arrays.
//
//   unit stride            a vector load or store
//   stride 0               one element for all lanes
//   any other, or an index gather and scatter
//   tails and bounds       masks
#pragma once

#include "ir/access.h"
#include "runtime/jit/place.h"

#include <llvm/IR/IRBuilder.h>

namespace nnc::runtime::jit {

class AccessEmitter {
 public:
  AccessEmitter(llvm::IRBuilder<>& b, const ir::Shape& domain, const ir::KernelLayout& layout, const Place& place)
      : b_(b), domain_(domain), layout_(layout), place_(place) {}

  /// The elements that an access reaches. `index` is the value of its index operand, i64; null where it has none. Where
  /// `in_lanes`, the element depends on the lane.
  Pack load(llvm::Value* base, ir::DType dtype, const ir::Access& access, const Pack* index, bool in_lanes);
  void store(llvm::Value* base, ir::DType dtype, const ir::Access& access, const Pack& pack, bool in_lanes);

  /// The address of an element of an array of the kernel's own.
  llvm::Value* address(llvm::Value* base, ir::DType dtype, const ir::KernelArray& array, std::int64_t scale = 1);
  /// Elements of a row buffer, of whole vectors: without masks.
  Pack load_row(llvm::Value* base, ir::DType dtype, const ir::KernelArray& array, bool in_lanes);
  void store_row(llvm::Value* base, ir::DType dtype, const ir::KernelArray& array, const Pack& pack, bool in_lanes);

  /// An aligned-by-element load or store of one element or a vector; masked by `mask` unless it is null.
  llvm::Value* load_elements(llvm::Value* address, ir::DType dtype, int lanes, llvm::Value* mask = nullptr);
  void store_elements(llvm::Value* address, ir::DType dtype, llvm::Value* value, llvm::Value* mask = nullptr);

 private:
  bool is_open(int d) const { return domain_[static_cast<std::size_t>(d)] > 1; }
  llvm::Value* coordinate(int d) const;
  /// Position of the first lane of the first copy.
  llvm::Value* start(const ir::Access& access);
  std::int64_t lane_stride(const ir::Access& access) const;
  /// Whether the coordinates of single elements are within the bounds; null: they are.
  llvm::Value* within(const ir::Access& access);
  /// The same for the lanes of a copy, `within` included.
  llvm::Value* lanes_within(const ir::Access& access, llvm::Value* rest, int copy);
  llvm::Value* load_one(llvm::Value* base, ir::DType dtype, llvm::Value* position, llvm::Value* inside, double fill);
  llvm::Value* load_lanes(llvm::Value* base, ir::DType dtype, const ir::Access& access, llvm::Value* position,
                          llvm::Value* row, llvm::Value* mask, int copy);
  llvm::Value* element_address(llvm::Value* base, ir::DType dtype, llvm::Value* position);
  /// Addresses of the lanes from that of the first.
  llvm::Value* lane_addresses(llvm::Value* first, ir::DType dtype, std::int64_t stride);

  llvm::IRBuilder<>& b_;
  const ir::Shape& domain_;
  const ir::KernelLayout& layout_;
  const Place& place_;
};

}  // namespace nnc::runtime::jit
