#include "frontend/print_ast.h"

#include <fmt/format.h>

#include <string_view>
#include <type_traits>

namespace nnc::frontend {

namespace {

// How tightly an expression binds, loose to tight. A call with a name stands in parentheses wherever an operand does.
enum Level {
  whole_level,
  or_level,
  and_level,
  not_level,
  comparison_level,
  sum_level,
  product_level,
  minus_level,
  power_level,
  postfix_level,
};

Level level_of(ast::BinaryOp op) {
  switch (op) {
    case ast::BinaryOp::caret: return power_level;
    case ast::BinaryOp::star:
    case ast::BinaryOp::slash:
    case ast::BinaryOp::at: return product_level;
    case ast::BinaryOp::plus:
    case ast::BinaryOp::dash: return sum_level;
    case ast::BinaryOp::conjunction: return and_level;
    case ast::BinaryOp::disjunction: return or_level;
    default: return comparison_level;
  }
}

Level level_of(const ast::Expr& expr) {
  if (const auto* binary = std::get_if<ast::Binary>(&expr.node)) return level_of(binary->op);
  if (const auto* unary = std::get_if<ast::Unary>(&expr.node)) {
    return unary->op == ast::UnaryOp::minus ? minus_level : not_level;
  }
  if (std::holds_alternative<ast::Conditional>(expr.node)) return whole_level;
  const auto* call = std::get_if<ast::Call>(&expr.node);
  return call != nullptr && call->alias ? whole_level : postfix_level;
}

class Printer {
 public:
  std::string take() { return std::move(out_); }

  void expr(const ast::Expr& expr, Level lowest);
  void type(const ast::TypeExpr& type);
  void declaration(const ast::Declaration& declaration) {
    std::visit([&](const auto& node) { print(node); }, declaration);
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }
  // Prints all with commas between.
  template <class List, class Print>
  void commas(const List& list, Print print_one) {
    std::string_view separator;
    for (const auto& element : list) {
      out_ += separator;
      print_one(element);
      separator = ", ";
    }
  }
  void whole(const ast::ExprPtr& value) { expr(*value, whole_level); }
  void optional(const ast::ExprPtr& value) {
    if (value) whole(value);
  }

  void print(const ast::IntegerLiteral& node) { put("{}", node.value); }
  void print(const ast::RealLiteral& node);
  void print(const ast::StringLiteral& node) { put("\"{}\"", node.value); }
  void print(const ast::BoolLiteral& node) { put("{}", node.value); }
  void print(const ast::NoneLiteral&) { out_ += "none"; }
  void print(const ast::InfLiteral&) { out_ += "inf"; }
  void print(const ast::NameUse& node) { out_ += node.name; }
  void print(const ast::Ellipsis&) { out_ += "..."; }
  void print(const ast::ListLiteral& node);
  void print(const ast::Call& node);
  void print(const ast::Index& node);
  void print(const ast::Member& node);
  void print(const ast::Unary& node);
  void print(const ast::Binary& node);
  void print(const ast::Conditional& node);
  void exponent(const ast::Expr& expr);
  void subscript(const ast::Subscript& subscript);

  void block(const ast::Block& block);
  void line_start() { out_.append(2 * indent_, ' '); }
  void named(const ast::NamedValue& value);
  void names(const std::vector<ast::Name>& names);
  void print(const ast::Assign& node);
  void print(const ast::For& node);
  void print(const ast::If& node);
  void print(const ast::Scan& node);
  void print(const ast::Param& node);
  void print(const ast::State& node);
  void print(const ast::Return& node);
  void print(const ast::Yield& node);
  void print(const ast::Data& node);
  void print(const ast::Loss& node);
  void print(const ast::Metric& node);
  void print(const ast::UseOptimizer& node);
  void print(const ast::Group& node);
  void print(const ast::Stop& node);
  void print(const ast::Setting& node);

  void print(const ast::Definition& node);
  void print(const ast::Hyper& node);
  void print(const ast::Train& node);
  void print(const ast::Predict& node);

  std::string out_;
  std::size_t indent_ = 0;
};

void Printer::expr(const ast::Expr& expr, Level lowest) {
  const bool parentheses = level_of(expr) < lowest;
  if (parentheses) out_ += "(";
  std::visit([&](const auto& node) { print(node); }, expr.node);
  if (parentheses) out_ += ")";
}

// The shortest digits that read back as the same number, with a point or an exponent, so that it stays real.
void Printer::print(const ast::RealLiteral& node) {
  const std::string digits = fmt::format("{}", node.value);
  out_ += digits;
  if (digits.find_first_of(".e") == std::string::npos) out_ += ".0";
}

void Printer::print(const ast::ListLiteral& node) {
  out_ += "[";
  commas(node.elements, [&](const ast::ExprPtr& element) { whole(element); });
  out_ += "]";
}

void Printer::print(const ast::Call& node) {
  put("{}(", node.callee.text);
  commas(node.arguments, [&](const ast::Argument& argument) {
    if (argument.name) put("{} = ", argument.name->text);
    whole(argument.value);
  });
  out_ += ")";
  if (!node.alias) return;
  put(" as {}{}", node.alias->share ? "share " : "", node.alias->name.text);
  for (const ast::ExprPtr& index : node.alias->indices) {
    out_ += "[";
    whole(index);
    out_ += "]";
  }
}

void Printer::subscript(const ast::Subscript& subscript) {
  if (const auto* value = std::get_if<ast::ExprPtr>(&subscript.value)) return whole(*value);
  const auto* slice = std::get_if<ast::Slice>(&subscript.value);
  if (slice == nullptr) {
    out_ += std::holds_alternative<ast::Ellipsis>(subscript.value) ? "..." : "none";
    return;
  }
  optional(slice->start);
  out_ += ":";
  optional(slice->stop);
  if (slice->step) {
    out_ += ":";
    whole(slice->step);
  }
}

void Printer::print(const ast::Index& node) {
  expr(*node.object, postfix_level);
  out_ += "[";
  commas(node.subscripts, [&](const ast::Subscript& s) { subscript(s); });
  out_ += "]";
}

void Printer::print(const ast::Member& node) {
  // A dot directly after digits would belong to the number.
  const bool number = std::holds_alternative<ast::IntegerLiteral>(node.object->node) ||
                      std::holds_alternative<ast::RealLiteral>(node.object->node);
  if (number) out_ += "(";
  expr(*node.object, postfix_level);
  put("{}.{}", number ? ")" : "", node.member.text);
}

void Printer::print(const ast::Unary& node) {
  const bool minus = node.op == ast::UnaryOp::minus;
  put("{}{}", spelling(node.op), minus ? "" : " ");
  expr(*node.operand, minus ? minus_level : not_level);
}

void Printer::print(const ast::Binary& node) {
  const Level level = level_of(node.op);
  const auto tighter = static_cast<Level>(level + 1);
  const bool left_associative = level != power_level && level != comparison_level;
  expr(*node.left, left_associative ? level : tighter);
  put(" {} ", spelling(node.op));
  if (level == power_level) {
    exponent(*node.right);
  } else {
    expr(*node.right, tighter);
  }
}

// An exponent may carry a minus, whose operand is an exponent again.
void Printer::exponent(const ast::Expr& expr) {
  const auto* unary = std::get_if<ast::Unary>(&expr.node);
  if (unary == nullptr || unary->op != ast::UnaryOp::minus) return this->expr(expr, power_level);
  out_ += "-";
  exponent(*unary->operand);
}

void Printer::print(const ast::Conditional& node) {
  out_ += "if ";
  expr(*node.condition, or_level);
  out_ += " then ";
  expr(*node.then_value, or_level);
  out_ += " else ";
  whole(node.else_value);
}

void Printer::type(const ast::TypeExpr& type) {
  using Kind = ast::TypeExpr::Kind;
  switch (type.kind) {
    case Kind::element: out_ += ir::name(type.dtype); break;
    case Kind::integer: out_ += "int"; break;
    case Kind::boolean: out_ += "bool"; break;
    case Kind::string: out_ += "str"; break;
    case Kind::initializer: out_ += "init"; break;
    case Kind::chars:
    case Kind::tokens:
      out_ += type.kind == Kind::chars ? "chars(" : "tokens(";
      whole(type.vocabulary);
      out_ += ")";
      break;
  }
  if (!type.dims) return;
  out_ += "[";
  commas(*type.dims, [&](const ast::ExprPtr& dim) { whole(dim); });
  out_ += "]";
}

void Printer::block(const ast::Block& block) {
  if (block.empty()) {
    out_ += "{}";
    return;
  }
  out_ += "{\n";
  ++indent_;
  for (const ast::Statement& statement : block) {
    line_start();
    std::visit([&](const auto& node) { print(node); }, statement.node);
    out_ += "\n";
  }
  --indent_;
  line_start();
  out_ += "}";
}

void Printer::named(const ast::NamedValue& value) {
  put("{} = ", value.name.text);
  whole(value.value);
}

void Printer::names(const std::vector<ast::Name>& names) {
  commas(names, [&](const ast::Name& name) { out_ += name.text; });
}

void Printer::print(const ast::Assign& node) {
  names(node.targets);
  out_ += " = ";
  whole(node.value);
}

void Printer::print(const ast::For& node) {
  put("for {} in ", node.variable.text);
  whole(node.from);
  out_ += "..";
  whole(node.to);
  out_ += " ";
  block(node.body);
}

void Printer::print(const ast::If& node) {
  std::string_view word = "if ";
  for (const ast::Branch& branch : node.branches) {
    out_ += word;
    expr(*branch.condition, or_level);
    out_ += " ";
    block(branch.body);
    word = " else if ";
  }
  if (!node.otherwise) return;
  out_ += " else ";
  block(*node.otherwise);
}

void Printer::print(const ast::Scan& node) {
  names(node.targets);
  put("{}scan {} in ", node.targets.empty() ? "" : " = ", node.variable.text);
  whole(node.from);
  out_ += "..";
  whole(node.to);
  if (!node.carries.empty()) out_ += " carry ";
  commas(node.carries, [&](const ast::NamedValue& carry) { named(carry); });
  out_ += " ";
  block(node.body);
}

void Printer::print(const ast::Param& node) {
  put("param {}", std::string_view(node.name.text).substr(0, node.index ? node.index_at : std::string::npos));
  if (node.index) {
    out_ += "[";
    whole(node.index);
    put("]{}", std::string_view(node.name.text).substr(node.index_at));
  }
  out_ += ": ";
  type(node.type);
  out_ += " = ";
  whole(node.initializer);
}

void Printer::print(const ast::State& node) {
  put("state {}", node.name.text);
  if (node.type) {
    out_ += ": ";
    type(*node.type);
  }
  out_ += " = ";
  whole(node.initializer);
}

void Printer::print(const ast::Return& node) {
  out_ += "return ";
  commas(node.results, [&](const ast::Result& result) {
    if (result.name) put("{} = ", result.name->text);
    whole(result.value);
  });
}

void Printer::print(const ast::Yield& node) {
  out_ += "yield ";
  commas(node.values, [&](const ast::ExprPtr& value) { whole(value); });
}

void Printer::print(const ast::Data& node) {
  out_ += "data ";
  commas(node.fields, [&](const ast::Field& field) {
    put("{}: ", field.name.text);
    type(field.type);
  });
}

void Printer::print(const ast::Loss& node) {
  out_ += "loss ";
  whole(node.value);
}

void Printer::print(const ast::Metric& node) {
  put("metric {} = ", node.name.text);
  whole(node.value);
}

void Printer::print(const ast::UseOptimizer& node) {
  out_ += "optimizer ";
  whole(node.call);
}

void Printer::print(const ast::Group& node) {
  out_ += "group ";
  commas(node.patterns, [&](const ast::Pattern& pattern) {
    std::string_view dot;
    for (const ast::PathPart& part : pattern.parts) {
      if (part.index) {
        out_ += "[";
        whole(part.index);
        out_ += "]";
      } else {
        put("{}{}", dot, part.name);
      }
      dot = ".";
    }
  });
  out_ += " {";
  std::string_view separator = " ";
  for (const ast::NamedValue& setting : node.settings) {
    out_ += separator;
    named(setting);
    separator = "; ";
  }
  out_ += node.settings.empty() ? "}" : " }";
}

void Printer::print(const ast::Stop& node) {
  out_ += "stop ";
  commas(node.settings, [&](const ast::NamedValue& setting) { named(setting); });
}

void Printer::print(const ast::Setting& node) {
  put("{} = ", node.name.text);
  whole(node.value);
}

void Printer::print(const ast::Definition& node) {
  put("{} {}(", spelling(node.kind), node.name.text);
  commas(node.parameters, [&](const ast::Parameter& parameter) {
    out_ += parameter.name.text;
    if (parameter.type) {
      out_ += ": ";
      type(*parameter.type);
    }
    if (!parameter.default_value) return;
    out_ += " = ";
    whole(parameter.default_value);
  });
  out_ += ")";
  if (!node.results.empty()) out_ += " -> ";
  commas(node.results, [&](const ast::TypeExpr& result) { type(result); });
  if (node.short_form) {
    out_ += " = ";
    whole(std::get<ast::Return>(node.body.front().node).results.front().value);
  } else {
    out_ += " ";
    block(node.body);
  }
}

void Printer::print(const ast::Hyper& node) {
  put("hyper {} = ", node.name.text);
  whole(node.value);
}

void Printer::print(const ast::Train& node) {
  out_ += "train ";
  block(node.body);
}

void Printer::print(const ast::Predict& node) {
  out_ += "predict ";
  block(node.body);
}

// Declarations of one line stand together.
bool is_short(const ast::Declaration& declaration) {
  const auto* definition = std::get_if<ast::Definition>(&declaration);
  return std::holds_alternative<ast::Hyper>(declaration) || (definition != nullptr && definition->short_form);
}

}  // namespace

std::string print(const ast::Program& program) {
  std::string text;
  const ast::Declaration* last = nullptr;
  for (const ast::Declaration& declaration : program.declarations) {
    const bool together =
        last != nullptr && last->index() == declaration.index() && is_short(*last) && is_short(declaration);
    if (last != nullptr && !together) text += "\n";
    Printer printer;
    printer.declaration(declaration);
    text += printer.take() + "\n";
    last = &declaration;
  }
  return text;
}

std::string print(const ast::Expr& expr) {
  Printer printer;
  printer.expr(expr, whole_level);
  return printer.take();
}

std::string print(const ast::TypeExpr& type) {
  Printer printer;
  printer.type(type);
  return printer.take();
}

}  // namespace nnc::frontend
