// Loops and conditions around emitted code.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <functional>

namespace nnc::runtime::jit {

using LoopBody = std::function<void(llvm::Value* i)>;

/// for (i = first; i < end; i += step); `end - first` is a multiple of `step`. No loop where it runs once.
void emit_loop(llvm::IRBuilder<>& b, llvm::Value* first, llvm::Value* end, std::int64_t step, const LoopBody& body);
void emit_loop(llvm::IRBuilder<>& b, std::int64_t first, std::int64_t end, std::int64_t step, const LoopBody& body);
/// for (i = first; i < end;) i = body(i)
void emit_while_below(llvm::IRBuilder<>& b, llvm::Value* first, llvm::Value* end,
                      const std::function<llvm::Value*(llvm::Value* i)>& body);
void emit_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body);
/// Memory for one value, in the function's entry block; becomes registers.
llvm::AllocaInst* emit_variable(llvm::IRBuilder<>& b, llvm::Type* type);

}  // namespace nnc::runtime::jit
