// A syntax tree as an S-expression, written apart from the printer: every field of every node but the places.
//
//   x = a + b * c   ->   (assign x (+ a (* b c)))
#pragma once

#include "frontend/ast.h"

#include <fmt/format.h>

#include <string>
#include <variant>

namespace nnc::test {

class SyntaxTree {
 public:
  std::string operator()(const frontend::ast::Program& program) {
    std::string out;
    for (const auto& declaration : program.declarations) {
      out += std::visit([&](const auto& node) { return tree(node); }, declaration) + "\n";
    }
    return out;
  }
  std::string operator()(const frontend::ast::Expr& expr) { return tree(expr); }

 private:
  template <class T>
  using Ptr = std::unique_ptr<T>;

  std::string tree(const frontend::ast::Expr& e) {
    return std::visit([&](const auto& node) { return tree(node); }, e.node);
  }
  std::string tree(const frontend::ast::ExprPtr& e) { return e ? tree(*e) : "_"; }
  std::string tree(const frontend::ast::Name& n) { return n.text; }
  template <class T>
  std::string tree(const std::optional<T>& value) {
    return value ? tree(*value) : "_";
  }
  template <class T>
  std::string tree(const std::vector<T>& list) {
    std::string out = "{";
    for (const T& element : list) out += (out.size() > 1 ? " " : "") + tree(element);
    return out + "}";
  }
  template <class... Parts>
  std::string node(std::string_view word, const Parts&... parts) {
    std::string out = fmt::format("({}", word);
    ((out += " " + tree(parts)), ...);
    return out + ")";
  }

  std::string tree(const frontend::ast::IntegerLiteral& n) { return fmt::format("{}", n.value); }
  std::string tree(const frontend::ast::RealLiteral& n) { return fmt::format("r{:.17g}", n.value); }
  std::string tree(const frontend::ast::StringLiteral& n) { return fmt::format("\"{}\"", n.value); }
  std::string tree(const frontend::ast::BoolLiteral& n) { return n.value ? "#true" : "#false"; }
  std::string tree(const frontend::ast::NoneLiteral&) { return "#none"; }
  std::string tree(const frontend::ast::InfLiteral&) { return "#inf"; }
  std::string tree(const frontend::ast::NameUse& n) { return n.name; }
  std::string tree(const frontend::ast::Ellipsis&) { return "..."; }
  std::string tree(const frontend::ast::ListLiteral& n) { return node("list", n.elements); }
  std::string tree(const frontend::ast::Argument& n) { return n.name ? node("=", *n.name, n.value) : tree(n.value); }
  std::string tree(const frontend::ast::Alias& n) { return node(n.share ? "as-share" : "as", n.name, n.indices); }
  std::string tree(const frontend::ast::Call& n) {
    std::string out = "(call " + n.callee.text;
    for (const auto& argument : n.arguments) out += " " + tree(argument);
    return out + (n.alias ? " " + tree(*n.alias) : "") + ")";
  }
  std::string tree(const frontend::ast::Slice& n) { return node("slice", n.start, n.stop, n.step); }
  std::string tree(const frontend::ast::NewDimension&) { return "#new"; }
  std::string tree(const frontend::ast::Subscript& n) {
    return std::visit([&](const auto& value) { return tree(value); }, n.value);
  }
  std::string tree(const frontend::ast::Index& n) { return node("index", n.object, n.subscripts); }
  std::string tree(const frontend::ast::Member& n) { return node(".", n.object, n.member); }
  std::string tree(const frontend::ast::Unary& n) { return node(spelling(n.op), n.operand); }
  std::string tree(const frontend::ast::Binary& n) { return node(spelling(n.op), n.left, n.right); }
  std::string tree(const frontend::ast::Conditional& n) { return node("if", n.condition, n.then_value, n.else_value); }
  std::string tree(const frontend::ast::TypeExpr& n) {
    const std::string head = fmt::format("type:{}:{}", static_cast<int>(n.kind), static_cast<int>(n.dtype));
    return node(head, n.vocabulary, n.dims);
  }

  std::string tree(const frontend::ast::Statement& s) {
    return std::visit([&](const auto& node) { return tree(node); }, s.node);
  }
  std::string tree(const frontend::ast::NamedValue& n) { return node("=", n.name, n.value); }
  std::string tree(const frontend::ast::Assign& n) { return node("assign", n.targets, n.value); }
  std::string tree(const frontend::ast::For& n) { return node("for", n.variable, n.from, n.to, n.body); }
  std::string tree(const frontend::ast::Branch& n) { return node("branch", n.condition, n.body); }
  std::string tree(const frontend::ast::If& n) { return node("if", n.branches, n.otherwise); }
  std::string tree(const frontend::ast::Scan& n) {
    return node("scan", n.targets, n.variable, n.from, n.to, n.carries, n.body);
  }
  std::string tree(const frontend::ast::Param& n) { return node("param", n.name, n.type, n.initializer); }
  std::string tree(const frontend::ast::State& n) { return node("state", n.name, n.type, n.initializer); }
  std::string tree(const frontend::ast::Result& n) { return node("result", n.name, n.value); }
  std::string tree(const frontend::ast::Return& n) { return node("return", n.results); }
  std::string tree(const frontend::ast::Yield& n) { return node("yield", n.values); }
  std::string tree(const frontend::ast::Field& n) { return node("field", n.name, n.type); }
  std::string tree(const frontend::ast::Data& n) { return node("data", n.fields); }
  std::string tree(const frontend::ast::Loss& n) { return node("loss", n.value); }
  std::string tree(const frontend::ast::Metric& n) { return node("metric", n.name, n.value); }
  std::string tree(const frontend::ast::UseOptimizer& n) { return node("optimizer", n.call); }
  std::string tree(const frontend::ast::PathPart& n) { return n.index ? node("at", n.index) : n.name; }
  std::string tree(const frontend::ast::Pattern& n) { return tree(n.parts); }
  std::string tree(const frontend::ast::Group& n) { return node("group", n.patterns, n.settings); }
  std::string tree(const frontend::ast::Stop& n) { return node("stop", n.settings); }
  std::string tree(const frontend::ast::Setting& n) { return node("set", n.name, n.value); }

  std::string tree(const frontend::ast::Parameter& n) { return node("parameter", n.name, n.type, n.default_value); }
  std::string tree(const frontend::ast::Definition& n) {
    return node(spelling(n.kind), n.name, n.parameters, n.results, n.body) + (n.short_form ? "short" : "");
  }
  std::string tree(const frontend::ast::Hyper& n) { return node("hyper", n.name, n.value); }
  std::string tree(const frontend::ast::Train& n) { return node("train", n.body); }
  std::string tree(const frontend::ast::Predict& n) { return node("predict", n.body); }
};

}  // namespace nnc::test
