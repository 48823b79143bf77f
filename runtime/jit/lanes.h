// Arithmetic on the lanes of one vector width, so that formulas of the emitted code read as formulas.
//
//   const Lanes l(builder, x);
//   llvm::Value* y = l.fma(x, l.real(2), l.real(1));   // 2 x + 1 in every lane
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace nnc::runtime::jit {

/// What a CPU has to have, as LLVM names it, for Lanes::lookup and what follows it.
inline constexpr const char* table_features[] = {"avx512f", "avx512dq"};
/// Says in a module whether its CPU has them.
void set_has_tables(llvm::Module& module, bool has_tables);

class Lanes {
 public:
  /// As many as `value` has, which is f32; a scalar has one.
  Lanes(llvm::IRBuilder<>& builder, const llvm::Value* value);

  llvm::Type* f32() const { return of(builder_.getFloatTy()); }
  llvm::Type* f64() const { return of(builder_.getDoubleTy()); }
  llvm::Type* i32() const { return of(builder_.getInt32Ty()); }
  llvm::Type* i64() const { return of(builder_.getInt64Ty()); }

  llvm::Value* real(double value) const;    // f32
  llvm::Value* real64(double value) const;  // f64
  llvm::Value* integer(std::uint32_t value) const;
  llvm::Value* integer64(std::uint64_t value) const;

  llvm::Value* fma(llvm::Value* a, llvm::Value* b, llvm::Value* c) const;  // a b + c
  llvm::Value* round(llvm::Value* x) const;                                // halves to even
  llvm::Value* abs(llvm::Value* x) const;
  /// The smaller, or the larger, of x and a bound; NaN stays NaN.
  llvm::Value* at_most(llvm::Value* x, llvm::Value* bound) const;
  llvm::Value* at_least(llvm::Value* x, llvm::Value* bound) const;
  /// The value of the polynomial with those coefficients, lowest degree first, of x's type.
  llvm::Value* polynomial(llvm::Value* x, std::span<const double> coefficients) const;

  llvm::Value* bits(llvm::Value* x) const { return builder_.CreateBitCast(x, i32()); }
  llvm::Value* bits64(llvm::Value* x) const { return builder_.CreateBitCast(x, i64()); }
  llvm::Value* from_bits(llvm::Value* x) const { return builder_.CreateBitCast(x, f32()); }
  llvm::Value* from_bits64(llvm::Value* x) const { return builder_.CreateBitCast(x, f64()); }

  /// Whether the module's CPU has the instructions below.
  bool has_tables() const;
  static constexpr std::size_t table_size = 32;
  /// In each lane, the number of a table at the last five bits of an index, i32.
  llvm::Value* lookup(std::span<const double, table_size> table, llvm::Value* index) const;
  /// x 2^floor(n), rounded once.
  llvm::Value* scale(llvm::Value* x, llvm::Value* n) const;
  /// x where |x| is at most the bound, else the bound with x's sign; of NaN either bound.
  llvm::Value* within(llvm::Value* x, double bound) const;
  /// floor(log2 |x|) as f32: of 0 -infinity, of infinity infinity.
  llvm::Value* exponent(llvm::Value* x) const;
  /// x 2^-exponent(x), from 1 to below 2; of 0 and infinity 1 but for its sign, of what is negative NaN.
  llvm::Value* mantissa(llvm::Value* x) const;

 private:
  /// An instruction on vectors of 16 lanes, on as many as there are.
  template <class F>
  llvm::Value* in_sixteens(std::initializer_list<llvm::Value*> operands, F&& emit) const;
  llvm::Type* of(llvm::Type* element) const;

  llvm::IRBuilder<>& builder_;
  unsigned count_;  // 0: a scalar
};

}  // namespace nnc::runtime::jit
