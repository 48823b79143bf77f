#include "runtime/jit/lanes.h"

#include "ir/check.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/Intrinsics.h>

namespace nnc::runtime::jit {

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

}  // namespace nnc::runtime::jit
