// Typed attributes of ops.
//
// A record declares its attributes (name, kind, default); an op holds their values in the record's order. The kind says
// how a value is written, checked and, where it names a dimension, normalized.
#pragma once

#include "ir/access.h"
#include "ir/schedule.h"
#include "ir/tensor.h"
#include "ir/type.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nnc::ir {

enum class AttrKind : std::uint8_t {
  boolean,
  integer,
  real,
  text,
  integers,
  dtype,   // an element type
  axis,    // one dimension of operand 0; may be given negative, is held non-negative
  axes,    // dimensions of operand 0, held sorted; absent means all of them
  slot,    // a state slot's path, printed as @path
  tensor,  // a constant's elements
  // Read off the printed result type instead of being printed:
  result_shape,
  result_dtype,
  result_types,  // of all results
  // Of fused ops (fused.h):
  dimensions,  // the extents of a domain
  accesses,
  schedule,
};

using Attr = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, DType, Tensor,
                          std::vector<Type>, std::vector<Access>, Schedule>;

struct AttrDef {
  std::string_view name;
  AttrKind kind;
  /// The value where none is given; without it the attribute is required. `axes` needs none: absent means all.
  std::optional<Attr> absent = {};
};

/// Name and value, as a caller gives them; `complete_attrs` orders, checks and completes them.
struct NamedAttr {
  std::string name;
  Attr value;
};

}  // namespace nnc::ir
