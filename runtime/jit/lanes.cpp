#include "runtime/jit/lanes.h"

#include "ir/check.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace nnc::runtime::jit {

namespace {

constexpr const char* tables_flag = "nnc.tables";

/// An instruction that has a mask, without: of all lanes, rounded as everything is.
llvm::Value* all_lanes(llvm::IRBuilder<>& builder, llvm::Intrinsic::ID instruction,
                       std::vector<llvm::Value*> operands) {
  constexpr int current_rounding = 4;
  operands.insert(operands.end(), {operands[0], builder.getInt16(0xFFFF), builder.getInt32(current_rounding)});
  return builder.CreateIntrinsic(instruction, {}, operands);
}

}  // namespace

void set_has_tables(llvm::Module& module, bool has_tables) {
  module.addModuleFlag(llvm::Module::Error, tables_flag, has_tables ? 1 : 0);
}

Lanes::Lanes(llvm::IRBuilder<>& builder, const llvm::Value* value) : builder_(builder), count_(0) {
  const auto* const vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  if (vector != nullptr) count_ = vector->getNumElements();
  NNC_CHECK(value->getType()->getScalarType()->isFloatTy(), "the lanes of a function are not f32");
}

llvm::Type* Lanes::of(llvm::Type* element) const {
  return count_ == 0 ? element : llvm::FixedVectorType::get(element, count_);
}

llvm::Value* Lanes::real(double value) const { return llvm::ConstantFP::get(f32(), value); }
llvm::Value* Lanes::real64(double value) const { return llvm::ConstantFP::get(f64(), value); }
llvm::Value* Lanes::integer(std::uint32_t value) const { return llvm::ConstantInt::get(i32(), value); }
llvm::Value* Lanes::integer64(std::uint64_t value) const { return llvm::ConstantInt::get(i64(), value); }

llvm::Value* Lanes::fma(llvm::Value* a, llvm::Value* b, llvm::Value* c) const {
  return builder_.CreateIntrinsic(a->getType(), llvm::Intrinsic::fma, {a, b, c});
}

llvm::Value* Lanes::round(llvm::Value* x) const { return builder_.CreateUnaryIntrinsic(llvm::Intrinsic::roundeven, x); }

llvm::Value* Lanes::abs(llvm::Value* x) const { return builder_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x); }

llvm::Value* Lanes::at_most(llvm::Value* x, llvm::Value* bound) const {
  return builder_.CreateSelect(builder_.CreateFCmpOGT(x, bound), bound, x);
}

llvm::Value* Lanes::at_least(llvm::Value* x, llvm::Value* bound) const {
  return builder_.CreateSelect(builder_.CreateFCmpOLT(x, bound), bound, x);
}

llvm::Value* Lanes::polynomial(llvm::Value* x, std::span<const double> coefficients) const {
  const auto constant = [&](double value) { return llvm::ConstantFP::get(x->getType(), value); };
  llvm::Value* sum = constant(coefficients.back());
  for (std::size_t i = coefficients.size() - 1; i-- > 0;) sum = fma(sum, x, constant(coefficients[i]));
  return sum;
}

bool Lanes::has_tables() const {
  const llvm::Module& module = *builder_.GetInsertBlock()->getModule();
  const auto* const flag = llvm::mdconst::extract_or_null<llvm::ConstantInt>(module.getModuleFlag(tables_flag));
  return flag != nullptr && flag->isOne();
}

template <class F>
llvm::Value* Lanes::in_sixteens(std::initializer_list<llvm::Value*> operands, F&& emit) const {
  constexpr unsigned sixteen = 16;
  if (count_ == sixteen) return emit(llvm::ArrayRef<llvm::Value*>(operands));
  std::vector<llvm::Value*> parts;
  for (unsigned first = 0; first < std::max(count_, 1U); first += sixteen) {
    std::vector<int> places;
    for (unsigned i = first; i < first + sixteen; ++i) places.push_back(i < count_ ? static_cast<int>(i) : -1);
    std::vector<llvm::Value*> part;
    for (llvm::Value* const operand : operands)
      part.push_back(count_ == 0 ? builder_.CreateInsertElement(
                                       llvm::PoisonValue::get(llvm::FixedVectorType::get(operand->getType(), sixteen)),
                                       operand, std::uint64_t{0})
                                 : builder_.CreateShuffleVector(operand, places));
    parts.push_back(emit(llvm::ArrayRef<llvm::Value*>(part)));
  }
  if (count_ == 0) return builder_.CreateExtractElement(parts[0], std::uint64_t{0});
  std::vector<int> places(count_);
  std::iota(places.begin(), places.end(), 0);
  return builder_.CreateShuffleVector(llvm::concatenateVectors(builder_, parts), places);
}

llvm::Value* Lanes::lookup(std::span<const double, table_size> table, llvm::Value* index) const {
  const std::vector<float> numbers(table.begin(), table.end());
  const auto half = [&](std::size_t first) {
    return llvm::ConstantDataVector::get(builder_.getContext(),
                                         llvm::ArrayRef<float>(numbers).slice(first, table_size / 2));
  };
  return in_sixteens({index}, [&](llvm::ArrayRef<llvm::Value*> sixteen) -> llvm::Value* {
    return builder_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_ps_512, {},
                                    {half(0), sixteen[0], half(table_size / 2)});
  });
}

llvm::Value* Lanes::scale(llvm::Value* x, llvm::Value* n) const {
  return in_sixteens({x, n}, [&](llvm::ArrayRef<llvm::Value*> sixteen) {
    return all_lanes(builder_, llvm::Intrinsic::x86_avx512_mask_scalef_ps_512, {sixteen[0], sixteen[1]});
  });
}

llvm::Value* Lanes::within(llvm::Value* x, double bound) const {
  constexpr int less_magnitude = 2, sign_of_first = 0 << 2;
  return in_sixteens({x, real(bound)}, [&](llvm::ArrayRef<llvm::Value*> sixteen) {
    return all_lanes(builder_, llvm::Intrinsic::x86_avx512_mask_range_ps_512,
                     {sixteen[0], sixteen[1], builder_.getInt32(less_magnitude | sign_of_first)});
  });
}

llvm::Value* Lanes::exponent(llvm::Value* x) const {
  return in_sixteens({x}, [&](llvm::ArrayRef<llvm::Value*> sixteen) {
    return all_lanes(builder_, llvm::Intrinsic::x86_avx512_mask_getexp_ps_512, {sixteen[0]});
  });
}

llvm::Value* Lanes::mantissa(llvm::Value* x) const {
  constexpr int from_one = 0, negative_is_nan = 2 << 2;
  return in_sixteens({x}, [&](llvm::ArrayRef<llvm::Value*> sixteen) {
    return all_lanes(builder_, llvm::Intrinsic::x86_avx512_mask_getmant_ps_512,
                     {sixteen[0], builder_.getInt32(from_one | negative_is_nan)});
  });
}

}  // namespace nnc::runtime::jit
