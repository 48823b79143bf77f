// Scalar programs as LLVM IR, on single elements or on all lanes at once: a scalar instruction becomes one on vectors as
// soon as one of its operands is a vector; what is the same in all lanes stays a single element.
#pragma once

#include "ir/scalar.h"

#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace nnc::runtime::jit {

/// Elements in registers: bool is i1. In memory bool is a byte.
llvm::Type* register_type(llvm::LLVMContext& context, ir::DType dtype, int lanes = 1);
llvm::Type* memory_type(llvm::LLVMContext& context, ir::DType dtype, int lanes = 1);
llvm::Value* to_memory(llvm::IRBuilder<>& b, llvm::Value* value, ir::DType dtype);
llvm::Value* from_memory(llvm::IRBuilder<>& b, llvm::Value* value, ir::DType dtype);

/// 1 for a single element.
int lanes_of(const llvm::Value* value);
/// The value in every lane; a vector is left as it is.
llvm::Value* splat(llvm::IRBuilder<>& b, llvm::Value* value, int lanes);
/// first, first + 1, ... in the lanes, i64.
llvm::Constant* lane_numbers(llvm::LLVMContext& context, std::int64_t first, int lanes);
/// A number of that type, converted as ir::convert_number does.
llvm::Constant* number(llvm::LLVMContext& context, double value, ir::DType dtype);

llvm::Value* emit_cast(llvm::IRBuilder<>& b, llvm::Value* value, ir::DType from, ir::DType to);

/// The values that a program is given, by number of input or of dimension.
using ScalarSource = std::function<llvm::Value*(int)>;
/// The results of a program; random numbers are of `stream`, unless it is null.
std::vector<llvm::Value*> emit_program(llvm::IRBuilder<>& b, const ir::ScalarProgram& program,
                                       const ScalarSource& inputs, const ScalarSource& coordinates = nullptr,
                                       llvm::Value* stream = nullptr);

}  // namespace nnc::runtime::jit
