#include "ir/print_literal.h"

#include "ir/convert.h"
#include "ir/fused_text.h"
#include "ir/op.h"
#include "ir/text_tokens.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace nnc::ir {
namespace {

std::string with_point(std::string digits) {
  return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
}

template <class T>
std::string shortest(T value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return with_point(std::string(buffer, end));
}

}  // namespace

std::string float_text(double value) { return shortest(value); }
std::string float_text(float value) { return shortest(value); }

namespace text {
namespace {

/// Any NaN but the usual one shows its bits.
template <class T, class Bits>
std::string exact(T value, Bits bits, Bits usual_nan) {
  return std::isnan(value) && bits != usual_nan ? fmt::format("nan(0x{:x})", bits) : shortest(value);
}

std::string bf16_text(std::uint16_t bits) {
  const float value = bf16_value(bits);
  if (!std::isfinite(value)) return exact(value, bits, std::uint16_t{0x7FC0U});
  for (int digits = 1;; ++digits) {
    char buffer[64];
    char* const end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits).ptr;
    float read = 0;
    const auto error = std::from_chars(buffer, end, read).ec;
    if (error == std::errc{} && bf16_bits(read) == bits) return with_point(std::string(buffer, end));
  }
}

std::string element(const Tensor& tensor, std::int64_t position) {
  const auto i = static_cast<std::size_t>(position);
  switch (tensor.type().dtype) {
    case DType::f32: {
      const float value = tensor.as<float>()[i];
      return exact(value, std::bit_cast<std::uint32_t>(value),
                   std::bit_cast<std::uint32_t>(std::numeric_limits<float>::quiet_NaN()));
    }
    case DType::f64: {
      const double value = tensor.as<double>()[i];
      return exact(value, std::bit_cast<std::uint64_t>(value),
                   std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()));
    }
    case DType::bf16: return bf16_text(tensor.as<std::uint16_t>()[i]);
    case DType::boolean: return tensor.as<std::uint8_t>()[i] != 0 ? "true" : "false";
    case DType::i32:
    case DType::i64:
    case DType::u16:
    case DType::u8: break;
  }
  return std::to_string(tensor.integer(position));
}

void print_list(const Tensor& tensor, std::size_t dimension, std::int64_t& position, std::string& out) {
  const Shape& shape = tensor.type().shape;
  out += '[';
  for (std::int64_t i = 0; i < shape[dimension]; ++i) {
    if (i > 0) out += ", ";
    if (dimension + 1 < shape.size()) {
      print_list(tensor, dimension + 1, position, out);
    } else {
      out += element(tensor, position++);
    }
  }
  out += ']';
}

bool is_absent(const AttrDef& def, const Attr& attr, int rank) {
  if (def.absent) {
    const auto* axis = def.kind == AttrKind::axis ? std::get_if<std::int64_t>(&*def.absent) : nullptr;
    return attr == *def.absent || (axis != nullptr && *axis < 0 && rank >= 0 && attr == Attr(*axis + rank));
  }
  const auto* axes = std::get_if<std::vector<std::int64_t>>(&attr);
  if (def.kind != AttrKind::axes || axes == nullptr || rank < 0) return false;
  std::vector<std::int64_t> all(static_cast<std::size_t>(rank));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return *axes == all;
}

}  // namespace

std::string print_tensor(const Tensor& tensor, const PrintOptions& options) {
  constexpr std::int64_t elided_from = 17;
  if (tensor.elements() == 0) return "[]";
  if (tensor.is_splat()) return element(tensor, 0);
  if (options.elide_constants && tensor.elements() >= elided_from) return "...";
  std::string out;
  std::int64_t position = 0;
  print_list(tensor, 0, position, out);
  return out;
}

std::string print_attr(const Attr& attr, const PrintOptions& options) {
  if (const auto* flag = std::get_if<bool>(&attr)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&attr)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&attr)) return float_text(*real);
  if (const auto* string = std::get_if<std::string>(&attr)) return quoted(*string);
  if (const auto* dtype = std::get_if<DType>(&attr)) return std::string(name(*dtype));
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&attr)) {
    return fmt::format("[{}]", fmt::join(*integers, ", "));
  }
  if (const auto* accesses = std::get_if<std::vector<Access>>(&attr)) return print_accesses(*accesses);
  if (const auto* schedule = std::get_if<Schedule>(&attr)) return print_schedule(*schedule);
  return print_tensor(std::get<Tensor>(attr), options);
}

bool in_braces(AttrKind kind) {
  return kind != AttrKind::slot && kind != AttrKind::tensor && kind != AttrKind::result_shape &&
         kind != AttrKind::result_dtype && kind != AttrKind::result_types;
}

std::string print_arguments(const Op& op, const std::vector<std::string>& operands, const PrintOptions& options) {
  std::vector<std::string> arguments = operands;
  const auto add = [&](AttrKind kind) {
    for (std::size_t i = 0; i < op.attrs.size() && i < op.def->attrs.size(); ++i) {
      if (op.def->attrs[i].kind != kind) continue;
      const auto* path = std::get_if<std::string>(&op.attrs[i]);
      arguments.push_back(path != nullptr ? "@" + *path : print_attr(op.attrs[i], options));
    }
  };
  if (op.def != nullptr) {
    add(AttrKind::slot);
    add(AttrKind::tensor);
  }
  return fmt::format("{}{}", arguments.empty() ? "" : " ", fmt::join(arguments, ", "));
}

std::string print_attrs(const Op& op, int rank, const PrintOptions& options) {
  std::vector<std::string> shown;
  for (std::size_t i = 0; op.def != nullptr && i < op.attrs.size() && i < op.def->attrs.size(); ++i) {
    const AttrDef& def = op.def->attrs[i];
    if (!in_braces(def.kind) || is_absent(def, op.attrs[i], rank)) continue;
    const auto* extents = std::get_if<std::vector<std::int64_t>>(&op.attrs[i]);
    const bool dimensions = def.kind == AttrKind::dimensions && extents != nullptr;
    shown.push_back(
        fmt::format("{} = {}", def.name, dimensions ? print_dimensions(*extents) : print_attr(op.attrs[i], options)));
  }
  return shown.empty() ? "" : fmt::format(" {{{}}}", fmt::join(shown, ", "));
}

std::string print_location(const Location& location) {
  std::vector<std::string> chains;
  for (const CallChain& chain : location.chains()) {
    std::vector<std::string> points;
    for (const SourcePoint& point : chain) {
      points.push_back(fmt::format("{}:{}:{}", quoted(point.file), point.line, point.column));
    }
    if (!points.empty()) chains.push_back(fmt::format("{}", fmt::join(points, " > ")));
  }
  return chains.empty() ? "" : fmt::format("loc({})", fmt::join(chains, ", "));
}

std::string print_role(const Role& role) {
  const std::string slot = role.slot.empty() ? "" : " @" + role.slot;
  switch (role.kind) {
    case Role::Kind::forward: return "";
    case Role::Kind::gradient: return "grad" + slot;
    case Role::Kind::clip: return "clip" + slot;
    case Role::Kind::update: return "update" + slot;
  }
  return "";
}

}  // namespace text
}  // namespace nnc::ir
