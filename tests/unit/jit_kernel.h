// Fused ops built by hand, compiled, run chunk by chunk and compared with their evaluation.
//
//   FusedOp op({4, 10});
//   const Expr x = op.read(DType::f32, {.strides = {10, 1}});
//   op.write(x * 2.0);
//   check_kernel(op, {.parallel = {0}, .chunk = 2, .vector = 1, .lanes = 16}, {});
#pragma once

#include "ir/access.h"
#include "ir/builder.h"
#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/program.h"
#include "runtime/jit/compile.h"
#include "tests/unit/random_values.h"

#include <string>
#include <utility>
#include <vector>

namespace nnc::tests {

inline ir::Access at(std::vector<std::int64_t> strides, std::int64_t offset = 0) {
  return {.offset = offset, .strides = std::move(strides)};
}

class FusedOp {
 public:
  explicit FusedOp(ir::Shape domain) : domain_(std::move(domain)), builder_(body_) {}

  ir::Builder& builder() { return builder_; }
  const ir::Shape& domain() const { return domain_; }
  /// A parameter of that frame (the whole domain if empty), and an operand of as many elements as the access reaches.
  ir::Expr read(ir::DType dtype, ir::Access access, ir::Shape frame = {});
  /// A parameter that varies along no dimension.
  ir::Expr read_number(ir::DType dtype);
  /// Yields the value, written in row-major order, or by strides over the domain.
  void write(ir::Expr value, std::vector<std::int64_t> strides = {});
  /// Yields values of one frame as the parts of a result, one behind the other along `axis`; its dimensions lie in memory
  /// in that order, the outermost first (`order`: all of the domain's).
  void write_parts(const std::vector<ir::Expr>& values, std::size_t axis, const std::vector<std::size_t>& order);

  const std::vector<ir::Type>& operands() const { return operands_; }
  const std::vector<ir::Type>& results() const { return results_; }
  const std::vector<ir::Access>& reads() const { return reads_; }
  const std::vector<ir::Access>& writes() const { return writes_; }
  /// To spoil.
  std::vector<ir::Access>& writes() { return writes_; }
  std::vector<std::int64_t>& into() { return into_; }

  /// A block of one op, over parameters of the operands' types.
  ir::Block block(const ir::Schedule& schedule) const;
  /// What is wrong with the op under that schedule, or nothing.
  std::string fault(const ir::Schedule& schedule) const;
  ir::Kernel kernel(const ir::Schedule& schedule) const;

 private:
  ir::Shape domain_;
  ir::Block body_;
  ir::Builder builder_;
  std::vector<ir::Type> operands_, results_;
  std::vector<ir::Access> reads_, writes_;
  std::vector<std::int64_t> into_;
};

struct RunOptions {
  runtime::jit::Cpu cpu = runtime::jit::host_cpu();
  /// (result, operand): the result lies over the operand, which has the same access.
  std::vector<std::pair<int, int>> in_place = {};
};

/// The results of the compiled op. Chunks run backwards; all memory that the kernel has to write begins as garbage, and
/// what lies beyond it has to stay as it is.
std::vector<ir::Tensor> run_kernel(const FusedOp& op, const ir::Schedule& schedule,
                                   const std::vector<ir::Tensor>& operands, const RunOptions& options = {});

/// Compares run_kernel with ir::evaluate on random operands in [low, high).
struct CheckOptions {
  double tolerance = 0;
  double low = -4, high = 5;
  std::uint64_t seed = 1;
  RunOptions run = {};
};
void check_kernel(const FusedOp& op, const ir::Schedule& schedule, const CheckOptions& options = {});

/// How its kernel runs; the schedule has to be legal.
ir::KernelLayout layout_of(const FusedOp& op, const ir::Schedule& schedule);

/// What the kernel of the op is compiled to; the schedule has to be legal.
std::string code_of(const FusedOp& op, const ir::Schedule& schedule, runtime::jit::CodeText form,
                    const runtime::jit::Cpu& cpu = runtime::jit::avx512_cpu());

/// Random elements, whole numbers, of each operand.
std::vector<ir::Tensor> whole_operands(const FusedOp& op, double low, double high, Random& random);

}  // namespace nnc::tests
