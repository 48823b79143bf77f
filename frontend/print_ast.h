// Syntax tree -> canonical source text, which parses back to the same tree and prints the same again.
//
//   x=relu( linear(x,width)as fc1 ) // hidden     ->     x = relu(linear(x, width) as fc1)
#pragma once

#include "frontend/ast.h"

#include <string>

namespace nnc::frontend {

std::string print(const ast::Program& program);
/// One expression or type, for messages.
std::string print(const ast::Expr& expr);
std::string print(const ast::TypeExpr& type);

}  // namespace nnc::frontend
