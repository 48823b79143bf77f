// Kernels over an empty domain: numbers, a few dozen operations a step (the schedule's scalars in f64, counters, sums of
// an epoch). The host evaluates them by the records' formulas, with everything prepared before the first step.
#pragma once

#include "ir/fused.h"
#include "ir/scalar_evaluate.h"

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace nnc::runtime {

class HostKernel {
 public:
  /// Of a fused op without dimensions.
  explicit HostKernel(const ir::Op& fused);

  /// `args`: pointers to the operands, then to the results.
  void run(void* const* args);

 private:
  using Number = std::array<std::byte, sizeof(double)>;

  /// A scalar program with its inputs and results among the numbers.
  struct Step {
    std::unique_ptr<ir::ScalarProgram> program;  // the evaluator refers to it
    std::unique_ptr<ir::ScalarEvaluator> evaluator;
    std::vector<std::pair<std::byte*, std::size_t>> inputs;  // storage in the evaluator, number
    std::vector<std::size_t> results;                        // numbers
  };
  struct Transfer {
    std::size_t argument, number, bytes;
    std::int64_t offset;  // bytes into the argument
    // What is gathered lies as many bytes further as the index says, the integer `index`, times `index_stride`.
    std::size_t index = none;
    ir::DType index_dtype = ir::DType::i32;
    std::int64_t index_stride = 0;

    static constexpr std::size_t none = static_cast<std::size_t>(-1);
  };

  std::int64_t position(const Transfer& load) const;
  std::size_t add_number();
  void add_step(ir::ScalarProgram program, const std::vector<std::size_t>& inputs,
                const std::vector<std::size_t>& results);
  void add_reduction(const ir::Reduction& reduction, ir::DType dtype, std::size_t x,
                     const std::vector<std::size_t>& results);

  std::vector<Number> numbers_;  // of the values of the body, then others
  std::vector<Step> steps_;
  std::vector<Transfer> loads_, stores_;  // indices are loaded before what they gather
};

}  // namespace nnc::runtime
