#include "runtime/jit/value_emitter.h"

#include "ir/evaluate.h"
#include "ir/linear.h"
#include "ir/philox.h"
#include "runtime/jit/scalar_emitter.h"
#include "runtime/jit/vector_random.h"

#include <llvm/IR/Constants.h>

#include <algorithm>
#include <bit>
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
  if (llvm::Value* const entry = s_.parameter(op)) return s_.access.load_elements(entry, s_.dtype(op.results[0]), 1);
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
  if (const std::optional<Pack> block = random_block(op, program)) return *block;
  llvm::Value* const entry = s_.parameter(op);
  llvm::Value* const stream = entry == nullptr ? nullptr : s_.access.load_elements(entry, ir::DType::i64, 1);
  Pack pack;
  const int copies = s_.spread(op.results[0]).copies;
  for (int copy = 0; copy < copies; ++copy)
    pack.push_back(emit_program(
        s_.b, program, [&](int i) { return at(s_.pack(op.operands[static_cast<std::size_t>(i)]), copy); },
        [&](int i) -> llvm::Value* {
          // Along an extent of 1 of the op's own shape the coordinate is 0.
          const int d = i + missing;
          return s_.fused.varies(op.results[0], d) ? s_.lane_coordinate(d, copy) : s_.b.getInt64(0);
        },
        stream)[0]);
  return pack;
}

bool ValueEmitter::begins_blocks() const {
  if (!s_.place.in_lanes || s_.place.along != s_.vector() || s_.place.copies * s_.lanes() != ir::random_group ||
      s_.lanes() > ir::random_group_blocks)
    return false;
  if (!s_.layout.vector_is_parallel) return true;
  bool alone = true;
  for (int d = 0; d < s_.fused.rank(); ++d) alone = alone && (d == s_.vector() || s_.extent(d) == 1);
  return s_.fused.schedule.chunk % ir::random_group == 0 && (alone || s_.extent(s_.vector()) % ir::random_group == 0);
}

std::optional<Pack> ValueEmitter::random_block(const ir::Op& op, const ir::ScalarProgram& program) {
  const int random = ir::random_scalar(program);
  if (random < 0 || program.results[0] != random || !begins_blocks()) return std::nullopt;
  const auto instr = [&](int scalar) -> const ir::ScalarInstr& {
    return program.instrs[static_cast<std::size_t>(scalar)];
  };
  const ir::ScalarInstr& drawn = instr(random);
  if (instr(drawn.a).op != ir::ScalarOp::input || instr(drawn.b).op != ir::ScalarOp::input) return std::nullopt;
  const ir::Shape& shape = s_.fused.body.type(op.results[0]).shape;
  const auto scalars = ir::linear_scalars(program, shape);
  const auto& linear = scalars[static_cast<std::size_t>(drawn.c)];
  if (!linear) return std::nullopt;
  const int missing = s_.fused.rank() - static_cast<int>(shape.size());
  llvm::Value* position = s_.constant(0);
  for (int d = missing; d < s_.fused.rank(); ++d) {
    const std::int64_t factor = (*linear)[static_cast<std::size_t>(d - missing)];
    if (d == s_.vector() ? factor != 1 : factor % ir::random_group != 0) return std::nullopt;
    if (factor != 0) position = s_.b.CreateAdd(position, s_.b.CreateMul(s_.coordinate(d), s_.constant(factor)));
  }
  const auto input = [&](int scalar) {
    return at(s_.pack(op.operands[static_cast<std::size_t>(instr(scalar).index)]), 0);
  };
  llvm::Value* const entry = s_.parameter(op);
  llvm::Value* const stream = entry == nullptr ? s_.constant(static_cast<std::int64_t>(drawn.stream))
                                               : s_.access.load_elements(entry, ir::DType::i64, 1);
  llvm::Value* const block = s_.b.CreateLShr(position, std::countr_zero(std::uint64_t{ir::random_group}));
  const int parts = ir::random_group_blocks / s_.lanes();
  Pack pack(static_cast<unsigned>(s_.place.copies));
  for (int part = 0; part < parts; ++part) {
    const RandomBlock numbers = emit_random_block(s_.b, input(drawn.a), input(drawn.b), stream, block,
                                                  s_.constant(std::int64_t{part} * s_.lanes()), s_.lanes());
    for (std::size_t word = 0; word < numbers.words.size(); ++word)
      pack[word * static_cast<std::size_t>(parts) + static_cast<std::size_t>(part)] = numbers.words[word];
  }
  return pack;
}

}  // namespace nnc::runtime::jit
