// Elementary functions as vector code: a reduction of the range and a polynomial in the lanes, no call, no branch.
//
//   llvm::Value* y = emit_exp(builder, x);   // float or <N x float>, any N
//
// Each is within 4 units in the last place of the exact value for every argument, denormal arguments and results among
// them, and exact at zeros, infinities and NaN. The numbers below are the largest errors of all 2^32 arguments, in units
// in the last place, without tables (vector_tables.h); that of a power is the largest of 280,000 pairs. The code needs a
// CPU with fused multiply-add.
#pragma once

#include <llvm/IR/IRBuilder.h>

namespace nnc::runtime::jit {

llvm::Value* emit_exp(llvm::IRBuilder<>& builder, llvm::Value* x);  // 2.91
llvm::Value* emit_log(llvm::IRBuilder<>& builder, llvm::Value* x);  // 1.14
llvm::Value* emit_sin(llvm::IRBuilder<>& builder, llvm::Value* x);  // 1.65
llvm::Value* emit_cos(llvm::IRBuilder<>& builder, llvm::Value* x);  // 2.68
// These two are never beyond -1 and 1.
llvm::Value* emit_tanh(llvm::IRBuilder<>& builder, llvm::Value* x);  // 3.33
llvm::Value* emit_erf(llvm::IRBuilder<>& builder, llvm::Value* x);   // 3.10
/// With C's special cases: pow(x, 0) and pow(1, y) are 1 whatever the other is, and so on.
llvm::Value* emit_pow(llvm::IRBuilder<>& builder, llvm::Value* x, llvm::Value* y);  // 0.85

}  // namespace nnc::runtime::jit
