#include "runtime/jit/control_flow.h"

#include <llvm/IR/BasicBlock.h>
#include <llvm/IR/Function.h>

namespace nnc::runtime::jit {

namespace {

llvm::BasicBlock* add_block(llvm::IRBuilder<>& b, const char* name) {
  return llvm::BasicBlock::Create(b.getContext(), name, b.GetInsertBlock()->getParent());
}

}  // namespace

void emit_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body) {
  llvm::BasicBlock* const then = add_block(b, "then");
  llvm::BasicBlock* const after = llvm::BasicBlock::Create(b.getContext(), "after");
  b.CreateCondBr(condition, then, after);
  b.SetInsertPoint(then);
  body();
  b.CreateBr(after);
  b.GetInsertBlock()->getParent()->insert(b.GetInsertBlock()->getParent()->end(), after);
  b.SetInsertPoint(after);
}

void emit_while_below(llvm::IRBuilder<>& b, llvm::Value* first, llvm::Value* end,
                      const std::function<llvm::Value*(llvm::Value* i)>& body) {
  emit_if(b, b.CreateICmpSLT(first, end), [&] {
    llvm::BasicBlock* const before = b.GetInsertBlock();
    llvm::BasicBlock* const loop = add_block(b, "loop");
    b.CreateBr(loop);
    b.SetInsertPoint(loop);
    llvm::PHINode* const i = b.CreatePHI(first->getType(), 2, "i");
    i->addIncoming(first, before);
    llvm::Value* const next = body(i);
    i->addIncoming(next, b.GetInsertBlock());
    llvm::BasicBlock* const done = add_block(b, "done");
    b.CreateCondBr(b.CreateICmpSLT(next, end), loop, done);
    b.SetInsertPoint(done);
  });
}

void emit_loop(llvm::IRBuilder<>& b, llvm::Value* first, llvm::Value* end, std::int64_t step, const LoopBody& body) {
  emit_while_below(b, first, end, [&](llvm::Value* i) {
    body(i);
    return b.CreateNSWAdd(i, b.getInt64(static_cast<std::uint64_t>(step)));
  });
}

void emit_loop(llvm::IRBuilder<>& b, std::int64_t first, std::int64_t end, std::int64_t step, const LoopBody& body) {
  const auto constant = [&](std::int64_t x) { return b.getInt64(static_cast<std::uint64_t>(x)); };
  if (end - first == step) return body(constant(first));
  if (end > first) emit_loop(b, constant(first), constant(end), step, body);
}

llvm::AllocaInst* emit_variable(llvm::IRBuilder<>& b, llvm::Type* type) {
  llvm::BasicBlock& entry = b.GetInsertBlock()->getParent()->getEntryBlock();
  return llvm::IRBuilder<>(&entry, entry.begin()).CreateAlloca(type);
}

}  // namespace nnc::runtime::jit
