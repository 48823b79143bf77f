#include "frontend/values.h"

#include "ir/text.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

std::string plain(const Value& value) {
  if (const auto* integer = value.as<std::int64_t>()) return std::to_string(*integer);
  if (const auto* real = value.as<double>()) return ir::float_text(*real);
  if (const auto* flag = value.as<bool>()) return *flag ? "true" : "false";
  return describe(value);
}

}  // namespace

std::optional<double> Value::number() const {
  if (const auto* integer = as<std::int64_t>()) return static_cast<double>(*integer);
  if (const auto* real = as<double>()) return *real;
  return std::nullopt;
}

std::string describe(const Value& value) {
  return std::visit(
      Overloaded{
          [](const Poison&) -> std::string { return "an erroneous value"; },
          [](const None&) -> std::string { return "none"; },
          [&](bool) -> std::string { return "the bool " + plain(value); },
          [&](std::int64_t) -> std::string { return "the number " + plain(value); },
          [&](double) -> std::string { return "the number " + plain(value); },
          [](const std::string& text) -> std::string { return fmt::format("the text \"{}\"", text); },
          [](const std::vector<Value>& list) -> std::string {
            std::string text;
            for (std::size_t i = 0; i < list.size() && i < 16; ++i) text += (i ? ", " : "") + plain(list[i]);
            return fmt::format("the list [{}{}]", text, list.size() > 16 ? ", ..." : "");
          },
          [](const TensorValue& tensor) -> std::string {
            return tensor.weak && tensor.expr.dtype() == ir::DType::f64 ? "a runtime scalar"
                                                                        : ir::to_string(tensor.expr.type());
          },
          [](const std::shared_ptr<const Initializer>& initializer) -> std::string {
            return fmt::format("the initializer `{}`", initializer->definition->name.text);
          },
          [](const Several& several) -> std::string { return fmt::format("{} values", several.values.size()); },
      },
      value.data);
}

std::string_view tensor_advice(const Value& found) {
  return found.as<std::vector<Value>>() ? "; `tensor` makes a tensor of a list" : "";
}

std::string describe(const ir::Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

ir::DType natural_dtype(const Value& value) {
  if (value.as<bool>()) return ir::DType::boolean;
  return value.as<std::int64_t>() ? ir::DType::i32 : ir::DType::f32;
}

}  // namespace nnc::frontend
