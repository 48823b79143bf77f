// Calls: of primitives (op records), of the few functions that only the compiler can give, and of declarations, which
// are inlined.
//
//   relu(linear(x, 512) as fc1)  ->  the ops of linear's body, with parameters fc1.weight and fc1.bias, then relu's
#pragma once

#include "frontend/context.h"
#include "frontend/values.h"

#include <optional>
#include <string>
#include <vector>

namespace nnc::frontend {

/// The expressions given for the parameters of `definition`, in their order; null where the default serves. Settings of
/// groups override arguments. Unknown, missing and doubled arguments are reported; empty then.
std::optional<std::vector<const ast::Expr*>> bind_arguments(
    Context& context, const ast::Definition& definition, const ast::Call& call,
    const std::map<std::string, const ast::Expr*>& overrides = {});

/// Evaluates such an expression in the current frame, as the parameter's type asks; empty after an error.
std::optional<Value> evaluate_argument(Context& context, const ast::Parameter& parameter, const ast::Expr& given);
/// Evaluates those expressions in the current frame, as the parameters' types ask; empty if one has an error.
std::optional<std::vector<std::optional<Value>>> evaluate_arguments(Context& context, const ast::Definition& definition,
                                                                    const std::vector<const ast::Expr*>& given);

/// Where the arguments of a call stand, for messages.
std::vector<ast::Span> spans_of(const std::vector<const ast::Expr*>& given, const ast::Span& call);
/// Notes in `callee` where its parameters were given. What a body of std hands on was given where its caller gave it.
void note_arguments(const Context& context, Frame& callee, const std::vector<const ast::Expr*>& given);

/// A value as a parameter of that type takes it; empty after an error.
std::optional<Value> convert_argument(Context& context, const ast::Parameter& parameter, const Value& value,
                                      const ast::Span& at);

/// Binds the parameters of `callee.definition` in the frame `callee`: unifies dimensions, widens, fills in defaults.
/// `places[i]` is where argument i stands in the current frame.
bool enter_parameters(Context& context, Frame& callee, std::vector<std::optional<Value>> arguments,
                      const std::vector<ast::Span>& places);

/// Matches a type with one that a signature writes, binding capitals not bound yet (`bare` ones first, then the rest is
/// checked). `subject` names what has the type in messages.
struct Match {
  const ast::TypeExpr* type;
  ir::Shape shape;
  std::string subject;  // "`x`"
  std::string found;    // "f32[8,3]"
  ast::Span origin;     // where that was made
  ast::Span at;         // where it is reported, in `reported_in`
};
bool bind_dimensions(Context& context, Frame& callee, const Match& match, Frame* reported_in);
bool check_dimensions(Context& context, Frame& callee, const Match& match, Frame* reported_in);

/// A frame for the body of `definition`, called at `at` from the current frame.
Frame callee_frame(const Context& context, const ast::Definition& definition, const ast::Span& at);
/// Whether another call may be inlined; reports recursion and depth.
bool may_inline(Context& context, const ast::Definition& definition, const ast::Span& at);
/// Runs the body of a frame whose parameters are bound, and gives what it returns, checked against the result types.
Value run_body(Context& context, Frame& frame, const ast::Span& at);

/// primitives.cpp: a record called by its name.
Value call_primitive(Context& context, const ir::OpDef& def, const ast::Call& call, const ast::Span& at);

/// builtins.cpp: `shape`, casts, random numbers; empty if `call` is none of these.
std::optional<Value> call_builtin(Context& context, const ast::Call& call, const ast::Span& at);
/// Their names, for suggestions.
std::vector<std::string> builtin_names();

/// A list of integers known at compile time.
std::optional<std::vector<std::int64_t>> integers_of(const Value& value);

}  // namespace nnc::frontend
