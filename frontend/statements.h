// Statements: what a body does, in the frame that the context holds.
#pragma once

#include "frontend/context.h"

namespace nnc::frontend {

/// Runs the block until its end or a `return`; errors are reported and the next statement is tried.
void execute(Context& context, const ast::Block& block);

/// The same for the body of a `for`, `if` or `scan`.
void execute_nested(Context& context, const ast::Block& block);
/// Gives a name of the frame a value, or reports why that may not be.
void assign(Context& context, const ast::Name& target, Value value);

/// parameters.cpp: `param weight: f32[O, I] = uniform(bound)`.
void declare_parameter(Context& context, const ast::Param& param);
/// parameters.cpp: `state m = zeros()` of an optimizer.
void declare_optimizer_state(Context& context, const ast::State& state);
/// parameters.cpp: `state running_mean: f32[C] = zeros()` of a layer.
void declare_layer_state(Context& context, const ast::State& state);
/// parameters.cpp: what is read from here on. Only a step of training keeps it.
void update_layer_state(Context& context, const ast::Name& name, const Value& value);
/// parameters.cpp: a value as it replaces that of a parameter or state; a number fills the whole tensor. Reports what
/// does not fit.
std::optional<ir::Expr> as_replacement(Context& context, const Value& value, const std::string& name,
                                       const ir::Type& type, const ast::Span& at);
/// parameters.cpp: runs an initializer for a new slot and binds its value in the `init` graph.
void initialize(Context& context, const Initializer& initializer, const ir::Slot& slot, const ast::Span& at);

}  // namespace nnc::frontend
