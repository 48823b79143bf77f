// Walks over the syntax tree, in the text's order.
#pragma once

#include "frontend/ast.h"

#include <functional>
#include <string>
#include <unordered_map>

namespace nnc::frontend {

/// Every expression of the block, also in branches that are not taken.
void for_each_expr(const ast::Block& block, const std::function<void(const ast::Expr&)>& visit);
void for_each_expr(const ast::Expr& expr, const std::function<void(const ast::Expr&)>& visit);

/// Every name that a statement of the block assigns, with its place.
void for_each_target(const ast::Block& block, const std::function<void(const ast::Name&)>& visit);

/// Numbers that identify a call by its place in the text of its block, whatever its line and whichever branch is taken.
struct CallNumbers {
  std::unordered_map<const ast::Call*, int> ordinal;  // from 0, over all calls
  std::unordered_map<const ast::Call*, int> unnamed;  // from 1, over the calls of one callee without `as`
};
/// The calls of the parameters' default values come first.
CallNumbers number_calls(const std::vector<ast::Parameter>& parameters, const ast::Block& block);

}  // namespace nnc::frontend
