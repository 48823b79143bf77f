// Elementary functions as vector code: a reduction of the range and a polynomial in the lanes, no call, no branch.
//
//   llvm::Value* y = emit_exp(builder, x);   // float or <N x float>, any N
//
// Each is within 4 units in the last place of the exact value for every argument, denormal arguments and results among
// them (the largest errors found over all arguments stand at each function), and exact at zeros, infinities and NaN. The
// code needs a CPU with fused multiply-add.
#pragma once

#include <llvm/IR/IRBuilder.h>

namespace nnc::runtime::jit {

llvm::Value* emit_exp(llvm::IRBuilder<>& builder, llvm::Value* x);
llvm::Value* emit_log(llvm::IRBuilder<>& builder, llvm::Value* x);
llvm::Value* emit_sin(llvm::IRBuilder<>& builder, llvm::Value* x);
llvm::Value* emit_cos(llvm::IRBuilder<>& builder, llvm::Value* x);
/// Never beyond -1 and 1.
llvm::Value* emit_tanh(llvm::IRBuilder<>& builder, llvm::Value* x);
/// Never beyond -1 and 1.
llvm::Value* emit_erf(llvm::IRBuilder<>& builder, llvm::Value* x);
/// With C's special cases: pow(x, 0) and pow(1, y) are 1 whatever the other is, and so on.
llvm::Value* emit_pow(llvm::IRBuilder<>& builder, llvm::Value* x, llvm::Value* y);

}  // namespace nnc::runtime::jit
