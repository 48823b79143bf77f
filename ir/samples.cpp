#include "ir/samples.h"

namespace nnc::ir {

SampleOperand f32(Shape shape) { return {Type{DType::f32, std::move(shape), {}}}; }
SampleOperand i32(Shape shape) { return {Type{DType::i32, std::move(shape), {}}}; }
SampleOperand i64(Shape shape) { return {Type{DType::i64, std::move(shape), {}}}; }
SampleOperand u8(Shape shape) { return {Type{DType::u8, std::move(shape), {}}, 0, 256}; }
SampleOperand u16(Shape shape) { return {Type{DType::u16, std::move(shape), {}}, 0, 65536}; }
SampleOperand boolean(Shape shape) { return {Type{DType::boolean, std::move(shape), {}}, 0, 2}; }

Sample& Sample::range(double low, double high) {
  for (std::size_t i = 0; i < operands.size(); ++i) range(i, low, high);
  return *this;
}
Sample& Sample::range(std::size_t operand, double low, double high) {
  operands[operand].low = low;
  operands[operand].high = high;
  return *this;
}
Sample& Sample::avoid(double kink) {
  kinks.push_back(kink);
  return *this;
}
Sample& Sample::keep_apart() {
  apart = true;
  return *this;
}

Sample& Samples::add(std::vector<SampleOperand> operands, std::vector<NamedAttr> attrs) {
  return samples_.emplace_back(Sample{std::move(operands), std::move(attrs)});
}

Oracle::Oracle(const OpView& op, std::span<const Tensor* const> operands, std::vector<std::int64_t> at,
               std::size_t result)
    : op_(&op), operands_(operands), at_(std::move(at)), result_(result) {}

double Oracle::operator[](std::size_t i) const {
  const Shape& shape = op_->operands[i].shape;
  std::vector<std::int64_t> at(shape.size());
  for (std::size_t d = 0; d < shape.size(); ++d) at[d] = shape[d] == 1 ? 0 : at_[at_.size() - shape.size() + d];
  return operand(i, at);
}

double Oracle::operand(std::size_t i, const std::vector<std::int64_t>& at) const {
  std::int64_t position = 0;
  for (std::size_t d = 0; d < at.size(); ++d) position = position * op_->operands[i].shape[d] + at[d];
  return operands_[i]->real(position);
}

std::vector<double> Oracle::reduced() const {
  const Shape& shape = op_->operands[0].shape;
  const std::vector<std::int64_t>& axes = op_->integers("axis");
  const bool keepdim = op_->flag("keepdim");
  // Fixed coordinates come from the result, the others run.
  std::vector<std::int64_t> at(shape.size());
  std::vector<bool> running(shape.size());
  for (std::int64_t axis : axes) running[static_cast<std::size_t>(axis)] = true;
  for (std::size_t d = 0, from = 0; d < shape.size(); ++d)
    if (!running[d])
      at[d] = at_[from++];
    else if (keepdim)
      ++from;
  std::vector<double> elements;
  while (true) {
    elements.push_back(operand(0, at));
    std::size_t d = shape.size();
    while (d-- > 0) {
      if (!running[d]) continue;
      if (++at[d] < shape[d]) break;
      at[d] = 0;
    }
    if (d == static_cast<std::size_t>(-1)) return elements;
  }
}

}  // namespace nnc::ir
