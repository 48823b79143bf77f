#include "runtime/jit/access_emitter.h"

#include "ir/check.h"
#include "ir/program.h"
#include "runtime/jit/control_flow.h"
#include "runtime/jit/scalar_emitter.h"
#include "runtime/jit/transpose.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>

#include <algorithm>
#include <cstdlib>

namespace nnc::runtime::jit {

using ir::Access;
using ir::DType;

namespace {

llvm::Align align_of(DType dtype) { return llvm::Align(static_cast<std::uint64_t>(ir::size_of(dtype))); }

llvm::Value* both(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y) {
  if (x == nullptr) return y;
  return y == nullptr ? x : b.CreateAnd(x, y);
}

/// first <= x < end, for a single coordinate or lanes.
llvm::Value* between(llvm::IRBuilder<>& b, llvm::Value* x, std::pair<std::int64_t, std::int64_t> bounds) {
  const auto constant = [&](std::int64_t c) {
    return llvm::ConstantInt::get(x->getType(), static_cast<std::uint64_t>(c));
  };
  return b.CreateICmpULT(b.CreateSub(x, constant(bounds.first)), constant(bounds.second - bounds.first));
}

}  // namespace

llvm::Value* AccessEmitter::coordinate(int d) const {
  llvm::Value* const value = place_.coordinates[static_cast<std::size_t>(d)];
  NNC_CHECK(value != nullptr, "an access moves along dimension {} outside of its loop", d);
  return value;
}

llvm::Value* AccessEmitter::coordinate(int d, int copy) const {
  const bool moves = copy > 0 && d == place_.along && d != layout_.vector;
  return moves ? b_.CreateNSWAdd(coordinate(d), b_.getInt64(static_cast<std::uint64_t>(copy))) : coordinate(d);
}

llvm::Value* AccessEmitter::start(const Access& access, int copy) {
  llvm::Value* position = b_.getInt64(static_cast<std::uint64_t>(access.offset));
  for (std::size_t d = 0; d < domain_.size(); ++d) {
    if (access.strides[d] == 0 || !is_open(static_cast<int>(d))) continue;
    llvm::Value* const stride = b_.getInt64(static_cast<std::uint64_t>(access.strides[d]));
    position = b_.CreateAdd(position, b_.CreateMul(coordinate(static_cast<int>(d)), stride));
  }
  if (copy == 0) return position;
  const std::int64_t step = is_tile() ? 1 : layout_.lanes;
  const std::int64_t stride = access.strides[static_cast<std::size_t>(place_.along)];
  return b_.CreateAdd(position, b_.getInt64(static_cast<std::uint64_t>(copy * step * stride)));
}

std::int64_t AccessEmitter::lane_stride(const Access& access) const {
  return access.strides[static_cast<std::size_t>(layout_.vector)];
}

bool AccessEmitter::is_tiled(const Access& access, Spread spread) const {
  return spread.in_lanes && spread.copies > 1 && is_tile() && lies_along_tile(layout_, access);
}

bool AccessEmitter::is_aligned(const Access& access, DType dtype, int contiguous) const {
  const std::int64_t unit = std::min(ir::memory_alignment, layout_.lanes * ir::size_of(dtype));
  if (access.offset * ir::size_of(dtype) % unit != 0) return false;
  bool alone = true;
  for (int d = 0; d < static_cast<int>(domain_.size()); ++d) {
    if (d == contiguous || !is_open(d)) continue;
    if (access.strides[static_cast<std::size_t>(d)] * ir::size_of(dtype) % unit != 0) return false;
    alone = false;
  }
  // A parallel vector dimension is entered where a chunk begins.
  if (contiguous != layout_.vector || !layout_.vector_is_parallel) return true;
  const std::int64_t length = domain_[static_cast<std::size_t>(contiguous)];
  return schedule_.chunk % layout_.lanes == 0 && (alone || length % layout_.lanes == 0);
}

llvm::Value* AccessEmitter::within(const Access& access, int copy) {
  llvm::Value* inside = nullptr;
  for (int d = 0; d < static_cast<int>(domain_.size()); ++d)
    if (is_open(d) && access.is_bounded(static_cast<std::size_t>(d)) && !(place_.in_lanes && d == layout_.vector))
      inside = both(b_, inside, between(b_, coordinate(d, copy), access.bounds[static_cast<std::size_t>(d)]));
  return inside;
}

llvm::Value* AccessEmitter::lanes_within(const Access& access, int copy) {
  llvm::Value* mask = place_.mask;
  if (access.is_bounded(static_cast<std::size_t>(layout_.vector))) {
    const std::int64_t first = is_tile() ? 0 : std::int64_t{copy} * layout_.lanes;
    llvm::Value* const lanes = b_.CreateAdd(splat(b_, coordinate(layout_.vector), layout_.lanes),
                                            lane_numbers(b_.getContext(), first, layout_.lanes));
    mask = both(b_, mask, between(b_, lanes, access.bounds[static_cast<std::size_t>(layout_.vector)]));
  }
  return mask;
}

llvm::Value* AccessEmitter::first_lanes(int count) {
  if (count == layout_.lanes) return nullptr;
  llvm::SmallVector<llvm::Constant*, 16> mask;
  for (int lane = 0; lane < layout_.lanes; ++lane) mask.push_back(b_.getInt1(lane < count));
  return llvm::ConstantVector::get(mask);
}

llvm::Value* AccessEmitter::element_address(llvm::Value* base, DType dtype, llvm::Value* position) {
  return b_.CreateGEP(memory_type(b_.getContext(), dtype), base, position);
}

llvm::Value* AccessEmitter::lane_addresses(llvm::Value* first, DType dtype, std::int64_t stride) {
  const std::int64_t last = stride * (layout_.lanes - 1);
  const bool narrow = last == static_cast<std::int32_t>(last);
  llvm::SmallVector<llvm::Constant*, 16> offsets;
  for (int lane = 0; lane < layout_.lanes; ++lane)
    offsets.push_back(llvm::ConstantInt::get(narrow ? b_.getInt32Ty() : b_.getInt64Ty(),
                                             static_cast<std::uint64_t>(stride * lane), true));
  return b_.CreateGEP(memory_type(b_.getContext(), dtype), first, llvm::ConstantVector::get(offsets));
}

llvm::Value* AccessEmitter::load_elements(llvm::Value* address, DType dtype, int lanes, llvm::Value* mask) {
  llvm::Type* const type = memory_type(b_.getContext(), dtype, lanes);
  llvm::Value* const loaded =
      mask == nullptr ? static_cast<llvm::Value*>(b_.CreateAlignedLoad(type, address, align_of(dtype)))
                      : b_.CreateMaskedLoad(type, address, align_of(dtype), mask, llvm::Constant::getNullValue(type));
  return from_memory(b_, loaded, dtype);
}

void AccessEmitter::store_elements(llvm::Value* address, DType dtype, llvm::Value* value, llvm::Value* mask,
                                   bool stream) {
  value = to_memory(b_, value, dtype);
  if (mask != nullptr) {
    b_.CreateMaskedStore(value, address, align_of(dtype), mask);
    return;
  }
  llvm::StoreInst* const store = b_.CreateAlignedStore(value, address, align_of(dtype));
  if (!stream) return;
  streams_ = true;
  const std::int64_t bytes = lanes_of(value) * ir::size_of(dtype);
  store->setAlignment(llvm::Align(static_cast<std::uint64_t>(std::min(ir::memory_alignment, bytes))));
  store->setMetadata(llvm::LLVMContext::MD_nontemporal,
                     llvm::MDNode::get(b_.getContext(), llvm::ConstantAsMetadata::get(b_.getInt32(1))));
}

llvm::Value* AccessEmitter::load_one(llvm::Value* base, DType dtype, llvm::Value* position, llvm::Value* inside,
                                     double fill) {
  // Outside of the bounds the first element is read, and not used.
  if (inside != nullptr) position = b_.CreateSelect(inside, position, b_.getInt64(0));
  llvm::Value* const loaded = load_elements(element_address(base, dtype, position), dtype, 1);
  return inside == nullptr ? loaded : b_.CreateSelect(inside, loaded, number(b_.getContext(), fill, dtype));
}

llvm::Value* AccessEmitter::load_lanes(llvm::Value* base, DType dtype, const Access& access, llvm::Value* position,
                                       llvm::Value* row, llvm::Value* mask) {
  const std::int64_t stride = lane_stride(access);
  const int lanes = layout_.lanes;
  llvm::Type* const type = memory_type(b_.getContext(), dtype, lanes);
  llvm::Value* const fill = splat(b_, to_memory(b_, number(b_.getContext(), access.fill, dtype), dtype), lanes);
  llvm::Value* const first = element_address(base, dtype, position);
  llvm::Value* loaded = nullptr;
  if (row == nullptr && stride == 1) {
    if (mask == nullptr) return load_elements(first, dtype, lanes);
    loaded = b_.CreateMaskedLoad(type, first, align_of(dtype), mask, fill);
  } else if (row == nullptr && stride == -1 && mask == nullptr) {
    llvm::Value* const last =
        element_address(base, dtype, b_.CreateAdd(position, b_.getInt64(static_cast<std::uint64_t>(1 - lanes))));
    return b_.CreateVectorReverse(load_elements(last, dtype, lanes));
  } else {
    llvm::Value* addresses = lane_addresses(first, dtype, stride);
    if (row != nullptr) addresses = b_.CreateGEP(memory_type(b_.getContext(), dtype), addresses, row);
    llvm::Value* const all = splat(b_, b_.getTrue(), lanes);
    loaded = b_.CreateMaskedGather(type, addresses, align_of(dtype), mask == nullptr ? all : mask, fill);
  }
  return from_memory(b_, loaded, dtype);
}

llvm::Value* AccessEmitter::load_lanes_if(llvm::Value* inside, llvm::Value* base, DType dtype, const Access& access,
                                          llvm::Value* position, llvm::Value* row, llvm::Value* mask) {
  if (inside == nullptr) return load_lanes(base, dtype, access, position, row, mask);
  if (mask == nullptr) return load_lanes(base, dtype, access, position, row, splat(b_, inside, layout_.lanes));
  if (!llvm::isa<llvm::Constant>(mask)) {
    mask = b_.CreateSelect(inside, mask, llvm::Constant::getNullValue(mask->getType()));
    return load_lanes(base, dtype, access, position, row, mask);
  }
  // Lanes known to be out of bounds under a condition that is not: where LLVM 19 halves such a vector, it loads the half
  // that has no lanes whole. So the mask stays a constant, behind a branch.
  llvm::Value* const fill = splat(b_, number(b_.getContext(), access.fill, dtype), layout_.lanes);
  llvm::AllocaInst* const loaded = emit_variable(b_, fill->getType());
  b_.CreateStore(fill, loaded);
  emit_if(b_, inside, [&] { b_.CreateStore(load_lanes(base, dtype, access, position, row, mask), loaded); });
  return b_.CreateLoad(fill->getType(), loaded);
}

Pack AccessEmitter::load(llvm::Value* base, DType dtype, const Access& access, const Pack* index, Spread spread) {
  if (is_tiled(access, spread)) return load_tile(base, dtype, access, spread.copies);
  const auto index_stride = [&](llvm::Value* value) {
    return llvm::ConstantInt::get(value->getType(), static_cast<std::uint64_t>(access.index_stride));
  };
  Pack loaded;
  for (int copy = 0; copy < spread.copies; ++copy) {
    llvm::Value* position = start(access, copy);
    llvm::Value* const inside = within(access, copy);
    llvm::Value* row = nullptr;  // of each lane
    if (index != nullptr) {
      llvm::Value* const value = at(*index, copy);
      row = b_.CreateMul(value, index_stride(value));
      if (lanes_of(row) == 1) {
        position = b_.CreateAdd(position, row);
        row = nullptr;
      }
    }
    if (!spread.in_lanes) {
      loaded.push_back(load_one(base, dtype, position, inside, access.fill));
      continue;
    }
    if (row == nullptr && is_cut(access)) {
      loaded.push_back(load_cut(base, dtype, access, position, inside, copy));
      continue;
    }
    llvm::Value* const mask = lanes_within(access, copy);
    if (row != nullptr || lane_stride(access) != 0) {
      loaded.push_back(load_lanes_if(inside, base, dtype, access, position, row, mask));
      continue;
    }
    // Equal in all lanes but for their bounds.
    llvm::Value* const one = splat(b_, load_one(base, dtype, position, inside, access.fill), layout_.lanes);
    llvm::Value* const fill = splat(b_, number(b_.getContext(), access.fill, dtype), layout_.lanes);
    loaded.push_back(mask == nullptr ? one : b_.CreateSelect(mask, one, fill));
  }
  return loaded;
}

bool AccessEmitter::is_cut(const Access& access) const {
  return access.is_bounded(static_cast<std::size_t>(layout_.vector)) && lane_stride(access) == 1 &&
         place_.mask == nullptr && !is_tile() && !llvm::isa<llvm::Constant>(coordinate(layout_.vector));
}

llvm::Value* AccessEmitter::load_cut(llvm::Value* base, DType dtype, const Access& access, llvm::Value* position,
                                     llvm::Value* inside, int copy) {
  const auto vector = static_cast<std::size_t>(layout_.vector);
  const std::int64_t low = access.bounds[vector].first;
  const std::int64_t high = std::min(access.bounds[vector].second, domain_[vector]);
  const std::int64_t lanes = layout_.lanes;
  llvm::Value* const first =
      b_.CreateAdd(coordinate(layout_.vector), b_.getInt64(static_cast<std::uint64_t>(copy * lanes)));
  llvm::Value* const whole = between(b_, first, {low, std::max(low, high - lanes + 1)});
  llvm::Value* const some = between(b_, first, {low - lanes + 1, high});
  llvm::Value* const fill = splat(b_, number(b_.getContext(), access.fill, dtype), layout_.lanes);
  llvm::AllocaInst* const loaded = emit_variable(b_, fill->getType());
  b_.CreateStore(fill, loaded);
  const auto load_if = [&](llvm::Value* condition, bool is_whole) {
    emit_if(b_, both(b_, inside, condition), [&] {
      llvm::Value* const mask = is_whole ? nullptr : lanes_within(access, copy);
      b_.CreateStore(load_lanes(base, dtype, access, position, nullptr, mask), loaded);
    });
  };
  load_if(whole, true);
  // A loop over a row takes it from its beginning: bounds may be between vectors.
  const bool is_split =
      layout_.vector_is_parallel || low % lanes != 0 || (high % lanes != 0 && high != domain_[vector]);
  if (is_split) load_if(b_.CreateAnd(some, b_.CreateNot(whole)), false);
  return b_.CreateLoad(fill->getType(), loaded);
}

void AccessEmitter::store(llvm::Value* base, DType dtype, const Access& access, const Pack& pack, Spread spread,
                          bool stream, AfterStore after) {
  if (is_tiled(access, spread)) return store_tile(base, dtype, access, pack, spread.copies, stream, after);
  for (int copy = 0; copy < spread.copies; ++copy) {
    llvm::Value* const first = element_address(base, dtype, start(access, copy));
    if (!spread.in_lanes) {
      store_elements(first, dtype, at(pack, copy));
      continue;
    }
    llvm::Value* const value = splat(b_, at(pack, copy), layout_.lanes);
    const std::int64_t stride = lane_stride(access);
    if (stride == 1) {
      store_elements(first, dtype, value, place_.mask, stream && is_aligned(access, dtype, layout_.vector));
    } else {
      llvm::Value* const mask = place_.mask == nullptr ? splat(b_, b_.getTrue(), layout_.lanes) : place_.mask;
      b_.CreateMaskedScatter(to_memory(b_, value, dtype), lane_addresses(first, dtype, stride), align_of(dtype), mask);
    }
    if (after) after(copy);
  }
}

llvm::Value* AccessEmitter::load_later(llvm::Value* base, DType dtype, const Access& access, std::int64_t elements) {
  std::int64_t last = access.offset;
  for (std::size_t d = 0; d < domain_.size(); ++d) last += (domain_[d] - 1) * access.strides[d];
  llvm::Value* const later = b_.CreateAdd(start(access, 0), b_.getInt64(static_cast<std::uint64_t>(elements)));
  llvm::Value* const position =
      b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, later, b_.getInt64(static_cast<std::uint64_t>(last)));
  return load_elements(element_address(base, dtype, position), dtype, 1);
}

void AccessEmitter::prefetch(llvm::Value* base, DType dtype, const Access& access, llvm::Value* elements, int copy) {
  constexpr std::uint32_t to_read = 0, first_cache = 3, second_cache = 2, data = 1;
  constexpr std::int64_t line = ir::memory_alignment;
  const std::int64_t element = ir::size_of(dtype), vector = layout_.lanes * element;
  if (!is_tile() && copy * vector % line != 0) return;
  llvm::Value* const first = b_.CreateAdd(start(access, is_tile() ? 0 : copy), elements);
  for (std::int64_t behind = 0; behind < vector; behind += line) {
    const std::int64_t offset = behind / element + (is_tile() ? copy * lane_stride(access) : 0);
    llvm::Value* const position = b_.CreateAdd(first, b_.getInt64(static_cast<std::uint64_t>(offset)));
    b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {b_.getPtrTy()},
                       {element_address(base, dtype, position), b_.getInt32(to_read),
                        b_.getInt32(is_tile() ? second_cache : first_cache), b_.getInt32(data)});
  }
}

Pack AccessEmitter::load_tile(llvm::Value* base, DType dtype, const Access& access, int copies) {
  llvm::Value* const first = element_address(base, dtype, start(access, 0));
  Pack rows;
  for (int lane = 0; lane < layout_.lanes; ++lane) {
    llvm::Value* address = element_address(
        first, dtype, b_.getInt64(static_cast<std::uint64_t>(lane_stride(access) * std::int64_t{lane})));
    // What is beyond the last lane is not read: the first one is, again.
    if (place_.mask != nullptr)
      address = b_.CreateSelect(b_.CreateExtractElement(place_.mask, static_cast<std::uint64_t>(lane)), address, first);
    rows.push_back(load_elements(address, dtype, layout_.lanes, first_lanes(copies)));
  }
  Pack columns = transposed(b_, rows);
  columns.resize(static_cast<std::size_t>(copies));
  return columns;
}

void AccessEmitter::store_tile(llvm::Value* base, DType dtype, const Access& access, const Pack& pack, int copies,
                               bool stream, AfterStore after) {
  llvm::Value* const first = element_address(base, dtype, start(access, 0));
  Pack columns;
  for (int copy = 0; copy < layout_.lanes; ++copy)
    columns.push_back(splat(b_, at(pack, std::min(copy, copies - 1)), layout_.lanes));
  const Pack rows = transposed(b_, columns);
  stream = stream && is_aligned(access, dtype, layout_.tile);
  for (int lane = 0; lane < layout_.lanes; ++lane) {
    llvm::Value* const address = element_address(
        first, dtype, b_.getInt64(static_cast<std::uint64_t>(lane_stride(access) * std::int64_t{lane})));
    llvm::Value* mask = first_lanes(copies);
    if (place_.mask != nullptr) {
      llvm::Value* const stored = b_.CreateExtractElement(place_.mask, static_cast<std::uint64_t>(lane));
      if (mask == nullptr)
        mask = splat(b_, stored, layout_.lanes);
      else
        mask = b_.CreateSelect(stored, mask, llvm::Constant::getNullValue(mask->getType()));
    }
    store_elements(address, dtype, rows[static_cast<std::size_t>(lane)], mask, stream);
    if (after) after(lane);
  }
}

llvm::Value* AccessEmitter::address(llvm::Value* base, DType dtype, const ir::KernelArray& array, int copy,
                                    std::int64_t scale) {
  // Copies along the vector dimension are one vector behind the other, or share what each lane has an own one of.
  std::int64_t shift = !is_tile() && scale == 1 ? std::int64_t{copy} * layout_.lanes : 0;
  llvm::Value* position = b_.getInt64(0);
  for (std::size_t i = 0; i < array.dimensions.size(); ++i) {
    const std::int64_t stride = array.strides[i] * scale;
    if (is_tile() && array.dimensions[i] == layout_.tile) shift = copy * stride;
    position = b_.CreateAdd(
        position, b_.CreateMul(coordinate(array.dimensions[i]), b_.getInt64(static_cast<std::uint64_t>(stride))));
  }
  return element_address(base, dtype, b_.CreateAdd(position, b_.getInt64(static_cast<std::uint64_t>(shift))));
}

Pack AccessEmitter::load_row(llvm::Value* base, DType dtype, const ir::KernelArray& array, Spread spread) {
  Pack loaded;
  for (int copy = 0; copy < spread.copies; ++copy)
    loaded.push_back(load_elements(address(base, dtype, array, copy), dtype, spread.in_lanes ? layout_.lanes : 1));
  return loaded;
}

void AccessEmitter::store_row(llvm::Value* base, DType dtype, const ir::KernelArray& array, const Pack& pack,
                              Spread spread, AfterStore after) {
  for (int copy = 0; copy < spread.copies; ++copy) {
    llvm::Value* const value = at(pack, copy);
    store_elements(address(base, dtype, array, copy), dtype, spread.in_lanes ? splat(b_, value, layout_.lanes) : value);
    if (after) after(copy);
  }
}

}  // namespace nnc::runtime::jit
