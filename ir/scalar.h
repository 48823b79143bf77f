// Scalar programs: what an elementwise op does to one element, and what a reduction does with one more element.
//
// A record's formula is C++ that is run once, with symbolic scalars, and leaves a straight line of scalar instructions:
//
//   [](const ScalarArgs& x) { return select(x[0] > 0.0, x[0], 0.0); }    ->    %1 = gt %0, 0; %2 = select %1, %0, 0
//
// One formula thus serves the reference interpreter, constant folding and the kernel generator. Formulas are written
// without regard to the element type: constants take the type of the scalar they meet.
#pragma once

#include "ir/type.h"

#include <cstdint>
#include <span>
#include <vector>

namespace nnc::ir {

/// The instructions. Arithmetic is that of the element type: IEEE for floats, two's complement with wrap-around for
/// integers. Comparisons and logic give bool.
enum class ScalarOp : std::uint8_t {
  input,       // element of operand `index`
  coordinate,  // position along dimension `index` of the op's domain, i64
  constant,    // `value`
  add,
  sub,
  mul,
  div,
  neg,
  abs,
  floor,
  ceil,
  round,  // round: halves to even
  sqrt,
  exp,
  log,
  sin,
  cos,
  tanh,
  erf,
  pow,
  max,  // NaN if a or b is NaN
  min,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_not,
  select,  // a ? b : c
  cast,    // to the instruction's type
  random,  // f32 in [0, 1): element c (i64) of `stream`, under key a and at step b (i64); see philox.h
};

/// exp, log, sin, cos, tanh, erf, pow: what no processor has as one instruction.
bool is_function(ScalarOp op);
/// How long it takes as vector code, in additions: roughly, of emitted code with AVX-512 on data in the cache.
int work_of(ScalarOp op);

struct ScalarInstr {
  ScalarOp op;
  DType dtype;  // of the result
  int a = -1, b = -1, c = -1;
  int index = 0;
  double value = 0;
  std::uint64_t stream = 0;

  bool operator==(const ScalarInstr&) const = default;
};

/// A straight line: instruction i makes scalar i.
struct ScalarProgram {
  std::vector<ScalarInstr> instrs;
  std::vector<int> results;

  bool operator==(const ScalarProgram&) const = default;
};

/// Whether anything is computed from an input.
bool uses_input(const ScalarProgram& program, int input);

class ScalarBuilder;

/// A scalar while a formula is run.
struct Scalar {
  ScalarBuilder* builder = nullptr;
  int id = -1;

  DType dtype() const;
};

class ScalarBuilder {
 public:
  Scalar input(int operand, DType dtype);
  Scalar coordinate(int dimension);
  Scalar constant(double value, DType dtype);
  Scalar make(ScalarOp op, DType dtype, Scalar a, Scalar b = {}, Scalar c = {});
  Scalar random(Scalar key, Scalar step, Scalar position, std::uint64_t stream);
  DType dtype(Scalar s) const { return program_.instrs[static_cast<std::size_t>(s.id)].dtype; }
  ScalarProgram finish(std::span<const Scalar> results);

 private:
  ScalarProgram program_;
};

// Arithmetic on scalars of one type; a double takes the type of the other side.
Scalar operator+(Scalar a, Scalar b);
Scalar operator-(Scalar a, Scalar b);
Scalar operator*(Scalar a, Scalar b);
Scalar operator/(Scalar a, Scalar b);
Scalar operator-(Scalar a);
Scalar operator==(Scalar a, Scalar b);
Scalar operator!=(Scalar a, Scalar b);
Scalar operator<(Scalar a, Scalar b);
Scalar operator<=(Scalar a, Scalar b);
Scalar operator>(Scalar a, Scalar b);
Scalar operator>=(Scalar a, Scalar b);
Scalar operator&&(Scalar a, Scalar b);
Scalar operator||(Scalar a, Scalar b);
Scalar operator!(Scalar a);
Scalar operator+(Scalar a, double b);
Scalar operator-(double a, Scalar b);
Scalar operator*(Scalar a, double b);
Scalar operator/(double a, Scalar b);
Scalar operator+(double a, Scalar b);
Scalar operator*(double a, Scalar b);
Scalar operator<(Scalar a, double b);
Scalar operator>(Scalar a, double b);
Scalar abs(Scalar a);
Scalar floor(Scalar a);
Scalar ceil(Scalar a);
Scalar round(Scalar a);
Scalar sqrt(Scalar a);
Scalar exp(Scalar a);
Scalar log(Scalar a);
Scalar sin(Scalar a);
Scalar cos(Scalar a);
Scalar tanh(Scalar a);
Scalar erf(Scalar a);
Scalar pow(Scalar a, Scalar b);
Scalar max(Scalar a, Scalar b);
Scalar min(Scalar a, Scalar b);
Scalar select(Scalar condition, Scalar a, Scalar b);
Scalar select(Scalar condition, Scalar a, double b);
Scalar cast(Scalar a, DType dtype);

}  // namespace nnc::ir
