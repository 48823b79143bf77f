#include "ir/scalar.h"

#include "ir/check.h"

#include <algorithm>

namespace nnc::ir {

bool is_function(ScalarOp op) {
  switch (op) {
    case ScalarOp::exp:
    case ScalarOp::log:
    case ScalarOp::sin:
    case ScalarOp::cos:
    case ScalarOp::tanh:
    case ScalarOp::erf:
    case ScalarOp::pow: return true;
    default: return false;
  }
}

int work_of(ScalarOp op) {
  switch (op) {
    case ScalarOp::input:
    case ScalarOp::coordinate:
    case ScalarOp::constant: return 0;
    case ScalarOp::add:
    case ScalarOp::sub:
    case ScalarOp::mul:
    case ScalarOp::neg:
    case ScalarOp::abs:
    case ScalarOp::max:
    case ScalarOp::min:
    case ScalarOp::floor:
    case ScalarOp::ceil:
    case ScalarOp::round:
    case ScalarOp::eq:
    case ScalarOp::ne:
    case ScalarOp::lt:
    case ScalarOp::le:
    case ScalarOp::gt:
    case ScalarOp::ge:
    case ScalarOp::logical_and:
    case ScalarOp::logical_or:
    case ScalarOp::logical_not:
    case ScalarOp::select:
    case ScalarOp::cast: return 1;
    case ScalarOp::div:
    case ScalarOp::sqrt: return 10;
    case ScalarOp::exp: return 8;
    case ScalarOp::log: return 9;
    case ScalarOp::erf: return 12;
    case ScalarOp::tanh: return 14;
    case ScalarOp::random: return 40;
    case ScalarOp::sin:
    case ScalarOp::cos: return 50;
    case ScalarOp::pow: return 80;
  }
  internal_error(__FILE__, __LINE__, "not a scalar op");
}

bool uses_input(const ScalarProgram& program, int input) {
  for (std::size_t id = 0; id < program.instrs.size(); ++id) {
    if (program.instrs[id].op != ScalarOp::input || program.instrs[id].index != input) continue;
    const int scalar = static_cast<int>(id);
    if (std::ranges::find(program.results, scalar) != program.results.end()) return true;
    for (const ScalarInstr& instr : program.instrs)
      if (instr.a == scalar || instr.b == scalar || instr.c == scalar) return true;
  }
  return false;
}

DType Scalar::dtype() const { return builder->dtype(*this); }

Scalar ScalarBuilder::input(int operand, DType dtype) {
  program_.instrs.push_back({.op = ScalarOp::input, .dtype = dtype, .index = operand});
  return {this, static_cast<int>(program_.instrs.size()) - 1};
}

Scalar ScalarBuilder::coordinate(int dimension) {
  program_.instrs.push_back({.op = ScalarOp::coordinate, .dtype = DType::i64, .index = dimension});
  return {this, static_cast<int>(program_.instrs.size()) - 1};
}

Scalar ScalarBuilder::constant(double value, DType dtype) {
  program_.instrs.push_back({.op = ScalarOp::constant, .dtype = dtype, .value = value});
  return {this, static_cast<int>(program_.instrs.size()) - 1};
}

Scalar ScalarBuilder::make(ScalarOp op, DType dtype, Scalar a, Scalar b, Scalar c) {
  program_.instrs.push_back({.op = op, .dtype = dtype, .a = a.id, .b = b.id, .c = c.id});
  return {this, static_cast<int>(program_.instrs.size()) - 1};
}

Scalar ScalarBuilder::random(Scalar key, Scalar step, Scalar position, std::uint64_t stream) {
  program_.instrs.push_back(
      {.op = ScalarOp::random, .dtype = DType::f32, .a = key.id, .b = step.id, .c = position.id, .stream = stream});
  return {this, static_cast<int>(program_.instrs.size()) - 1};
}

ScalarProgram ScalarBuilder::finish(std::span<const Scalar> results) {
  for (const Scalar& result : results) program_.results.push_back(result.id);
  return std::move(program_);
}

namespace {

Scalar same_type(ScalarOp op, Scalar a, Scalar b) {
  NNC_CHECK(a.dtype() == b.dtype(), "a formula mixes {} and {}", name(a.dtype()), name(b.dtype()));
  return a.builder->make(op, a.dtype(), a, b);
}
Scalar comparison(ScalarOp op, Scalar a, Scalar b) {
  NNC_CHECK(a.dtype() == b.dtype(), "a formula compares {} and {}", name(a.dtype()), name(b.dtype()));
  return a.builder->make(op, DType::boolean, a, b);
}
Scalar unary(ScalarOp op, Scalar a) { return a.builder->make(op, a.dtype(), a); }
Scalar like(Scalar a, double value) { return a.builder->constant(value, a.dtype()); }

}  // namespace

Scalar operator+(Scalar a, Scalar b) { return same_type(ScalarOp::add, a, b); }
Scalar operator-(Scalar a, Scalar b) { return same_type(ScalarOp::sub, a, b); }
Scalar operator*(Scalar a, Scalar b) { return same_type(ScalarOp::mul, a, b); }
Scalar operator/(Scalar a, Scalar b) { return same_type(ScalarOp::div, a, b); }
Scalar operator-(Scalar a) { return unary(ScalarOp::neg, a); }
Scalar operator==(Scalar a, Scalar b) { return comparison(ScalarOp::eq, a, b); }
Scalar operator!=(Scalar a, Scalar b) { return comparison(ScalarOp::ne, a, b); }
Scalar operator<(Scalar a, Scalar b) { return comparison(ScalarOp::lt, a, b); }
Scalar operator<=(Scalar a, Scalar b) { return comparison(ScalarOp::le, a, b); }
Scalar operator>(Scalar a, Scalar b) { return comparison(ScalarOp::gt, a, b); }
Scalar operator>=(Scalar a, Scalar b) { return comparison(ScalarOp::ge, a, b); }
Scalar operator&&(Scalar a, Scalar b) { return a.builder->make(ScalarOp::logical_and, DType::boolean, a, b); }
Scalar operator||(Scalar a, Scalar b) { return a.builder->make(ScalarOp::logical_or, DType::boolean, a, b); }
Scalar operator!(Scalar a) { return a.builder->make(ScalarOp::logical_not, DType::boolean, a); }
Scalar operator+(Scalar a, double b) { return a + like(a, b); }
Scalar operator-(double a, Scalar b) { return like(b, a) - b; }
Scalar operator*(Scalar a, double b) { return a * like(a, b); }
Scalar operator/(double a, Scalar b) { return like(b, a) / b; }
Scalar operator+(double a, Scalar b) { return like(b, a) + b; }
Scalar operator*(double a, Scalar b) { return like(b, a) * b; }
Scalar operator<(Scalar a, double b) { return a < like(a, b); }
Scalar operator>(Scalar a, double b) { return a > like(a, b); }
Scalar abs(Scalar a) { return unary(ScalarOp::abs, a); }
Scalar floor(Scalar a) { return unary(ScalarOp::floor, a); }
Scalar ceil(Scalar a) { return unary(ScalarOp::ceil, a); }
Scalar round(Scalar a) { return unary(ScalarOp::round, a); }
Scalar sqrt(Scalar a) { return unary(ScalarOp::sqrt, a); }
Scalar exp(Scalar a) { return unary(ScalarOp::exp, a); }
Scalar log(Scalar a) { return unary(ScalarOp::log, a); }
Scalar sin(Scalar a) { return unary(ScalarOp::sin, a); }
Scalar cos(Scalar a) { return unary(ScalarOp::cos, a); }
Scalar tanh(Scalar a) { return unary(ScalarOp::tanh, a); }
Scalar erf(Scalar a) { return unary(ScalarOp::erf, a); }
Scalar pow(Scalar a, Scalar b) { return same_type(ScalarOp::pow, a, b); }
Scalar max(Scalar a, Scalar b) { return same_type(ScalarOp::max, a, b); }
Scalar min(Scalar a, Scalar b) { return same_type(ScalarOp::min, a, b); }
Scalar select(Scalar condition, Scalar a, Scalar b) {
  NNC_CHECK(a.dtype() == b.dtype(), "a formula selects between {} and {}", name(a.dtype()), name(b.dtype()));
  return a.builder->make(ScalarOp::select, a.dtype(), condition, a, b);
}
Scalar select(Scalar condition, Scalar a, double b) { return select(condition, a, like(a, b)); }
Scalar cast(Scalar a, DType dtype) { return a.dtype() == dtype ? a : a.builder->make(ScalarOp::cast, dtype, a); }

}  // namespace nnc::ir
