#include "frontend/walk.h"

#include <map>

namespace nnc::frontend {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

using Visit = std::function<void(const ast::Expr&)>;

void walk(const ast::ExprPtr& expr, const Visit& visit) {
  if (expr) for_each_expr(*expr, visit);
}

void walk(const std::vector<ast::NamedValue>& values, const Visit& visit) {
  for (const auto& value : values) walk(value.value, visit);
}

void walk(const ast::TypeExpr& type, const Visit& visit) {
  walk(type.vocabulary, visit);
  if (type.dims)
    for (const auto& dim : *type.dims) walk(dim, visit);
}

}  // namespace

void for_each_expr(const ast::Expr& expr, const Visit& visit) {
  visit(expr);
  std::visit(Overloaded{
                 [&](const ast::ListLiteral& list) {
                   for (const auto& element : list.elements) walk(element, visit);
                 },
                 [&](const ast::Call& call) {
                   for (const auto& argument : call.arguments) walk(argument.value, visit);
                   if (call.alias)
                     for (const auto& index : call.alias->indices) walk(index, visit);
                 },
                 [&](const ast::Index& index) {
                   walk(index.object, visit);
                   for (const auto& subscript : index.subscripts) {
                     if (const auto* at = std::get_if<ast::ExprPtr>(&subscript.value)) walk(*at, visit);
                     if (const auto* slice = std::get_if<ast::Slice>(&subscript.value)) {
                       walk(slice->start, visit);
                       walk(slice->stop, visit);
                       walk(slice->step, visit);
                     }
                   }
                 },
                 [&](const ast::Member& member) { walk(member.object, visit); },
                 [&](const ast::Unary& unary) { walk(unary.operand, visit); },
                 [&](const ast::Binary& binary) {
                   walk(binary.left, visit);
                   walk(binary.right, visit);
                 },
                 [&](const ast::Conditional& conditional) {
                   walk(conditional.condition, visit);
                   walk(conditional.then_value, visit);
                   walk(conditional.else_value, visit);
                 },
                 [](const auto&) {},
             },
             expr.node);
}

void for_each_expr(const ast::Block& block, const Visit& visit) {
  for (const auto& statement : block) {
    std::visit(Overloaded{
                   [&](const ast::Assign& assign) { walk(assign.value, visit); },
                   [&](const ast::For& loop) {
                     walk(loop.from, visit);
                     walk(loop.to, visit);
                     for_each_expr(loop.body, visit);
                   },
                   [&](const ast::If& choice) {
                     for (const auto& branch : choice.branches) {
                       walk(branch.condition, visit);
                       for_each_expr(branch.body, visit);
                     }
                     if (choice.otherwise) for_each_expr(*choice.otherwise, visit);
                   },
                   [&](const ast::Scan& scan) {
                     walk(scan.from, visit);
                     walk(scan.to, visit);
                     walk(scan.carries, visit);
                     for_each_expr(scan.body, visit);
                   },
                   [&](const ast::Param& param) {
                     if (param.index) walk(param.index, visit);
                     walk(param.type, visit);
                     walk(param.initializer, visit);
                   },
                   [&](const ast::State& state) {
                     if (state.type) walk(*state.type, visit);
                     walk(state.initializer, visit);
                   },
                   [&](const ast::Return& back) {
                     for (const auto& result : back.results) walk(result.value, visit);
                   },
                   [&](const ast::Yield& yield) {
                     for (const auto& value : yield.values) walk(value, visit);
                   },
                   [&](const ast::Loss& loss) { walk(loss.value, visit); },
                   [&](const ast::Metric& metric) { walk(metric.value, visit); },
                   [&](const ast::UseOptimizer& optimizer) { walk(optimizer.call, visit); },
                   [&](const ast::Group& group) { walk(group.settings, visit); },
                   [&](const ast::Stop& stop) { walk(stop.settings, visit); },
                   [&](const ast::Setting& setting) { walk(setting.value, visit); },
                   [](const ast::Data&) {},
               },
               statement.node);
  }
}

void for_each_target(const ast::Block& block, const std::function<void(const ast::Name&)>& visit) {
  for (const auto& statement : block) {
    std::visit(Overloaded{
                   [&](const ast::Assign& assign) {
                     for (const auto& target : assign.targets) visit(target);
                   },
                   [&](const ast::For& loop) { for_each_target(loop.body, visit); },
                   [&](const ast::If& choice) {
                     for (const auto& branch : choice.branches) for_each_target(branch.body, visit);
                     if (choice.otherwise) for_each_target(*choice.otherwise, visit);
                   },
                   [&](const ast::Scan& scan) {
                     for (const auto& target : scan.targets) visit(target);
                     for (const auto& carry : scan.carries) visit(carry.name);
                   },
                   [&](const ast::Param& param) { visit(param.name); },
                   [&](const ast::State& state) { visit(state.name); },
                   [](const auto&) {},
               },
               statement.node);
  }
}

CallNumbers number_calls(const std::vector<ast::Parameter>& parameters, const ast::Block& block) {
  CallNumbers numbers;
  std::map<std::string, int> unnamed;
  const Visit number = [&](const ast::Expr& expr) {
    const auto* call = std::get_if<ast::Call>(&expr.node);
    if (!call) return;
    numbers.ordinal.emplace(call, static_cast<int>(numbers.ordinal.size()));
    if (!call->alias) numbers.unnamed.emplace(call, ++unnamed[call->callee.text]);
  };
  for (const auto& parameter : parameters) walk(parameter.default_value, number);
  for_each_expr(block, number);
  return numbers;
}

}  // namespace nnc::frontend
