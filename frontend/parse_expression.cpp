#include "frontend/parser_rules.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace nnc::frontend {

namespace {

using ast::BinaryOp;
using ast::ExprPtr;

// How tightly operators bind, loose to tight.
enum Level { or_level = 1, and_level, not_level, comparison_level, sum_level, product_level, minus_level, power_level };

struct OperatorRow {
  TokenKind token;
  BinaryOp op;
  Level level;
};

constexpr auto operators = std::to_array<OperatorRow>({
    {TokenKind::or_word, BinaryOp::disjunction, or_level},
    {TokenKind::and_word, BinaryOp::conjunction, and_level},
    {TokenKind::is_equal, BinaryOp::is_equal, comparison_level},
    {TokenKind::is_unequal, BinaryOp::is_unequal, comparison_level},
    {TokenKind::is_below, BinaryOp::is_below, comparison_level},
    {TokenKind::is_at_most, BinaryOp::is_at_most, comparison_level},
    {TokenKind::is_above, BinaryOp::is_above, comparison_level},
    {TokenKind::is_at_least, BinaryOp::is_at_least, comparison_level},
    {TokenKind::plus, BinaryOp::plus, sum_level},
    {TokenKind::dash, BinaryOp::dash, sum_level},
    {TokenKind::star, BinaryOp::star, product_level},
    {TokenKind::slash, BinaryOp::slash, product_level},
    {TokenKind::at, BinaryOp::at, product_level},
    {TokenKind::caret, BinaryOp::caret, power_level},
});

const OperatorRow* find_operator(TokenKind token) {
  const auto* row = std::find_if(operators.begin(), operators.end(), [&](const auto& r) { return r.token == token; });
  return row == operators.end() ? nullptr : row;
}

// The height of the highest child of a node.
struct ChildHeight {
  int of(const ExprPtr& child) const { return child ? child->height : 0; }
  int of(const std::vector<ExprPtr>& children) const {
    int height = 0;
    for (const ExprPtr& child : children) height = std::max(height, of(child));
    return height;
  }

  template <class Leaf>
  int operator()(const Leaf&) const {
    return 0;
  }
  int operator()(const ast::ListLiteral& list) const { return of(list.elements); }
  int operator()(const ast::Call& call) const {
    int height = call.alias ? of(call.alias->indices) : 0;
    for (const ast::Argument& argument : call.arguments) height = std::max(height, of(argument.value));
    return height;
  }
  int operator()(const ast::Index& index) const {
    int height = of(index.object);
    for (const ast::Subscript& s : index.subscripts) {
      if (const auto* expr = std::get_if<ExprPtr>(&s.value)) height = std::max(height, of(*expr));
      if (const auto* slice = std::get_if<ast::Slice>(&s.value)) {
        height = std::max({height, of(slice->start), of(slice->stop), of(slice->step)});
      }
    }
    return height;
  }
  int operator()(const ast::Member& member) const { return of(member.object); }
  int operator()(const ast::Unary& unary) const { return of(unary.operand); }
  int operator()(const ast::Binary& binary) const { return std::max(of(binary.left), of(binary.right)); }
  int operator()(const ast::Conditional& c) const {
    return std::max({of(c.condition), of(c.then_value), of(c.else_value)});
  }
};

bool is_aliased(const ast::Expr& expr) {
  const auto* call = std::get_if<ast::Call>(&expr.node);
  return call != nullptr && call->alias.has_value();
}

}  // namespace

template <class Node>
ExprPtr Parser::make(int first, Node node) {
  const int height = 1 + ChildHeight{}(node);
  auto expr = std::make_unique<ast::Expr>(ast::Expr{stream_.span_from(first), std::move(node), height});
  if (height > ast::max_height) {
    stream_.fail(expr->span, fmt::format("the expression is nested more than {} levels deep", ast::max_height));
  }
  return expr;
}

// expression := "if" expression "then" expression "else" expression | disjunction
ExprPtr Parser::expression() {
  const Nesting nesting(*this);
  return stream_.at(TokenKind::if_word) ? conditional() : binary(or_level);
}

ExprPtr Parser::conditional() {
  const int first = stream_.position();
  stream_.advance();
  ast::Conditional node;
  node.condition = expression();
  stream_.expect(TokenKind::then_word);
  node.then_value = expression();
  stream_.expect(TokenKind::else_word);
  node.else_value = expression();
  return make(first, std::move(node));
}

// disjunction := conjunction { "or" conjunction }
// conjunction := inversion { "and" inversion }
// inversion   := "not" inversion | comparison
// comparison  := sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
// sum         := product { ("+" | "-") product }
// product     := negation { ("*" | "/" | "@") negation }
// negation    := "-" negation | power
// power       := postfix [ "^" exponent ]
//
// Parses the operators that bind at least as tightly as `lowest`.
ExprPtr Parser::binary(int lowest) {
  const int first = stream_.position();
  ExprPtr left = prefixed(lowest);
  while (const OperatorRow* row = find_operator(stream_.kind())) {
    if (row->level < lowest) break;
    ast::Binary node{row->op, stream_.span(), std::move(left), nullptr};
    stream_.advance();
    node.right = row->level == power_level ? exponent() : binary(row->level + 1);
    left = make(first, std::move(node));
    const OperatorRow* next = find_operator(stream_.kind());
    if (row->level == comparison_level && next != nullptr && next->level == comparison_level) {
      stream_.fail(stream_.span(), "comparisons do not chain: write 'a < b and b < c'");
    }
  }
  return left;
}

// What a level starts with: its prefix operator, if it has one, or a postfix expression.
ExprPtr Parser::prefixed(int lowest) {
  const bool inverted = lowest <= not_level && stream_.at(TokenKind::not_word);
  const bool negated = lowest <= minus_level && stream_.at(TokenKind::dash);
  if (!inverted && !negated) return postfix();
  const Nesting nesting(*this);
  const int first = stream_.position();
  const ast::Span op_span = stream_.span();
  stream_.advance();
  if (inverted) return make(first, ast::Unary{ast::UnaryOp::inversion, op_span, binary(not_level)});
  return make(first, ast::Unary{ast::UnaryOp::minus, op_span, binary(minus_level)});
}

// exponent := "-" exponent | power
ExprPtr Parser::exponent() {
  const Nesting nesting(*this);
  const int first = stream_.position();
  const ast::Span op_span = stream_.span();
  if (stream_.accept(TokenKind::dash)) {
    return make(first, ast::Unary{ast::UnaryOp::minus, op_span, exponent()});
  }
  return binary(power_level);
}

// postfix := primary { "[" subscript { "," subscript } "]" | "." NAME }
ExprPtr Parser::postfix() {
  const int first = stream_.position();
  const bool parenthesized = stream_.at(TokenKind::open_paren);
  ExprPtr expr = primary();
  if (expr && is_aliased(*expr) && !parenthesized) {
    refuse_after_alias(*expr);
    return expr;
  }
  while (true) {
    if (stream_.at(TokenKind::open_bracket)) {
      expr = index(std::move(expr), first);
    } else if (stream_.accept(TokenKind::dot)) {
      ast::Name member = foreign_name("a name after '.'");
      expr = make(first, ast::Member{std::move(expr), std::move(member)});
    } else if (stream_.at(TokenKind::open_paren)) {
      refuse_call_of(*expr);
      return expr;
    } else {
      return expr;
    }
  }
}

// What is called is no name: says how the call is written.
void Parser::refuse_call_of(const ast::Expr& callee) {
  const auto* member = std::get_if<ast::Member>(&callee.node);
  if (member == nullptr) return stream_.fail(stream_.span(), "only a name can be called, and a call's result cannot");
  const std::string& name = member->member.text;
  const auto* object = std::get_if<ast::NameUse>(&member->object->node);
  if (object != nullptr && object->name == "self")
    return stream_.fail(callee.span,
                        "there is no 'self': a layer is called where it is used and named there, as in "
                        "'linear(x, 512) as fc1'");
  if (object != nullptr && is_module_elsewhere(object->name))
    return stream_.fail(callee.span, fmt::format("there are no modules: write '{}(...)' alone", name));
  stream_.fail(stream_.span(),
               fmt::format("there are no methods: write '{}(...)' with what stands before the dot as argument", name));
}

void Parser::refuse_after_alias(const ast::Expr& call) {
  const TokenKind kind = stream_.kind();
  if (find_operator(kind) == nullptr && kind != TokenKind::dot && kind != TokenKind::open_paren) return;
  const ast::Alias& alias = *std::get<ast::Call>(call.node).alias;
  stream_.fail(stream_.span(),
               fmt::format("nothing may follow 'as {}': put the call and its name in parentheses", alias.name.text));
}

// primary := NUMBER | STRING | "true" | "false" | "none" | "inf" | name_or_call | list | "(" expression ")"
ExprPtr Parser::primary() {
  const int first = stream_.position();
  const Token token = stream_.token();
  const auto literal = [&](auto node) {
    stream_.advance();
    return make(first, std::move(node));
  };
  switch (stream_.kind()) {
    case TokenKind::integer: return literal(ast::IntegerLiteral{token.integer});
    case TokenKind::real: return literal(ast::RealLiteral{token.real});
    case TokenKind::string: return literal(ast::StringLiteral{std::string(token.text)});
    case TokenKind::true_word: return literal(ast::BoolLiteral{true});
    case TokenKind::false_word: return literal(ast::BoolLiteral{false});
    case TokenKind::none_word: return literal(ast::NoneLiteral{});
    case TokenKind::inf_word: return literal(ast::InfLiteral{});
    case TokenKind::name: return call_or_name();
    case TokenKind::open_bracket: return list_literal();
    case TokenKind::open_paren: {
      stream_.open(TokenKind::open_paren);
      ExprPtr inner = expression();
      if (stream_.at(TokenKind::comma))
        stream_.fail_expected("')'", "a list stands in brackets; several results stand bare, as in 'return a, b'");
      stream_.close(TokenKind::close_paren, "')'");
      return inner;
    }
    case TokenKind::if_word:
    case TokenKind::not_word:
      stream_.fail_expected("an operand", fmt::format("put the '{}' expression in parentheses", token.text));
      break;
    case TokenKind::scan_word:
      stream_.fail_expected("an expression", "a scan stands alone after '=', or as a statement");
      break;
    case TokenKind::ellipsis:
      stream_.fail_expected("an expression", "'...' stands only in lists and in types' dimensions");
      break;
    case TokenKind::star:
      stream_.fail_expected("an expression", stream_.previous() == TokenKind::star ? "'^' is the power" : "");
      break;
    default: stream_.fail_expected("an expression");
  }
  return make(first, ast::NoneLiteral{});
}

// list := "[" [ element { "," element } [ "," ] ] "]"      element := expression | "..."
ExprPtr Parser::list_literal() {
  const int first = stream_.position();
  stream_.open(TokenKind::open_bracket);
  ast::ListLiteral list;
  while (!stream_.at(TokenKind::close_bracket) && !stream_.failed()) {
    const int element = stream_.position();
    const bool dots = stream_.accept(TokenKind::ellipsis);
    list.elements.push_back(dots ? make(element, ast::Ellipsis{}) : expression());
    if (!stream_.accept(TokenKind::comma)) break;
  }
  stream_.close(TokenKind::close_bracket, "',' or ']'");
  return make(first, std::move(list));
}

// name_or_call := NAME [ "(" [ argument { "," argument } [ "," ] ] ")" [ alias ] ]
ExprPtr Parser::call_or_name() {
  const int first = stream_.position();
  if (stream_.starts_declaration(block_kind_ == BlockKind::train)) stream_.fail_expected("an expression");
  if (is_statement_word(stream_.token().text)) {
    stream_.fail(stream_.span(), fmt::format("expected an expression, found '{}', a reserved word in '{}'",
                                             stream_.token().text, spelling(block_kind_)));
  }
  ast::Name name = take_name();
  if (!stream_.at(TokenKind::open_paren)) return make(first, ast::NameUse{std::move(name.text)});
  ast::Call call{std::move(name), {}, std::nullopt};
  stream_.open(TokenKind::open_paren);
  while (!stream_.at(TokenKind::close_paren) && !stream_.failed()) {
    ast::Argument next = argument();
    check_argument(call.arguments, next);
    call.arguments.push_back(std::move(next));
    if (!stream_.accept(TokenKind::comma)) break;
  }
  refuse_between_arguments();
  stream_.close(TokenKind::close_paren, "',' or ')'");
  if (stream_.at(TokenKind::as_word)) call.alias = alias();
  return make(first, std::move(call));
}

// Behind an argument stands neither a comma nor the end: says what was probably meant.
void Parser::refuse_between_arguments() {
  std::string advice;
  if (stream_.at(TokenKind::assign)) advice = "'==' compares";
  if (stream_.at(TokenKind::name))
    advice = stream_.previous() == TokenKind::close_paren
                 ? fmt::format("a layer's call is named by 'as {}'", stream_.token().text)
                 : "arguments are separated by commas";
  if (stream_.at(TokenKind::colon)) advice = "an argument is named by '='";
  if (!advice.empty()) stream_.fail_expected("',' or ')'", advice);
}

// argument := [ NAME "=" ] expression
ast::Argument Parser::argument() {
  const int first = stream_.position();
  ast::Argument argument;
  if (stream_.next().kind == TokenKind::assign) {
    argument.name = foreign_name("a name before '='");
    stream_.advance();
  }
  argument.value = expression();
  argument.span = stream_.span_from(first);
  return argument;
}

void Parser::check_argument(const std::vector<ast::Argument>& before, const ast::Argument& argument) {
  if (stream_.failed() || before.empty()) return;
  if (!argument.name) {
    if (before.back().name) {
      stream_.report(argument.span, fmt::format("a positional argument may not follow the named argument '{}'",
                                                before.back().name->text));
    }
    return;
  }
  for (const ast::Argument& other : before) {
    if (!other.name || other.name->text != argument.name->text) continue;
    stream_.report(argument.name->span, fmt::format("the argument '{}' is given twice", argument.name->text))
        .note(other.name->span.at, "it is given here before");
    return;
  }
}

// alias := "as" [ "share" ] NAME { "[" expression "]" }
ast::Alias Parser::alias() {
  const int first = stream_.position();
  stream_.advance();
  ast::Alias alias;
  if (stream_.token().text == "share" && stream_.next().kind == TokenKind::name) {
    alias.share = true;
    stream_.advance();
  }
  alias.name = new_name("a name after 'as'");
  while (stream_.at(TokenKind::open_bracket)) {
    stream_.open(TokenKind::open_bracket);
    alias.indices.push_back(expression());
    stream_.close(TokenKind::close_bracket, "']'");
  }
  alias.span = stream_.span_from(first);
  return alias;
}

ExprPtr Parser::index(ExprPtr object, int first) {
  const int open = stream_.position();
  stream_.open(TokenKind::open_bracket);
  ast::Index index{std::move(object), {}, {}};
  if (stream_.at(TokenKind::close_bracket)) stream_.fail_expected("an index or a slice");
  while (!stream_.at(TokenKind::close_bracket) && !stream_.failed()) {
    index.subscripts.push_back(subscript());
    if (!stream_.accept(TokenKind::comma)) break;
  }
  stream_.close(TokenKind::close_bracket, "',' or ']'");
  index.brackets = stream_.span_from(open);
  return make(first, std::move(index));
}

// subscript := "none" | "..." | expression | [ expression ] ":" [ expression ] [ ":" [ expression ] ]
ast::Subscript Parser::subscript() {
  const int first = stream_.position();
  const auto bound = [&]() -> ExprPtr {
    const bool absent = stream_.at(TokenKind::colon) || stream_.at(TokenKind::comma) ||
                        stream_.at(TokenKind::close_bracket) || stream_.failed();
    return absent ? nullptr : expression();
  };
  ast::Subscript subscript;
  if (stream_.accept(TokenKind::ellipsis)) {
    subscript.value = ast::Ellipsis{};
    subscript.span = stream_.span_from(first);
    return subscript;
  }
  ExprPtr start = stream_.at(TokenKind::colon) ? nullptr : expression();
  if (stream_.accept(TokenKind::colon)) {
    ast::Slice slice{std::move(start), bound(), nullptr};
    if (stream_.accept(TokenKind::colon)) slice.step = bound();
    subscript.value = std::move(slice);
  } else if (start && std::holds_alternative<ast::NoneLiteral>(start->node)) {
    subscript.value = ast::NewDimension{};
  } else {
    subscript.value = std::move(start);
  }
  subscript.span = stream_.span_from(first);
  return subscript;
}

}  // namespace nnc::frontend
