// The syntax tree of a `.nn` file, as the parser makes it and the elaborator reads it.
//
//   x = relu(linear(x, width) as fc1)
//   ->  Assign{targets: x, value: Call{relu, [Call{linear, [x, width], as fc1}]}}
//
// Every node knows its place. What the grammar allows but a block does not mean (a doubled declaration, `yield` without
// a target, a dimension that nobody binds) is left to the elaborator; the parser holds what language.md calls form:
// reserved words by kind of block, upper and lower case, where `return` and `yield` may stand.
#pragma once

#include "ir/location.h"
#include "ir/type.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nnc::frontend::ast {

/// What a training block sets with `NAME = NUMBER`; no names of values.
inline constexpr std::array<std::string_view, 5> setting_words = {"batch", "epochs", "steps", "clip_norm",
                                                                  "clip_value"};

/// A place and the characters to underline there. What spans several lines is underlined on its first.
struct Span {
  ir::SourcePoint at;
  int width = 1;
};

/// A name where it is declared or chosen: a target, a parameter, a callee, an argument's name.
struct Name {
  std::string text;
  Span span;
};

/// `_` takes a value that is not wanted.
inline bool is_discarded(const Name& target) { return target.text == "_"; }

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

// --- expressions
// ---------------------------------------------------------------------------------------------------------

struct IntegerLiteral {
  std::int64_t value = 0;
};
struct RealLiteral {  // written with a point or an exponent
  double value = 0;
};
struct StringLiteral {
  std::string value;
};
struct BoolLiteral {
  bool value = false;
};
struct NoneLiteral {};
struct InfLiteral {};

/// A name as a value; its span is the expression's.
struct NameUse {
  std::string name;
};

/// `...`: an element of a list literal, a dimension of a type or a subscript, nowhere else.
struct Ellipsis {};

/// `[a, b, ...]`
struct ListLiteral {
  std::vector<ExprPtr> elements;
};

/// `x` or `axis = x`
struct Argument {
  std::optional<Name> name;
  ExprPtr value;
  Span span;  // with the name
};

/// `as fc1`, `as h[i]`, `as stage[s][i]`, `as share e`
struct Alias {
  Name name;
  bool share = false;
  std::vector<ExprPtr> indices;
  Span span;  // from `as` to the last index
};

/// `linear(x, 512) as fc1`; the expression's span is all of it. Casts (`f32(x)`) are calls too. Positional arguments
/// come before named ones, no name stands twice.
struct Call {
  Name callee;
  std::vector<Argument> arguments;
  std::optional<Alias> alias;
};

/// `start:stop:step`, each null if left out.
struct Slice {
  ExprPtr start;
  ExprPtr stop;
  ExprPtr step;
};
/// `none`: a new dimension of one.
struct NewDimension {};

struct Subscript {
  std::variant<ExprPtr, Slice, NewDimension, Ellipsis> value;
  Span span;
};

/// `x[:, t]`; also `h[0]` as in `h[0].weight`, which only the elaborator can tell apart.
struct Index {
  ExprPtr object;
  std::vector<Subscript> subscripts;  // never empty
  Span brackets;                      // from `[` to `]`
};

/// `wte.weight`, `x.mT`
struct Member {
  ExprPtr object;
  Name member;
};

enum class UnaryOp : std::uint8_t { minus, inversion };  // -  not

struct Unary {
  UnaryOp op;
  Span op_span;
  ExprPtr operand;
};

enum class BinaryOp : std::uint8_t {
  caret,        // ^
  star,         // *
  slash,        // /
  at,           // @
  plus,         // +
  dash,         // -
  is_equal,     // ==
  is_unequal,   // !=
  is_below,     // <
  is_at_most,   // <=
  is_above,     // >
  is_at_least,  // >=
  conjunction,  // and
  disjunction,  // or
};

/// The operator as typed: "^", "==", "and".
std::string_view spelling(BinaryOp op);
std::string_view spelling(UnaryOp op);

struct Binary {
  BinaryOp op;
  Span op_span;
  ExprPtr left;
  ExprPtr right;
};

/// `if condition then a else b`
struct Conditional {
  ExprPtr condition;
  ExprPtr then_value;
  ExprPtr else_value;
};

struct Expr {
  Span span;  // without enclosing parentheses
  std::variant<IntegerLiteral, RealLiteral, StringLiteral, BoolLiteral, NoneLiteral, InfLiteral, NameUse, Ellipsis,
               ListLiteral, Call, Index, Member, Unary, Binary, Conditional>
      node;
  int height = 1;  // of the tree below; the parser keeps it at most max_height, so recursion over it is safe
};

constexpr int max_height = 200;

// --- types
// ---------------------------------------------------------------------------------------------------------------

/// `f32[N, 4 * units]`, `f32[..., D]`, `int`, `chars(vocab)[window + 1]`
struct TypeExpr {
  enum class Kind : std::uint8_t {
    element,      // a dtype, with or without dimensions: f32, u8[28, 28], bool[N]
    integer,      // int
    boolean,      // bool without dimensions, not of a data field (dtype is `boolean`)
    string,       // str
    initializer,  // init
    chars,        // chars(vocabulary)[n], in `data` only
    tokens,       // tokens(vocabulary)[n], in `data` only
  };
  Kind kind = Kind::element;
  ir::DType dtype = ir::DType::f32;          // of `element` and `boolean`
  ExprPtr vocabulary;                        // of `chars` and `tokens`
  std::optional<std::vector<ExprPtr>> dims;  // expressions, at most one of them Ellipsis; absent: no brackets
  Span span;
};

// --- statements
// ----------------------------------------------------------------------------------------------------------

struct Statement;
using Block = std::vector<Statement>;

/// `x = e`, `q, k, v = e`
struct Assign {
  std::vector<Name> targets;
  ExprPtr value;
};

/// `for i in a..b { }`
struct For {
  Name variable;
  ExprPtr from;
  ExprPtr to;
  Block body;
};

struct Branch {
  ExprPtr condition;
  Block body;
};

/// `if a { } else if b { } else { }`
struct If {
  std::vector<Branch> branches;
  std::optional<Block> otherwise;
};

struct NamedValue {
  Name name;
  ExprPtr value;
};

/// `ys = scan t in a..b carry h = e, c = e { }`; without targets where it is a statement of its own.
struct Scan {
  std::vector<Name> targets;
  Span word;  // `scan`
  Name variable;
  ExprPtr from;
  ExprPtr to;
  std::vector<NamedValue> carries;
  Block body;
};

/// `param weight: f32[O, I] = uniform(bound)`
struct Param {
  Name name;                 // of the variable: without the index
  ExprPtr index;             // null unless there is one
  std::size_t index_at = 0;  // where in `name` it stands
  TypeExpr type;
  ExprPtr initializer;
};

/// `state m = zeros()`, `state running_mean: f32[C] = zeros()`
struct State {
  Name name;
  std::optional<TypeExpr> type;
  ExprPtr initializer;
};

struct Result {
  std::optional<Name> name;  // in `predict` only
  ExprPtr value;
};

/// `return a, b`, `return probability = e`
struct Return {
  std::vector<Result> results;
};

/// `yield a, b`
struct Yield {
  std::vector<ExprPtr> values;
};

struct Field {
  Name name;
  TypeExpr type;
};

/// `data image: u8[28, 28], label: u8`
struct Data {
  std::vector<Field> fields;
};

/// `loss e`
struct Loss {
  ExprPtr value;
};

/// `metric accuracy = e`
struct Metric {
  Name name;
  ExprPtr value;
};

/// `optimizer adam(lr = 1e-3)`; the value is always a Call without alias.
struct UseOptimizer {
  ExprPtr call;
};

/// One component of a path: a name, or an index (`h[1].ln` has three).
struct PathPart {
  std::string name;  // empty: an index
  ExprPtr index;
  Span span;
};

struct Pattern {
  std::vector<PathPart> parts;
  Span span;
};

/// `group bias, h[1].ln { weight_decay = 0 }`
struct Group {
  std::vector<Pattern> patterns;
  std::vector<NamedValue> settings;
};

/// `stop patience = 3, min_delta = 1e-3`; no other names, none twice.
struct Stop {
  std::vector<NamedValue> settings;
};

/// `batch = 128`; one of batch, epochs, steps, clip_norm, clip_value.
struct Setting {
  Name name;
  ExprPtr value;
};

struct Statement {
  Span span;
  std::variant<Assign, For, If, Scan, Param, State, Return, Yield, Data, Loss, Metric, UseOptimizer, Group, Stop,
               Setting>
      node;
};

// --- declarations
// --------------------------------------------------------------------------------------------------------

/// `x: f32[N, D]`, `lr: f32 = 1e-3`, `logit`
struct Parameter {
  Name name;
  std::optional<TypeExpr> type;  // absent: any value
  ExprPtr default_value;         // null: the argument must be given
};

/// `layer`, `fn`, `optimizer`, `schedule` and `init` differ in what their bodies may hold, not in form.
struct Definition {
  enum class Kind : std::uint8_t { layer, fn, optimizer, schedule, init };
  Kind kind = Kind::fn;
  Name name;
  std::vector<Parameter> parameters;
  std::vector<TypeExpr>
      results;  // empty: inferred (an optimizer has none). An init's one type is matched with its target's
  Block body;
  bool short_form = false;  // `fn f(x) = e`: the body is one `return e`
  Span span;                // the word
};

/// `hyper width = 512`
struct Hyper {
  Name name;
  ExprPtr value;
  Span span;  // the word
};

struct Train {
  Block body;
  Span span;  // the word
};

struct Predict {
  Block body;
  Span span;  // the word
};

using Declaration = std::variant<Definition, Hyper, Train, Predict>;

/// One file, the user's or one of std.
struct Program {
  std::string file;
  std::vector<Declaration> declarations;  // in the text's order
};

/// "layer", "fn", ...
std::string_view spelling(Definition::Kind kind);

}  // namespace nnc::frontend::ast
