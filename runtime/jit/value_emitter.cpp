#include "runtime/jit/value_emitter.h"

#include "ir/evaluate.h"
#include "runtime/jit/scalar_emitter.h"

#include <llvm/IR/Constants.h>

#include <algorithm>
#include <optional>

namespace nnc::runtime::jit {

void ValueEmitter::emit(ir::ValueId value) {
  const ir::Op* op = s_.fused.body.definer(value);
  if (op == nullptr)
    s_.pack(value) = load_param(value);
  else if (op->def->as<ir::Elementwise>() != nullptr)
    s_.pack(value) = elementwise(*op);
  else
    s_.pack(value) = {constant(*op)};
}

llvm::Value* ValueEmitter::constant(const ir::Op& op) {
  const ir::Tensor tensor = ir::evaluate(ir::view(s_.fused.body, op), {})[0];
  const ir::DType dtype = tensor.type().dtype;
  if (ir::is_float(dtype)) return number(s_.b.getContext(), tensor.real(0), dtype);
  return llvm::ConstantInt::get(register_type(s_.b.getContext(), dtype), static_cast<std::uint64_t>(tensor.integer(0)));
}

Pack ValueEmitter::load_param(ir::ValueId value) {
  const auto& params = s_.fused.body.params();
  const auto p = static_cast<std::size_t>(std::ranges::find(params, value) - params.begin());
  const ir::Access& access = s_.fused.reads[p];
  std::optional<Pack> index;
  if (access.index >= 0) {
    const ir::ValueId operand = params[static_cast<std::size_t>(access.index)];
    index.emplace();
    for (llvm::Value* row : s_.pack(operand)) index->push_back(emit_cast(s_.b, row, s_.dtype(operand), ir::DType::i64));
  }
  return s_.access.load(s_.args[p], s_.dtype(value), access, index ? &*index : nullptr, s_.spread(value));
}

Pack ValueEmitter::elementwise(const ir::Op& op) {
  const ir::ScalarProgram program = ir::scalar_program(ir::view(s_.fused.body, op));
  const int missing = s_.fused.rank() - s_.fused.body.type(op.results[0]).rank();
  Pack pack;
  const int copies = s_.spread(op.results[0]).copies;
  for (int copy = 0; copy < copies; ++copy)
    pack.push_back(emit_program(
        s_.b, program, [&](int i) { return at(s_.pack(op.operands[static_cast<std::size_t>(i)]), copy); },
        [&](int i) -> llvm::Value* {
          // Along an extent of 1 of the op's own shape the coordinate is 0.
          const int d = i + missing;
          return s_.fused.varies(op.results[0], d) ? s_.lane_coordinate(d, copy) : s_.b.getInt64(0);
        })[0]);
  return pack;
}

}  // namespace nnc::runtime::jit
