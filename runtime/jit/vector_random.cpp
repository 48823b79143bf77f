#include "runtime/jit/vector_random.h"

#include "ir/check.h"
#include "ir/philox.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>

#include <bit>
#include <utility>
#include <vector>

namespace nnc::runtime::jit {

namespace {

using llvm::IRBuilder;
using llvm::Value;

/// A counter: 32-bit words in i64 lanes, the upper half without meaning. That is what a widening product of the CPU takes,
/// and no word has to be moved between lanes. A word that is the same in all lanes is a scalar.
using Words = std::array<Value*, 4>;

class Philox {
 public:
  Philox(IRBuilder<>& builder, Value* key, Value* step, Value* stream)
      : b_(builder), key_{key, b_.CreateLShr(key, 32)}, step_(step), stream_(stream) {}

  /// The four words of the blocks with those numbers: i64, or <N x i64>.
  Words blocks(Value* numbers) {
    Words counter = {numbers, step_, stream_, b_.CreateLShr(stream_, 32)};
    for (std::uint32_t round = 0; round < ir::philox_rounds; ++round) {
      const auto key = [&](std::size_t i) {
        return b_.CreateAdd(key_[i], b_.getInt64(std::uint32_t{round * ir::philox_increments[i]}));
      };
      Value* const a = product(counter[0], ir::philox_multipliers[0]);
      Value* const b = product(counter[2], ir::philox_multipliers[1]);
      counter = {different(upper(b), different(counter[1], key(0))), b,
                 different(upper(a), different(counter[3], key(1))), a};
    }
    return counter;
  }

 private:
  Value* product(Value* word, std::uint64_t factor) {
    Value* const low = b_.CreateAnd(word, number(word, 0xFFFFFFFF));
    return b_.CreateMul(low, number(word, factor));
  }
  Value* upper(Value* product) { return b_.CreateLShr(product, number(product, 32)); }
  Value* different(Value* x, Value* y) {
    const auto like = [&](Value* value, Value* other) {
      const auto* const vector = llvm::dyn_cast<llvm::FixedVectorType>(other->getType());
      if (vector == nullptr || value->getType()->isVectorTy()) return value;
      return b_.CreateVectorSplat(vector->getNumElements(), value);
    };
    return b_.CreateXor(like(x, y), like(y, x));
  }
  Value* number(Value* like, std::uint64_t value) { return llvm::ConstantInt::get(like->getType(), value); }

  IRBuilder<>& b_;
  std::array<Value*, 2> key_;
  Value* step_;
  Value* stream_;
};

constexpr std::uint64_t bits_of(int power_of_two) { return std::countr_zero(static_cast<unsigned>(power_of_two)); }

/// The upper 24 bits of i32 words, as a fraction.
Value* fraction(IRBuilder<>& b, Value* words) {
  llvm::Type* type = b.getFloatTy();
  if (const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(words->getType()))
    type = llvm::FixedVectorType::get(type, vector->getNumElements());
  return b.CreateFMul(b.CreateSIToFP(b.CreateLShr(words, 8), type), llvm::ConstantFP::get(type, 0x1p-24));
}

}  // namespace

Value* emit_random(IRBuilder<>& builder, Value* key, Value* step, Value* stream, Value* position) {
  IRBuilder<>& b = builder;
  const auto number = [&](std::uint64_t value) { return llvm::ConstantInt::get(position->getType(), value); };
  Value* const group = b.CreateLShr(position, number(bits_of(ir::random_group)));
  Value* const block = b.CreateOr(b.CreateShl(group, number(bits_of(ir::random_group_blocks))),
                                  b.CreateAnd(position, number(ir::random_group_blocks - 1)));
  const Words words = Philox(b, key, step, stream).blocks(block);
  const auto bit = [&](std::uint64_t mask) { return b.CreateIsNotNull(b.CreateAnd(position, number(mask))); };
  Value* const odd = bit(ir::random_group_blocks);
  Value* const word = b.CreateSelect(bit(2 * ir::random_group_blocks), b.CreateSelect(odd, words[3], words[2]),
                                     b.CreateSelect(odd, words[1], words[0]));
  return fraction(b, b.CreateTrunc(word, position->getType()->getWithNewBitWidth(32)));
}

RandomBlock emit_random_block(IRBuilder<>& builder, Value* key, Value* step, Value* stream, Value* group, Value* first,
                              int lanes) {
  NNC_CHECK(lanes >= 2 && lanes <= ir::random_group_blocks && lanes % 2 == 0, "{} lanes of random numbers", lanes);
  IRBuilder<>& b = builder;
  const auto half = static_cast<unsigned>(lanes) / 2;
  auto* const numbers = llvm::FixedVectorType::get(b.getInt64Ty(), half);
  Value* const base =
      b.CreateVectorSplat(half, b.CreateAdd(b.CreateShl(group, bits_of(ir::random_group_blocks)), first));
  // Words of even lanes and of odd ones apart: put together, each pair is one i64.
  std::array<Words, 2> parts;
  for (std::uint64_t odd = 0; odd < 2; ++odd) {
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < half; ++i) offsets.push_back(2 * i + odd);
    parts[odd] =
        Philox(b, key, step, stream).blocks(b.CreateAdd(base, llvm::ConstantDataVector::get(b.getContext(), offsets)));
  }
  RandomBlock block{};
  for (std::size_t j = 0; j < 4; ++j) {
    Value* const even = b.CreateAnd(parts[0][j], llvm::ConstantInt::get(numbers, 0xFFFFFFFF));
    Value* const both = b.CreateOr(even, b.CreateShl(parts[1][j], llvm::ConstantInt::get(numbers, 32)));
    block.words[j] =
        fraction(b, b.CreateBitCast(both, llvm::FixedVectorType::get(b.getInt32Ty(), static_cast<unsigned>(lanes))));
  }
  return block;
}

}  // namespace nnc::runtime::jit
