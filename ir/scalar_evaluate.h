// Runs scalar programs on the host, a chunk of elements at a time.
#pragma once

#include "ir/scalar.h"
#include "ir/type.h"

#include <cstddef>
#include <span>
#include <vector>

namespace nnc::ir {

class ScalarEvaluator {
 public:
  /// Elements that `run` takes at most.
  static constexpr std::int64_t chunk = 512;

  explicit ScalarEvaluator(const ScalarProgram& program);

  /// Storage of `chunk` elements of an input, to be filled before `run`; shared by all reads of that input. Null if the
  /// program does not read it.
  std::byte* input(int operand);
  /// The same for the coordinate along a dimension, i64.
  std::int64_t* coordinate(int dimension);
  void run(std::int64_t count);
  const std::byte* result(std::size_t i) const;
  DType result_dtype(std::size_t i) const;

 private:
  std::byte* registers(int id) { return storage_.data() + static_cast<std::size_t>(id) * chunk * sizeof(double); }
  const std::byte* registers(int id) const { return const_cast<ScalarEvaluator*>(this)->registers(id); }

  const ScalarProgram* program_;
  std::vector<std::byte> storage_;  // a register of `chunk` elements for each instruction
};

}  // namespace nnc::ir
