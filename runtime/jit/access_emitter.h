// Loads and stores: of operands and results by their accesses, and of the kernel's own arrays.
//
//   unit stride            a vector load or store
//   stride 0               one element for all lanes
//   unit stride of a tile  vectors along the tile's dimension, transposed
//   any other, or an index gather and scatter
//   tails and bounds       masks
#pragma once

#include "ir/access.h"
#include "ir/schedule.h"
#include "runtime/jit/place.h"

#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/IR/IRBuilder.h>

namespace nnc::runtime::jit {

/// What there is of a value at a place: vectors or single elements, and how many copies.
struct Spread {
  bool in_lanes = false;
  int copies = 1;
};

class AccessEmitter {
 public:
  /// Emits what comes behind the store of a copy's vector.
  using AfterStore = llvm::function_ref<void(int copy)>;

  AccessEmitter(llvm::IRBuilder<>& b, const ir::FusedView& fused, const ir::KernelLayout& layout, const Place& place)
      : b_(b), domain_(fused.domain), schedule_(fused.schedule), layout_(layout), place_(place) {}

  /// The elements that an access reaches. `index` is the value of its index operand, i64; null where it has none. Where
  /// `in_lanes`, the element depends on the lane.
  Pack load(llvm::Value* base, ir::DType dtype, const ir::Access& access, const Pack* index, Spread spread);
  /// `stream`: past the caches, where all lanes are stored to whole cache lines.
  void store(llvm::Value* base, ir::DType dtype, const ir::Access& access, const Pack& pack, Spread spread,
             bool stream = false, AfterStore after = {});
  /// Whether anything has been stored past the caches: it may not be seen by others before a fence.
  bool streams() const { return streams_; }

  /// The address of an element of an array of the kernel's own.
  llvm::Value* address(llvm::Value* base, ir::DType dtype, const ir::KernelArray& array, int copy,
                       std::int64_t scale = 1);
  /// Fetches into the cache the lines so many elements behind those that begin with a copy's vector, or in it; of a
  /// tile's copies each the vector along it of the lane with that number. Where an index names rows, behind those of row 0.
  void prefetch(llvm::Value* base, ir::DType dtype, const ir::Access& access, llvm::Value* elements, int copy);
  /// The element so many behind that of the position, or the last one that the access reaches; its strides are not
  /// negative.
  llvm::Value* load_later(llvm::Value* base, ir::DType dtype, const ir::Access& access, std::int64_t elements);
  /// Elements of a row buffer, of whole vectors: without masks.
  Pack load_row(llvm::Value* base, ir::DType dtype, const ir::KernelArray& array, Spread spread);
  void store_row(llvm::Value* base, ir::DType dtype, const ir::KernelArray& array, const Pack& pack, Spread spread,
                 AfterStore after = {});

  /// An aligned-by-element load or store of one element or a vector; masked by `mask` unless it is null.
  llvm::Value* load_elements(llvm::Value* address, ir::DType dtype, int lanes, llvm::Value* mask = nullptr);
  void store_elements(llvm::Value* address, ir::DType dtype, llvm::Value* value, llvm::Value* mask = nullptr,
                      bool stream = false);

 private:
  bool is_open(int d) const { return domain_[static_cast<std::size_t>(d)] > 1; }
  bool is_tile() const { return place_.along >= 0 && place_.along == layout_.tile; }
  llvm::Value* coordinate(int d) const;
  /// That of a copy; along the vector dimension of the first lane of the first one.
  llvm::Value* coordinate(int d, int copy) const;
  /// Position of the first lane of a copy.
  llvm::Value* start(const ir::Access& access, int copy);
  std::int64_t lane_stride(const ir::Access& access) const;
  /// Whether the vectors of memory lie along the tile's dimension.
  bool is_tiled(const ir::Access& access, Spread spread) const;
  /// Whether vectors are at multiples of their size, or of a cache line.
  bool is_aligned(const ir::Access& access, ir::DType dtype, int contiguous) const;
  /// Whether the coordinates of single elements are within the bounds; null: they are.
  llvm::Value* within(const ir::Access& access, int copy);
  /// Whether the lanes of a copy are within the bounds of the vector dimension.
  llvm::Value* lanes_within(const ir::Access& access, int copy);
  llvm::Value* load_one(llvm::Value* base, ir::DType dtype, llvm::Value* position, llvm::Value* inside, double fill);
  llvm::Value* load_lanes(llvm::Value* base, ir::DType dtype, const ir::Access& access, llvm::Value* position,
                          llvm::Value* row, llvm::Value* mask);
  /// Whether some of the vectors along an access may be whole, and others outside of its bounds.
  bool is_cut(const ir::Access& access) const;
  /// Of such an access: whole vectors are loaded without masks, which make a processor wait for memory several times as
  /// long, and nothing is loaded where the bounds leave no lane.
  llvm::Value* load_cut(llvm::Value* base, ir::DType dtype, const ir::Access& access, llvm::Value* position,
                        llvm::Value* inside, int copy);
  /// The same where `inside` holds, else the fill.
  llvm::Value* load_lanes_if(llvm::Value* inside, llvm::Value* base, ir::DType dtype, const ir::Access& access,
                             llvm::Value* position, llvm::Value* row, llvm::Value* mask);
  Pack load_tile(llvm::Value* base, ir::DType dtype, const ir::Access& access, int copies);
  void store_tile(llvm::Value* base, ir::DType dtype, const ir::Access& access, const Pack& pack, int copies,
                  bool stream, AfterStore after);
  /// Of the first so many lanes; null: of all.
  llvm::Value* first_lanes(int count);
  llvm::Value* element_address(llvm::Value* base, ir::DType dtype, llvm::Value* position);
  /// Addresses of the lanes from that of the first.
  llvm::Value* lane_addresses(llvm::Value* first, ir::DType dtype, std::int64_t stride);

  llvm::IRBuilder<>& b_;
  const ir::Shape& domain_;
  const ir::Schedule& schedule_;
  const ir::KernelLayout& layout_;
  const Place& place_;
  bool streams_ = false;
};

}  // namespace nnc::runtime::jit
