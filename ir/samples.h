// What the tests of an op need: samples of its use and an independent value for each result element.
#pragma once

#include "ir/op.h"

#include <span>
#include <string_view>
#include <vector>

namespace nnc::ir {

struct SampleOperand {
  Type type;
  double low = -2, high = 2;  // elements are drawn from [low, high)
};
SampleOperand f32(Shape shape);
SampleOperand i32(Shape shape);
SampleOperand i64(Shape shape);
SampleOperand u8(Shape shape);
SampleOperand u16(Shape shape);
SampleOperand boolean(Shape shape);

struct Sample {
  std::vector<SampleOperand> operands;
  std::vector<NamedAttr> attrs;
  std::vector<Block> regions = {};
  /// Elements keep a distance from these values, and two operands from each other if `apart`: where a derivative jumps.
  std::vector<double> kinks = {};
  bool apart = false;

  Sample& range(double low, double high);  // of all operands
  Sample& range(std::size_t operand, double low, double high);
  Sample& avoid(double kink);
  Sample& keep_apart();
};

class Samples {
 public:
  Sample& add(std::vector<SampleOperand> operands, std::vector<NamedAttr> attrs = {});
  const std::vector<Sample>& all() const { return samples_; }

 private:
  std::vector<Sample> samples_;
};

/// The operands of an op, and the place of the result element that is asked for.
class Oracle {
 public:
  Oracle(const OpView& op, std::span<const Tensor* const> operands, std::vector<std::int64_t> at,
         std::size_t result = 0);

  const OpView& op() const { return *op_; }
  /// Coordinates of the element asked for, and which result it is in.
  const std::vector<std::int64_t>& at() const { return at_; }
  std::size_t result() const { return result_; }
  /// Operand i's element that broadcasts to the place asked for.
  double operator[](std::size_t i) const;
  /// Operand i's element at given coordinates.
  double operand(std::size_t i, const std::vector<std::int64_t>& at) const;
  /// Operand 0's elements that a reduction over `axes` combines into the place asked for, in row-major order.
  std::vector<double> reduced() const;

 private:
  const OpView* op_;
  std::span<const Tensor* const> operands_;
  std::vector<std::int64_t> at_;
  std::size_t result_;
};

}  // namespace nnc::ir
