// Elementary functions on CPUs that look up 32 numbers in one instruction, and take numbers apart and scale them by powers
// of two in others: shorter polynomials, with coefficients by interval. vector_math.h chooses, and says what holds for
// both; the numbers below are the largest errors of all 2^32 arguments.
#pragma once

#include "runtime/jit/lanes.h"

namespace nnc::runtime::jit {

llvm::Value* emit_exp_by_table(llvm::IRBuilder<>& builder, const Lanes& lanes, llvm::Value* x);   // 1.76
llvm::Value* emit_log_by_table(llvm::IRBuilder<>& builder, const Lanes& lanes, llvm::Value* x);   // 1.27
llvm::Value* emit_tanh_by_table(llvm::IRBuilder<>& builder, const Lanes& lanes, llvm::Value* x);  // 1.31
llvm::Value* emit_erf_by_table(llvm::IRBuilder<>& builder, const Lanes& lanes, llvm::Value* x);   // 2.27

}  // namespace nnc::runtime::jit
