#include "runtime/jit/access_emitter.h"

#include "ir/check.h"
#include "runtime/jit/scalar_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>

#include <limits>

namespace nnc::runtime::jit {

using ir::Access;
using ir::DType;

namespace {

llvm::Align align_of(DType dtype) { return llvm::Align(static_cast<std::uint64_t>(ir::size_of(dtype))); }

bool is_bounded(const Access& access, int d) {
  return !access.bounds.empty() && access.bounds[static_cast<std::size_t>(d)] != Access::everywhere;
}

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

llvm::Value* AccessEmitter::start(const Access& access) {
  llvm::Value* position = b_.getInt64(static_cast<std::uint64_t>(access.offset));
  for (std::size_t d = 0; d < domain_.size(); ++d) {
    if (access.strides[d] == 0 || !is_open(static_cast<int>(d))) continue;
    llvm::Value* const stride = b_.getInt64(static_cast<std::uint64_t>(access.strides[d]));
    position = b_.CreateAdd(position, b_.CreateMul(coordinate(static_cast<int>(d)), stride));
  }
  return position;
}

std::int64_t AccessEmitter::lane_stride(const Access& access) const {
  return access.strides[static_cast<std::size_t>(layout_.vector)];
}

llvm::Value* AccessEmitter::within(const Access& access) {
  llvm::Value* inside = nullptr;
  for (int d = 0; d < static_cast<int>(domain_.size()); ++d)
    if (is_open(d) && is_bounded(access, d) && !(place_.in_lanes && d == layout_.vector))
      inside = both(b_, inside, between(b_, coordinate(d), access.bounds[static_cast<std::size_t>(d)]));
  return inside;
}

llvm::Value* AccessEmitter::lanes_within(const Access& access, llvm::Value* rest, int copy) {
  llvm::Value* mask = place_.mask;
  if (is_bounded(access, layout_.vector)) {
    llvm::Value* const lanes =
        b_.CreateAdd(splat(b_, coordinate(layout_.vector), layout_.lanes),
                     lane_numbers(b_.getContext(), std::int64_t{copy} * layout_.lanes, layout_.lanes));
    mask = both(b_, mask, between(b_, lanes, access.bounds[static_cast<std::size_t>(layout_.vector)]));
  }
  if (rest == nullptr) return mask;
  // Not `and`: LLVM 19 takes half of (splat & constant) for all lanes where it halves the vector.
  if (mask == nullptr) return splat(b_, rest, layout_.lanes);
  return b_.CreateSelect(rest, mask, llvm::Constant::getNullValue(mask->getType()));
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

void AccessEmitter::store_elements(llvm::Value* address, DType dtype, llvm::Value* value, llvm::Value* mask) {
  value = to_memory(b_, value, dtype);
  if (mask == nullptr)
    b_.CreateAlignedStore(value, address, align_of(dtype));
  else
    b_.CreateMaskedStore(value, address, align_of(dtype), mask);
}

llvm::Value* AccessEmitter::load_one(llvm::Value* base, DType dtype, llvm::Value* position, llvm::Value* inside,
                                     double fill) {
  // Outside of the bounds the first element is read, and not used.
  if (inside != nullptr) position = b_.CreateSelect(inside, position, b_.getInt64(0));
  llvm::Value* const loaded = load_elements(element_address(base, dtype, position), dtype, 1);
  return inside == nullptr ? loaded : b_.CreateSelect(inside, loaded, number(b_.getContext(), fill, dtype));
}

llvm::Value* AccessEmitter::load_lanes(llvm::Value* base, DType dtype, const Access& access, llvm::Value* position,
                                       llvm::Value* row, llvm::Value* mask, int copy) {
  const std::int64_t stride = lane_stride(access);
  const int lanes = layout_.lanes;
  position = b_.CreateAdd(position, b_.getInt64(static_cast<std::uint64_t>(stride * lanes * copy)));
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

Pack AccessEmitter::load(llvm::Value* base, DType dtype, const Access& access, const Pack* index, bool in_lanes) {
  llvm::Value* position = start(access);
  llvm::Value* const inside = within(access);
  const bool index_in_lanes = index != nullptr && lanes_of((*index)[0]) > 1;
  const auto row = [&](int copy) {
    llvm::Value* const value = at(*index, copy);
    return b_.CreateMul(value,
                        llvm::ConstantInt::get(value->getType(), static_cast<std::uint64_t>(access.index_stride)));
  };
  if (index != nullptr && !index_in_lanes) position = b_.CreateAdd(position, row(0));
  if (!in_lanes) return {load_one(base, dtype, position, inside, access.fill)};

  Pack loaded;
  // Equal in all lanes but for the bounds.
  llvm::Value* one = nullptr;
  if (!index_in_lanes && lane_stride(access) == 0)
    one = splat(b_, load_one(base, dtype, position, inside, access.fill), layout_.lanes);
  for (int copy = 0; copy < place_.copies; ++copy) {
    llvm::Value* const mask = lanes_within(access, inside, copy);
    if (one != nullptr)
      loaded.push_back(
          mask == nullptr
              ? one
              : b_.CreateSelect(mask, one, splat(b_, number(b_.getContext(), access.fill, dtype), layout_.lanes)));
    else
      loaded.push_back(load_lanes(base, dtype, access, position, index_in_lanes ? row(copy) : nullptr, mask, copy));
  }
  return loaded;
}

void AccessEmitter::store(llvm::Value* base, DType dtype, const Access& access, const Pack& pack, bool in_lanes) {
  llvm::Value* const position = start(access);
  if (!in_lanes) return store_elements(element_address(base, dtype, position), dtype, pack[0]);
  const std::int64_t stride = lane_stride(access);
  for (int copy = 0; copy < place_.copies; ++copy) {
    llvm::Value* const value = splat(b_, at(pack, copy), layout_.lanes);
    llvm::Value* const from =
        b_.CreateAdd(position, b_.getInt64(static_cast<std::uint64_t>(stride * layout_.lanes * copy)));
    llvm::Value* const first = element_address(base, dtype, from);
    if (stride == 1) {
      store_elements(first, dtype, value, place_.mask);
    } else {
      llvm::Value* const mask = place_.mask == nullptr ? splat(b_, b_.getTrue(), layout_.lanes) : place_.mask;
      b_.CreateMaskedScatter(to_memory(b_, value, dtype), lane_addresses(first, dtype, stride), align_of(dtype), mask);
    }
  }
}

llvm::Value* AccessEmitter::address(llvm::Value* base, DType dtype, const ir::KernelArray& array, std::int64_t scale) {
  llvm::Value* position = b_.getInt64(0);
  for (std::size_t i = 0; i < array.dimensions.size(); ++i)
    position = b_.CreateAdd(position, b_.CreateMul(coordinate(array.dimensions[i]),
                                                   b_.getInt64(static_cast<std::uint64_t>(array.strides[i] * scale))));
  return element_address(base, dtype, position);
}

Pack AccessEmitter::load_row(llvm::Value* base, DType dtype, const ir::KernelArray& array, bool in_lanes) {
  llvm::Value* const first = address(base, dtype, array);
  if (!in_lanes) return {load_elements(first, dtype, 1)};
  Pack loaded;
  for (int copy = 0; copy < place_.copies; ++copy)
    loaded.push_back(
        load_elements(element_address(first, dtype, b_.getInt64(static_cast<std::uint64_t>(copy * layout_.lanes))),
                      dtype, layout_.lanes));
  return loaded;
}

void AccessEmitter::store_row(llvm::Value* base, DType dtype, const ir::KernelArray& array, const Pack& pack,
                              bool in_lanes) {
  llvm::Value* const first = address(base, dtype, array);
  if (!in_lanes) return store_elements(first, dtype, pack[0]);
  for (int copy = 0; copy < place_.copies; ++copy)
    store_elements(element_address(first, dtype, b_.getInt64(static_cast<std::uint64_t>(copy * layout_.lanes))), dtype,
                   splat(b_, at(pack, copy), layout_.lanes));
}

}  // namespace nnc::runtime::jit
