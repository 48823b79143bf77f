// Arithmetic at compile time: integers are exact or an error, reals are f64, lists concatenate.
//
//   512 / 2 -> 256        1 / 2 -> error, offers 0.5        [2, 3] + [4] -> [2, 3, 4]        2 ^ 63 -> error
#pragma once

#include "frontend/ast.h"
#include "frontend/values.h"

#include <string>
#include <variant>

namespace nnc::frontend {

/// The value, or what is wrong as a sentence without a final stop.
using StaticResult = std::variant<Value::Data, std::string>;

/// Both operands are known at compile time (no tensor, no poison).
StaticResult static_binary(ast::BinaryOp op, const Value& left, const Value& right);
StaticResult static_unary(ast::UnaryOp op, const Value& operand);

/// Lists are small: a longer one is an error, not a hang.
inline constexpr std::size_t max_list = 10'000;
/// Elements of a list, those of its lists included; 1 for anything else.
std::size_t deep_size(const Value& value);

/// Whether two values known at compile time are the same; a real and an integer compare as numbers.
bool static_equal(const Value& a, const Value& b);

}  // namespace nnc::frontend
