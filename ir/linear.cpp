#include "ir/linear.h"

#include "ir/tensor.h"

#include <algorithm>

namespace nnc::ir {
namespace {

using Factors = std::optional<std::vector<std::int64_t>>;

/// An integer that a scalar is, in every element.
std::optional<std::int64_t> constant(const ScalarProgram& program, int scalar) {
  const ScalarInstr& instr = program.instrs[static_cast<std::size_t>(scalar)];
  if (instr.op != ScalarOp::constant || instr.dtype != DType::i64) return std::nullopt;
  return static_cast<std::int64_t>(instr.value);
}

Factors combined(const ScalarProgram& program, const ScalarInstr& instr, const std::vector<Factors>& known,
                 const Shape& shape) {
  const auto of = [&](int scalar) -> const Factors& { return known[static_cast<std::size_t>(scalar)]; };
  Factors made;
  switch (instr.op) {
    case ScalarOp::coordinate: {
      made.emplace(shape.size(), 0);
      const auto d = static_cast<std::size_t>(instr.index);
      if (shape[d] > 1) (*made)[d] = 1;
      return made;
    }
    case ScalarOp::add:
      if (!of(instr.a) || !of(instr.b)) return std::nullopt;
      made = of(instr.a);
      for (std::size_t d = 0; d < shape.size(); ++d) (*made)[d] += (*of(instr.b))[d];
      return made;
    case ScalarOp::mul: {
      const std::optional<std::int64_t> factor = constant(program, instr.b);
      if (!of(instr.a) || !factor) return std::nullopt;
      made = of(instr.a);
      for (std::int64_t& f : *made) f *= *factor;
      return made;
    }
    default: return std::nullopt;
  }
}

}  // namespace

std::vector<Factors> linear_scalars(const ScalarProgram& program, const Shape& shape) {
  std::vector<Factors> known;
  for (const ScalarInstr& instr : program.instrs) known.push_back(combined(program, instr, known, shape));
  return known;
}

bool is_by_position(const OpView& op) {
  const Shape& shape = op.results[0].shape;
  const ScalarProgram program = scalar_program(op);
  std::vector<std::int64_t> strides = row_major_strides(shape);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] == 1) strides[d] = 0;
  const std::vector<Factors> linear = linear_scalars(program, shape);
  const auto is = [&](int scalar, bool whole) {
    if (scalar < 0) return false;
    const Factors& factors = linear[static_cast<std::size_t>(scalar)];
    return factors.has_value() && (!whole || *factors != strides);
  };
  bool depends = false;
  for (std::size_t i = 0; i < program.instrs.size(); ++i) {
    const ScalarInstr& instr = program.instrs[i];
    if (linear[i]) {
      depends = true;
      continue;
    }
    for (const int operand : {instr.a, instr.b, instr.c})
      if (is(operand, true)) return false;
  }
  const auto is_partial = [&](int result) { return is(result, true); };
  return depends && std::ranges::none_of(program.results, is_partial);
}

int random_scalar(const ScalarProgram& program) {
  const auto found = std::ranges::find(program.instrs, ScalarOp::random, &ScalarInstr::op);
  return found == program.instrs.end() ? -1 : static_cast<int>(found - program.instrs.begin());
}

}  // namespace nnc::ir
