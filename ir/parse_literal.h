// Types, locations, attributes and elements of tensors, from text. What returns false has reported why.
#pragma once

#include "ir/attribute.h"
#include "ir/graph.h"
#include "ir/text_tokens.h"

#include <optional>
#include <vector>

namespace nnc::ir::text {

/// Brackets nest at most this deep, dimensions and elements are at most so many: far beyond any model, and small enough
/// that no product overflows.
inline constexpr int max_depth = 64;
inline constexpr std::size_t max_rank = 32;
inline constexpr std::int64_t max_elements = std::int64_t{1} << 40;
/// Of one constant.
inline constexpr std::int64_t max_constant_bytes = std::int64_t{1} << 30;

bool parse_type(Cursor& cursor, Type& type);
bool parse_types(Cursor& cursor, std::vector<Type>& types, std::vector<Token>& places);
/// Nothing at the cursor is the empty location.
bool parse_location(Cursor& cursor, Location& location);
/// Nothing at the cursor is the forward role.
bool parse_role(Cursor& cursor, Role& role, std::vector<Token>& slot_uses);

struct AttrText {
  Token name, value;
  Attr attr;
};
bool parse_attrs(Cursor& cursor, std::vector<AttrText>& attrs);

/// A tensor before its type is known.
struct TensorText {
  Token first;
  bool list = false;
  Shape extents;  // of the nested lists, outermost first
  std::vector<Token> elements;
};
bool starts_tensor(const Cursor& cursor);
bool parse_tensor(Cursor& cursor, TensorText& text);
std::optional<Tensor> make_tensor(Cursor& cursor, const TensorText& text, const Type& type);

bool parse_real(Cursor& cursor, std::string_view what, double& value);

}  // namespace nnc::ir::text
