#include "frontend/check_names.h"

#include "frontend/calls.h"
#include "frontend/suggest.h"
#include "frontend/walk.h"
#include "ir/op.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace nnc::frontend {

namespace {

using Kind = ast::Definition::Kind;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

bool is_initializer(const ast::Parameter& parameter) {
  return parameter.type && parameter.type->kind == ast::TypeExpr::Kind::initializer;
}

bool starts_upper(const std::string& name) { return !name.empty() && name[0] >= 'A' && name[0] <= 'Z'; }

class Checker {
 public:
  Checker(const ast::Definition& definition, const Declarations& declarations, ir::Diagnostics& diagnostics)
      : definition_(definition), declarations_(declarations), diagnostics_(diagnostics) {}

  void run() {
    collect();
    for (const auto& parameter : definition_.parameters) {
      if (parameter.type) type(*parameter.type);
      if (parameter.default_value) expression(*parameter.default_value, is_initializer(parameter));
    }
    for (const auto& result : definition_.results) type(result);
    block(definition_.body);
  }

 private:
  /// What the body makes anywhere: elaboration tells the order.
  void collect() {
    names_ = {"true", "false", "none", "inf", "training"};
    for (const ast::Hyper* hyper : declarations_.hypers()) names_.insert(hyper->name.text);
    const auto dimensions = [&](const ast::TypeExpr& type) {
      if (!type.dims) return;
      for (const auto& dim : *type.dims)
        if (const auto* use = std::get_if<ast::NameUse>(&dim->node); use && starts_upper(use->name))
          names_.insert(use->name);
    };
    for (const auto& parameter : definition_.parameters) {
      names_.insert(parameter.name.text);
      if (parameter.type) dimensions(*parameter.type);
    }
    if (definition_.kind == Kind::init)
      for (const auto& result : definition_.results) dimensions(result);
    if (definition_.kind == Kind::optimizer) names_.insert({"param", "grad"});
    if (definition_.kind == Kind::optimizer || definition_.kind == Kind::schedule)
      names_.insert({"step", "total_steps"});
    for_each_target(definition_.body, [&](const ast::Name& name) { names_.insert(name.text); });
    for_each_expr(definition_.body, [&](const ast::Expr& expr) {
      const auto* call = std::get_if<ast::Call>(&expr.node);
      if (call && call->alias) instances_.insert(call->alias->name.text);
    });
  }

  void error(const ast::Span& at, std::string message) { diagnostics_.error(at.at, std::move(message), at.width); }

  void name(const std::string& name, const ast::Span& at) {
    if (names_.contains(name)) return;
    if (instances_.contains(name))
      return error(at, fmt::format("`{0}` names a layer call, not a value: its parameters are values, as in "
                                   "`{0}.weight`",
                                   name));
    if (declarations_.find(Place::value, name, false) || ir::find_op(name))
      return error(at, fmt::format("`{0}` is a function, not a value: call it, `{0}(...)`", name));
    const std::string what = declarations_.elsewhere(name, at.at);
    error(at, fmt::format("unknown name `{}`{}", name,
                          what.empty() ? did_you_mean(name, {names_.begin(), names_.end()}) : what));
  }

  void type(const ast::TypeExpr& type) {
    if (!type.dims) return;
    for (const auto& dim : *type.dims)
      if (!std::holds_alternative<ast::Ellipsis>(dim->node)) expression(*dim, false);
  }

  void call(const ast::Call& call, bool initializer) {
    const std::string& callee = call.callee.text;
    const ast::Definition* found = declarations_.find(initializer ? Place::initializer : Place::value, callee, false);
    if (found && found->kind == Kind::layer && definition_.kind != Kind::layer)
      error(call.callee.span,
            fmt::format("`{}` is a layer, which owns parameters: only `layer`, `train` and `predict` call layers",
                        callee));
    if (!found && !is_known(callee, initializer)) {
      std::vector<std::string> candidates = declarations_.names(initializer ? Place::initializer : Place::value, false);
      if (!initializer) {
        for (const ir::OpDef* def : ir::all_ops())
          if (def->callable) candidates.emplace_back(*def->name);
        for (std::string& builtin : builtin_names()) candidates.push_back(std::move(builtin));
      }
      error(call.callee.span, fmt::format("unknown {} `{}`{}", initializer ? "initializer" : "function or layer",
                                          callee, did_you_mean(callee, candidates)));
    }
    if (found) arguments(call, *found);
    std::size_t position = 0;
    for (const auto& argument : call.arguments) {
      const ast::Parameter* parameter = found ? parameter_of(*found, argument, position) : nullptr;
      const auto* inner = std::get_if<ast::Call>(&argument.value->node);
      const bool lost = !found && inner && declarations_.find(Place::initializer, inner->callee.text, false);
      if (!lost) expression(*argument.value, parameter && is_initializer(*parameter));
    }
    if (call.alias)
      for (const auto& index : call.alias->indices) expression(*index, false);
  }

  static bool is_known(const std::string& callee, bool initializer) {
    if (initializer) return false;
    const ir::OpDef* def = ir::find_op(callee);
    return (def && def->callable) || std::ranges::count(builtin_names(), callee) > 0;
  }

  static const ast::Parameter* parameter_of(const ast::Definition& callee, const ast::Argument& argument,
                                            std::size_t& position) {
    const auto& parameters = callee.parameters;
    if (!argument.name) return position < parameters.size() ? &parameters[position++] : nullptr;
    for (const auto& parameter : parameters)
      if (parameter.name.text == argument.name->text) return &parameter;
    return nullptr;
  }

  void arguments(const ast::Call& call, const ast::Definition& callee) {
    std::vector<std::string> names;
    for (const auto& parameter : callee.parameters) names.push_back(parameter.name.text);
    std::set<const ast::Parameter*> given;
    std::size_t position = 0;
    bool failed = false;
    for (const auto& argument : call.arguments) {
      const ast::Parameter* parameter = parameter_of(callee, argument, position);
      if (parameter) {
        if (!given.insert(parameter).second)
          error(argument.span, fmt::format("`{}` is given twice", parameter->name.text));
        continue;
      }
      failed = true;
      error(argument.name ? argument.name->span : argument.span,
            argument.name ? fmt::format("`{}` has no parameter `{}`{}", callee.name.text, argument.name->text,
                                        did_you_mean(argument.name->text, names,
                                                     fmt::format("; it has {}", fmt::join(names, ", "))))
                          : fmt::format("`{}` takes {} argument{}, found {}", callee.name.text, names.size(),
                                        names.size() == 1 ? "" : "s", call.arguments.size()));
    }
    for (const auto& parameter : callee.parameters)
      if (!failed && !parameter.default_value && !given.contains(&parameter))
        error(call.callee.span, fmt::format("`{}` needs the argument `{}`", callee.name.text, parameter.name.text));
  }

  void expression(const ast::Expr& expr, bool initializer) {
    const auto each = [&](const ast::ExprPtr& part) {
      if (part) expression(*part, initializer);
    };
    std::visit(Overloaded{
                   [&](const ast::NameUse& use) { name(use.name, expr.span); },
                   [&](const ast::Call& inner) { call(inner, initializer); },
                   [&](const ast::ListLiteral& list) { std::ranges::for_each(list.elements, each); },
                   [&](const ast::Index& index) {
                     if (!is_path(*index.object)) each(index.object);
                     for (const auto& subscript : index.subscripts) {
                       if (const auto* at = std::get_if<ast::ExprPtr>(&subscript.value)) each(*at);
                       if (const auto* slice = std::get_if<ast::Slice>(&subscript.value)) {
                         each(slice->start);
                         each(slice->stop);
                         each(slice->step);
                       }
                     }
                   },
                   [&](const ast::Member& member) {
                     if (!is_path(*member.object)) each(member.object);
                   },
                   [&](const ast::Unary& unary) { each(unary.operand); },
                   [&](const ast::Binary& binary) {
                     each(binary.left);
                     each(binary.right);
                   },
                   [&](const ast::Conditional& choice) {
                     expression(*choice.condition, false);
                     each(choice.then_value);
                     each(choice.else_value);
                   },
                   [](const auto&) {},
               },
               expr.node);
  }

  /// `fc1`, `h[0].attn`: something of an instance made here.
  bool is_path(const ast::Expr& expr) const {
    if (const auto* use = std::get_if<ast::NameUse>(&expr.node)) return instances_.contains(use->name);
    if (const auto* member = std::get_if<ast::Member>(&expr.node)) return is_path(*member->object);
    const auto* index = std::get_if<ast::Index>(&expr.node);
    return index && is_path(*index->object);
  }

  void block(const ast::Block& statements) {
    for (const auto& statement : statements) {
      std::visit(Overloaded{
                     [&](const ast::Assign& assign) { expression(*assign.value, false); },
                     [&](const ast::For& loop) {
                       expression(*loop.from, false);
                       expression(*loop.to, false);
                       inside(loop.variable.text, loop.body);
                     },
                     [&](const ast::If& choice) {
                       for (const auto& branch : choice.branches) {
                         expression(*branch.condition, false);
                         block(branch.body);
                       }
                       if (choice.otherwise) block(*choice.otherwise);
                     },
                     [&](const ast::Scan& scan) {
                       expression(*scan.from, false);
                       expression(*scan.to, false);
                       for (const auto& carry : scan.carries) expression(*carry.value, false);
                       for_each_target(scan.body, [&](const ast::Name& name) { names_.insert(name.text); });
                       inside(scan.variable.text, scan.body);
                     },
                     [&](const ast::Param& param) {
                       type(param.type);
                       expression(*param.initializer, true);
                     },
                     [&](const ast::State& state) {
                       if (state.type) type(*state.type);
                       expression(*state.initializer, true);
                     },
                     [&](const ast::Return& back) {
                       for (const auto& result : back.results) expression(*result.value, false);
                     },
                     [&](const ast::Yield& yield) {
                       for (const auto& value : yield.values) expression(*value, false);
                     },
                     [](const auto&) {},
                 },
                 statement.node);
    }
  }

  void inside(const std::string& variable, const ast::Block& body) {
    const bool fresh = names_.insert(variable).second;
    block(body);
    if (fresh) names_.erase(variable);
  }

  const ast::Definition& definition_;
  const Declarations& declarations_;
  ir::Diagnostics& diagnostics_;
  std::set<std::string> names_, instances_;
};

}  // namespace

void check_names(const ast::Definition& definition, const Declarations& declarations, ir::Diagnostics& diagnostics) {
  Checker(definition, declarations, diagnostics).run();
}

}  // namespace nnc::frontend
