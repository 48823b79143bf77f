#include "tests/unit/random_values.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace nnc::tests {

using ir::DType;
using ir::Sample;
using ir::SampleOperand;
using ir::Tensor;
using ir::Type;

namespace {

/// How far elements stay from kinks and from each other; finite differences move them by much less.
constexpr double distance = 1e-3;

bool too_near(double value, const std::vector<double>& avoided) {
  return std::any_of(avoided.begin(), avoided.end(), [&](double kink) { return std::abs(value - kink) < distance; });
}

double draw(const Type& type, double low, double high, Random& random) {
  if (type.dtype == DType::boolean) return static_cast<double>(random() & 1);
  const double value = std::uniform_real_distribution<double>(low, high)(random);
  return is_float(type.dtype) ? value : std::floor(value);
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

}  // namespace

int fewer_with_sanitizers(int usual) { return sanitized ? usual / 2 : usual; }

int seed_count(int usual) {
  const char* const asked = std::getenv("NNC_SEEDS");
  return asked == nullptr ? fewer_with_sanitizers(usual) : std::atoi(asked);
}

Tensor random_tensor(const Type& type, double low, double high, Random& random) {
  Tensor tensor(type);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) tensor.set_real(i, draw(type, low, high, random));
  return tensor;
}

std::vector<Tensor> random_operands(const Sample& sample, Random& random) {
  std::vector<Tensor> tensors;
  std::vector<double> others;  // elements that new ones stay away from, if `apart`
  for (const SampleOperand& operand : sample.operands) {
    Tensor tensor(operand.type);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      double value = draw(operand.type, operand.low, operand.high, random);
      if (is_float(operand.type.dtype)) {
        while (too_near(value, sample.kinks) || (sample.apart && too_near(value, others))) {
          value = draw(operand.type, operand.low, operand.high, random);
        }
      }
      tensor.set_real(i, value);
      others.push_back(value);
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

namespace {

Type in_f64(Type type) {
  if (type.dtype == DType::f32) type.dtype = DType::f64;
  return type;
}

ir::Attr in_f64(const ir::Attr& attr) {
  if (const DType* dtype = std::get_if<DType>(&attr)) return *dtype == DType::f32 ? DType::f64 : *dtype;
  if (const Tensor* tensor = std::get_if<Tensor>(&attr)) return tensor->converted(in_f64(tensor->type()).dtype);
  if (const auto* types = std::get_if<std::vector<Type>>(&attr)) {
    std::vector<Type> wide;
    for (const Type& type : *types) wide.push_back(in_f64(type));
    return wide;
  }
  return attr;
}

}  // namespace

ir::Block in_f64(const ir::Block& block) {
  ir::Block result;
  std::vector<ir::ValueId> map(static_cast<std::size_t>(block.value_count()));
  const auto at = [&](ir::ValueId value) -> ir::ValueId& { return map[static_cast<std::size_t>(value.index)]; };
  for (const ir::ValueId param : block.params()) at(param) = result.add_param(in_f64(block.type(param)));
  for (const ir::Op& op : block.ops()) {
    ir::Op copy = op;
    for (ir::ValueId& operand : copy.operands) operand = at(operand);
    for (ir::Attr& attr : copy.attrs) attr = in_f64(attr);
    for (ir::Block& region : copy.regions) region = in_f64(region);
    std::vector<Type> types;
    for (const ir::ValueId value : op.results) types.push_back(in_f64(block.type(value)));
    const std::vector<ir::ValueId> made = result.append(std::move(copy), types);
    for (std::size_t i = 0; i < made.size(); ++i) at(op.results[i]) = made[i];
  }
  for (const ir::ValueId value : block.results) result.results.push_back(at(value));
  return result;
}

Sample in_f64(Sample sample) {
  for (SampleOperand& operand : sample.operands) operand.type = in_f64(operand.type);
  for (ir::NamedAttr& attr : sample.attrs) attr.value = in_f64(attr.value);
  for (ir::Block& region : sample.regions) region = in_f64(region);
  return sample;
}

std::vector<const Tensor*> pointers(const std::vector<Tensor>& tensors) {
  std::vector<const Tensor*> result;
  for (const Tensor& tensor : tensors) result.push_back(&tensor);
  return result;
}

bool agree(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a), std::abs(b)});
}

bool agree(const Tensor& a, const Tensor& b, double tolerance) {
  if (!(a.type() == b.type())) return false;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    if (!agree(a.real(i), b.real(i), tolerance)) return false;
  }
  return true;
}

}  // namespace nnc::tests
