// What an expression is worth while a program is elaborated: something known at compile time (a number, a text, a list,
// an initializer), or a value of the graph under construction.
//
//   width / 2        ->  256                       static: never an op
//   image / 255      ->  f32[128,28,28]            a tensor, one op more in the graph
//   step / 2         ->  a runtime scalar          f64[], takes the type of the tensor it meets
#pragma once

#include "frontend/ast.h"
#include "ir/builder.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace nnc::frontend {

struct Value;

/// The value of an expression with an error, made by `poison`: whatever uses it fails without a further message.
struct Poison {};
struct None {};

struct TensorValue {
  ir::Expr expr;
  /// A runtime scalar: f64 until it meets a tensor, then of the tensor's type.
  bool weak = false;
};

/// `uniform(bound)` where an initializer is asked for: a declaration with its arguments, run once the type is known.
struct Initializer {
  const ast::Definition* definition = nullptr;
  std::vector<std::pair<std::string, Value>> arguments;  // by parameter name
  ast::Span call;
};

/// What `return a, b` gives; only `a, b = f(x)` takes it.
struct Several {
  std::vector<Value> values;
};

struct Value {
  using Data = std::variant<Poison, None, bool, std::int64_t, double, std::string, std::vector<Value>, TensorValue,
                            std::shared_ptr<const Initializer>, Several>;
  Data data;
  ast::Span origin;  // the expression that made it

  template <class T>
  const T* as() const {
    return std::get_if<T>(&data);
  }
  bool poisoned() const { return std::holds_alternative<Poison>(data); }
  const TensorValue* tensor() const { return as<TensorValue>(); }
  /// An integer or a real known at compile time, or a bool.
  bool is_static_number() const { return as<std::int64_t>() || as<double>() || as<bool>(); }
  /// A static integer or real as f64.
  std::optional<double> number() const;
};

/// For messages: `f32[128,784]`, `the number 3`, `the text "tanh"`, `none`.
std::string describe(const Value& value);
/// What to add where a tensor is expected and this is found: of a list, how it becomes one; else nothing.
std::string_view tensor_advice(const Value& found);
/// `128, 784` in brackets.
std::string describe(const ir::Shape& shape);

/// The dtype a static number has where nothing else decides: i32, f32 or bool.
ir::DType natural_dtype(const Value& value);

}  // namespace nnc::frontend
