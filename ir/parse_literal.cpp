#include "ir/parse_literal.h"

#include "ir/convert.h"
#include "ir/fused_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace nnc::ir::text {
namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

/// layout = "<" integer { "," integer } ">"
bool parse_layout(Cursor& cursor, Type& type) {
  const Token start = cursor.token();
  if (!cursor.accept("<")) return true;
  std::vector<int> order;
  do {
    std::int64_t dimension = 0;
    if (!cursor.expect_integer("a dimension", 0, static_cast<std::int64_t>(max_rank), dimension)) return false;
    order.push_back(static_cast<int>(dimension));
  } while (cursor.accept(","));
  if (!cursor.expect(">")) return false;
  std::vector<int> identity(type.shape.size());
  std::iota(identity.begin(), identity.end(), 0);
  if (!std::is_permutation(order.begin(), order.end(), identity.begin(), identity.end())) {
    return cursor.fail(start, fmt::format("the layout of {} must name each of its {} dimensions once", to_string(type),
                                          type.shape.size()));
  }
  if (order != identity) type.layout = std::move(order);
  return true;
}

/// A float that has to be read as its own type: rounding twice could give a neighbour.
template <class T>
std::optional<T> read_float(std::string_view text) {
  if (text == "inf") return std::numeric_limits<T>::infinity();
  if (text == "-inf") return -std::numeric_limits<T>::infinity();
  if (text == "nan") return std::numeric_limits<T>::quiet_NaN();
  const char* end = text.data() + text.size();
  if (text.starts_with("nan(0x")) {
    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> bits = 0;
    const auto [stop, error] = std::from_chars(text.data() + 6, end, bits, 16);
    const T value = std::bit_cast<T>(bits);
    if (error != std::errc{} || stop + 1 != end || !std::isnan(value)) return std::nullopt;
    return value;
  }
  const std::size_t sign = text.starts_with("-") ? 1 : 0;
  if (text.size() <= sign || text[sign] < '0' || text[sign] > '9') return std::nullopt;
  T value = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || std::isinf(value)) return std::nullopt;
  return value;
}

/// A bf16's bits; rounding to f32 in between is harmless to what was printed, whose digits are few.
std::optional<std::uint16_t> read_bf16(std::string_view text) {
  if (text.starts_with("nan(0x")) {
    std::uint32_t bits = 0;
    const auto [stop, error] = std::from_chars(text.data() + 6, text.data() + text.size(), bits, 16);
    if (error != std::errc{} || bits > 0xFFFFU || !std::isnan(std::bit_cast<float>(bits << 16U))) return std::nullopt;
    return static_cast<std::uint16_t>(bits);
  }
  const std::optional<float> value = read_float<float>(text);
  if (!value) return std::nullopt;
  const std::uint16_t nearest = bf16_bits(*value);
  const bool overflows = std::isfinite(*value) && std::isinf(bf16_value(nearest));
  return overflows ? std::nullopt : std::optional(nearest);
}

std::optional<std::int64_t> read_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class T>
bool store(Tensor& tensor, std::size_t i, std::optional<T> value) {
  if (value) tensor.as<T>()[i] = *value;
  return value.has_value();
}

bool set_element(Tensor& tensor, std::size_t i, const Token& token) {
  const DType dtype = tensor.type().dtype;
  switch (dtype) {
    case DType::f32: return store(tensor, i, read_float<float>(token.text));
    case DType::f64: return store(tensor, i, read_float<double>(token.text));
    case DType::bf16: return store(tensor, i, read_bf16(token.text));
    case DType::boolean: {
      if (token.text != "true" && token.text != "false") return false;
      tensor.set_integer(static_cast<std::int64_t>(i), token.text == "true" ? 1 : 0);
      return true;
    }
    default: break;
  }
  const std::optional<std::int64_t> value = read_integer(token.text);
  if (!value || *value < lowest(dtype) || *value > highest(dtype)) return false;
  tensor.set_integer(static_cast<std::int64_t>(i), *value);
  return true;
}

bool starts_element(const Cursor& cursor) {
  if (cursor.at(TokenKind::number)) return true;
  constexpr std::string_view words[] = {"true", "false", "inf", "nan"};
  return cursor.at(TokenKind::word) && std::ranges::find(words, cursor.token().text) != std::end(words);
}

/// list = "[" [ item { "," item } ] "]"   item = list | element
bool parse_list(Cursor& cursor, std::size_t depth, TensorText& text) {
  const Token start = cursor.token();
  if (!cursor.expect("[")) return false;
  if (depth >= static_cast<std::size_t>(max_depth)) return cursor.fail(start, "these brackets nest too deep");
  std::int64_t count = 0;
  const bool first = text.extents.size() <= depth;
  if (first) text.extents.push_back(-1);
  if (!cursor.at("]")) {
    do {
      const bool leaf = starts_element(cursor);
      // All items of a depth are lists or all are elements: extents end where the elements are.
      if (!leaf && !cursor.at("[")) return cursor.fail_expected("a number");
      if (leaf ? text.extents.size() > depth + 1 : text.extents.size() == depth + 1 && !text.elements.empty()) {
        return cursor.fail(cursor.token(), "lists and numbers are mixed here");
      }
      if (leaf) {
        text.elements.push_back(cursor.token());
        cursor.advance();
      } else if (!parse_list(cursor, depth + 1, text)) {
        return false;
      }
      ++count;
    } while (cursor.accept(","));
  }
  if (!cursor.expect("]")) return false;
  std::int64_t& extent = text.extents[depth];
  if (extent >= 0 && extent != count) {
    return cursor.fail(start, fmt::format("this list has {} items, the ones before it {}", count, extent));
  }
  extent = count;
  return true;
}

/// value = "true" | "false" | word | number | string | "[" [ integer { "," integer } ] "]"
bool parse_attr_value(Cursor& cursor, Attr& attr) {
  if (cursor.at_word("true") || cursor.at_word("false")) {
    attr = cursor.at_word("true");
    cursor.advance();
  } else if (cursor.at(TokenKind::word) && dtype_named(cursor.token().text)) {
    attr = *dtype_named(cursor.token().text);
    cursor.advance();
  } else if (cursor.at(TokenKind::string)) {
    attr = unquoted(cursor.token().text);
    cursor.advance();
  } else if (cursor.at_word("dims") || cursor.at_word("plan") || (cursor.at("[") && next_is_access(cursor))) {
    return parse_fused_attr(cursor, attr);
  } else if (cursor.accept("[")) {
    std::vector<std::int64_t> integers;
    while (!cursor.at("]")) {
      if (!integers.empty() && !cursor.expect(",")) return false;
      std::int64_t value = 0;
      if (!cursor.expect_integer("an integer", -most, most, value)) return false;
      integers.push_back(value);
    }
    attr = std::move(integers);
    cursor.advance();
  } else if (cursor.at(TokenKind::number) &&
             cursor.token().text.find_first_not_of("-0123456789") == std::string::npos) {
    std::int64_t value = 0;
    if (!cursor.expect_integer("an integer", -most, most, value)) return false;
    attr = value;
  } else {
    double value = 0;
    if (!parse_real(cursor, "a value: a number, true, false, an element type, a string or a list of integers", value))
      return false;
    attr = value;
  }
  return true;
}

}  // namespace

/// type = word "[" [ integer { "," integer } ] "]" [ layout ]
bool parse_type(Cursor& cursor, Type& type) {
  const Token start = cursor.token();
  if (!cursor.at(TokenKind::word)) return cursor.fail_expected("a type");
  const std::optional<DType> dtype = dtype_named(start.text);
  if (!dtype) {
    std::vector<std::string> names;
    for (const DType known : all_dtypes()) names.emplace_back(name(known));
    return cursor.fail(start,
                       fmt::format("unknown element type '{}'{}", start.text, cursor.suggestion(start.text, names)));
  }
  cursor.advance();
  type = {*dtype, {}, {}};
  if (!cursor.expect("[")) return false;
  std::int64_t elements = 1;
  while (!cursor.at("]")) {
    if (!type.shape.empty() && !cursor.expect(",")) return false;
    const Token place = cursor.token();
    std::int64_t extent = 0;
    if (!cursor.expect_integer("a dimension", 1, max_elements, extent)) return false;
    type.shape.push_back(extent);
    if (extent > max_elements / elements) {
      return cursor.fail(place, fmt::format("a tensor has at most {} elements", max_elements));
    }
    elements *= extent;
    if (type.shape.size() > max_rank) {
      return cursor.fail(place, fmt::format("a tensor has at most {} dimensions", max_rank));
    }
  }
  cursor.advance();
  return parse_layout(cursor, type);
}

/// types = type { "," type }
bool parse_types(Cursor& cursor, std::vector<Type>& types, std::vector<Token>& places) {
  do {
    places.push_back(cursor.token());
    if (!parse_type(cursor, types.emplace_back())) return false;
  } while (cursor.accept(","));
  return true;
}

/// location = [ "loc" "(" chain { "," chain } ")" ]
/// chain = point { ">" point }   point = string ":" integer ":" integer
bool parse_location(Cursor& cursor, Location& location) {
  if (!cursor.accept_word("loc")) return true;
  if (!cursor.expect("(")) return false;
  constexpr std::int64_t last = std::numeric_limits<int>::max();
  std::vector<CallChain> chains;
  do {
    CallChain& chain = chains.emplace_back();
    do {
      std::string_view file;
      std::int64_t line = 0;
      std::int64_t column = 0;
      if (!cursor.expect(TokenKind::string, "a file name in quotes", file) || !cursor.expect(":")) return false;
      if (!cursor.expect_integer("a line", 0, last, line) || !cursor.expect(":")) return false;
      if (!cursor.expect_integer("a column", 0, last, column)) return false;
      chain.push_back({unquoted(file), static_cast<int>(line), static_cast<int>(column)});
    } while (cursor.accept(">"));
  } while (cursor.accept(","));
  location = Location(std::move(chains));
  return cursor.expect(")");
}

/// role = [ ( "grad" | "clip" | "update" ) [ path ] ]
bool parse_role(Cursor& cursor, Role& role, std::vector<Token>& slot_uses) {
  if (cursor.accept_word("grad")) {
    role.kind = Role::Kind::gradient;
  } else if (cursor.accept_word("clip")) {
    role.kind = Role::Kind::clip;
  } else if (cursor.accept_word("update")) {
    role.kind = Role::Kind::update;
  } else {
    return true;
  }
  if (!cursor.at(TokenKind::path)) return true;
  slot_uses.push_back(cursor.token());
  role.slot = cursor.token().text;
  cursor.advance();
  return true;
}

/// attrs = [ "{" word "=" value { "," word "=" value } "}" ]
bool parse_attrs(Cursor& cursor, std::vector<AttrText>& attrs) {
  if (!cursor.accept("{")) return true;
  do {
    AttrText& attr = attrs.emplace_back();
    attr.name = cursor.token();
    std::string_view name;
    if (!cursor.expect(TokenKind::word, "an attribute", name) || !cursor.expect("=")) return false;
    attr.value = cursor.token();
    if (!parse_attr_value(cursor, attr.attr)) return false;
  } while (cursor.accept(","));
  return cursor.expect("}");
}

bool starts_tensor(const Cursor& cursor) { return starts_element(cursor) || cursor.at("[") || cursor.at("..."); }

/// tensor = element | list   element = number | "inf" | "nan" | "true" | "false"
bool parse_tensor(Cursor& cursor, TensorText& text) {
  text.first = cursor.token();
  text.list = cursor.at("[");
  if (text.list) return parse_list(cursor, 0, text);
  if (cursor.at("...")) return cursor.fail(cursor.token(), "the elements of this constant were left out in printing");
  text.elements.push_back(cursor.token());
  cursor.advance();
  return true;
}

std::optional<Tensor> make_tensor(Cursor& cursor, const TensorText& text, const Type& type) {
  const auto fail = [&](const Token& at, std::string message) {
    cursor.fail(at, std::move(message));
    return std::nullopt;
  };
  if (type.bytes() > max_constant_bytes) {
    return fail(text.first, fmt::format("a constant has at most {} bytes", max_constant_bytes));
  }
  if (text.list) {
    const auto count = static_cast<std::int64_t>(text.elements.size());
    if (count != type.elements() || (text.extents.size() > 1 && text.extents != type.shape)) {
      const std::string what = text.extents.size() > 1 ? to_string(text.extents) : fmt::format("{}", count);
      return fail(text.first,
                  fmt::format("expected the {} elements of {}, found {}", type.elements(), to_string(type), what));
    }
  }
  Tensor tensor(type);
  for (std::size_t i = 0; i < text.elements.size(); ++i) {
    if (!set_element(tensor, i, text.elements[i])) {
      return fail(text.elements[i],
                  fmt::format("expected an element of type {}, found '{}'", name(type.dtype), text.elements[i].text));
    }
  }
  if (!text.list) {
    const auto size = static_cast<std::size_t>(size_of(type.dtype));
    const auto bytes = tensor.bytes();
    for (std::size_t at = size; at < bytes.size(); at += size) std::memcpy(&bytes[at], bytes.data(), size);
  }
  return tensor;
}

bool parse_real(Cursor& cursor, std::string_view what, double& value) {
  if (!starts_element(cursor)) return cursor.fail_expected(what);
  const std::optional<double> read = read_float<double>(cursor.token().text);
  if (!read) return cursor.fail_expected(what);
  value = *read;
  cursor.advance();
  return true;
}

}  // namespace nnc::ir::text
