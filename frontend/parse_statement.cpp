#include "frontend/parser_rules.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nnc::frontend {

// block := "{" { statement (newline | ";") } "}"
ast::Block Parser::block() {
  ast::Block block;
  braced([&] { block.push_back(statement()); });
  return block;
}

void Parser::statement_end() {
  if (stream_.accept(TokenKind::newline) || stream_.accept(TokenKind::semicolon)) return;
  if (stream_.at(TokenKind::close_brace) || stream_.at(TokenKind::end)) return;
  std::string advice;
  if (stream_.at(TokenKind::comma)) advice = "on one line, ';' stands between statements";
  if (stream_.at(TokenKind::if_word)) advice = "a choice is written 'if c then a else b'";
  if (stream_.previous() == TokenKind::name && stream_.at(TokenKind::name) &&
      stream_.next().kind == TokenKind::open_paren)
    advice = fmt::format("a call has parentheses: '{}(...)'", stream_.previous_text());
  if (stream_.previous_text() == "lambda") advice = "a function is declared outside of blocks: 'fn f(x) = ...'";
  stream_.fail_expected("the end of the statement", advice);
}

// statement := for | if | scan | return | yield | assignment | a statement of the block's own words
ast::Statement Parser::statement() {
  const int first = stream_.position();
  const auto made = [&](auto node) { return ast::Statement{stream_.span_from(first), std::move(node)}; };
  switch (stream_.kind()) {
    case TokenKind::for_word: return made(for_statement());
    case TokenKind::if_word: return made(if_statement());
    case TokenKind::scan_word: return made(scan({}));
    case TokenKind::return_word: return made(return_statement());
    case TokenKind::yield_word: return made(yield_statement());
    case TokenKind::name: break;
    default: stream_.fail_expected("a statement"); return made(ast::Assign{});
  }
  if (std::optional<ast::Statement> own = word_statement()) {
    own->span = stream_.span_from(first);
    return std::move(*own);
  }
  ast::Statement assignment = assign_or_scan();
  assignment.span = stream_.span_from(first);
  return assignment;
}

// assignment := NAME { "," NAME } "=" (expression | scan)
ast::Statement Parser::assign_or_scan() {
  const TokenKind next = stream_.next().kind;
  if (next != TokenKind::assign && next != TokenKind::comma) {
    fail_no_statement();
    return {stream_.span(), ast::Assign{}};
  }
  std::vector<ast::Name> targets;
  do {
    if (stream_.at(TokenKind::open_paren) && !targets.empty())
      stream_.fail_expected("a name to assign to", "names stand side by side: 'a, b, c = ...'");
    ast::Name target = lower_name("a name to assign to");
    const auto same = [&](const ast::Name& other) { return other.text == target.text; };
    if (!stream_.failed() && !ast::is_discarded(target) && std::any_of(targets.begin(), targets.end(), same)) {
      stream_.report(target.span, fmt::format("'{}' is assigned twice in one statement", target.text));
    }
    if (std::find(loop_variables_.begin(), loop_variables_.end(), target.text) != loop_variables_.end()) {
      stream_.report(target.span, fmt::format("'{}' cannot be assigned: it is the variable of a loop", target.text));
    }
    targets.push_back(std::move(target));
  } while (stream_.accept(TokenKind::comma));
  stream_.expect(TokenKind::assign);
  if (stream_.at(TokenKind::scan_word)) return {{}, scan(std::move(targets))};
  return {{}, ast::Assign{std::move(targets), expression()}};
}

// A name starts what is no statement: says what was probably meant.
void Parser::fail_no_statement() {
  const std::string name(stream_.token().text);
  const ast::Span span = stream_.span();
  const TokenKind next = stream_.next().kind;
  if (next == TokenKind::open_paren) {
    return stream_.fail(span, fmt::format("a call is not a statement: use its result, as in 'y = {}(...)'", name));
  }
  if (next == TokenKind::dot) {
    while (stream_.at(TokenKind::name) || stream_.at(TokenKind::dot)) stream_.advance();
    if (stream_.at(TokenKind::open_paren))
      return stream_.fail(span,
                          "there are no methods, and a call is not a statement: 'loss' and 'optimizer' in 'train' "
                          "say what is minimized and how");
    if (name == "self")
      return stream_.fail(span,
                          "there is no 'self': a layer is called where it is used and named there, as in "
                          "'linear(x, 512) as fc1'");
  }
  if (next == TokenKind::open_bracket || next == TokenKind::dot) {
    return stream_.fail(span, fmt::format("a part of '{}' cannot be assigned: assign a new value to a name", name));
  }
  std::string homes;
  for (const BlockKind kind : {BlockKind::layer, BlockKind::optimizer, BlockKind::train, BlockKind::predict}) {
    const auto& words = statement_words(kind);
    if (std::find(words.begin(), words.end(), name) == words.end()) continue;
    homes += fmt::format("{}'{}'", homes.empty() ? "" : " or ", spelling(kind));
  }
  if (!homes.empty()) {
    return stream_.fail(span, fmt::format("'{}' stands only in {}, not in '{}'", name, homes, spelling(block_kind_)));
  }
  const auto& own = statement_words(block_kind_);
  std::vector<std::string> words(own.begin(), own.end());
  words.insert(words.end(), {"for", "if", "scan", "return", "yield"});
  const std::string near = next == TokenKind::name ? suggestion(name, words) : "";
  std::string advice = near.empty() ? "" : fmt::format("did you mean '{}'?", near);
  if (name == "while") advice = "loops have a known range: 'for i in 0..n', or 'scan' over time";
  if (name == "let" || name == "var" || name == "const" || name == "auto")
    advice = "an assignment has no word before its name";
  if (name == "scheduler" || name == "schedule" || name == "lr_scheduler")
    advice = "a schedule is an argument of the optimizer: 'sgd(lr = cosine(0.1))'";
  if (next == TokenKind::colon) advice = "a name has the type of its value";
  if (next == TokenKind::plus || next == TokenKind::dash || next == TokenKind::star || next == TokenKind::slash)
    advice = fmt::format("a change is written '{0} = {0} {1} ...'", name, stream_.next().text);
  stream_.advance();
  stream_.fail_expected(fmt::format("'=' after '{}'", name), advice);
}

// for := "for" NAME "in" expression ".." expression block
ast::For Parser::for_statement() {
  stream_.advance();
  ast::For loop;
  loop.variable = lower_name("a name for the loop's variable");
  stream_.expect(TokenKind::in_word);
  loop.from = expression();
  if (!stream_.at(TokenKind::range)) stream_.fail_expected("'..'", "a loop runs over a range, as in '0..3'");
  stream_.expect(TokenKind::range, "'..'");
  loop.to = expression();
  loop_variables_.push_back(loop.variable.text);
  loop.body = block();
  loop_variables_.pop_back();
  return loop;
}

// if := "if" expression block { "else" "if" expression block } [ "else" block ]
ast::If Parser::if_statement() {
  ast::If choice;
  stream_.advance();
  do {
    ast::ExprPtr condition = expression();
    choice.branches.push_back({std::move(condition), block()});
    if (!stream_.accept(TokenKind::else_word)) return choice;
  } while (stream_.accept(TokenKind::if_word));
  choice.otherwise = block();
  return choice;
}

// scan := "scan" NAME "in" expression ".." expression [ "carry" NAME "=" expression { "," NAME "=" expression } ] block
ast::Scan Parser::scan(std::vector<ast::Name> targets) {
  ast::Scan scan;
  scan.targets = std::move(targets);
  scan.word = stream_.span();
  stream_.advance();
  scan.variable = lower_name("a name for the scan's variable");
  stream_.expect(TokenKind::in_word);
  scan.from = expression();
  stream_.expect(TokenKind::range, "'..'");
  scan.to = expression();
  if (stream_.accept(TokenKind::carry_word)) {
    do {
      ast::Name name = lower_name("a name to carry");
      const auto same = [&](const ast::NamedValue& other) { return other.name.text == name.text; };
      if (!stream_.failed() && std::any_of(scan.carries.begin(), scan.carries.end(), same)) {
        stream_.report(name.span, fmt::format("'{}' is carried twice", name.text));
      }
      stream_.expect(TokenKind::assign);
      scan.carries.push_back({std::move(name), expression()});
    } while (stream_.accept(TokenKind::comma));
  }
  loop_variables_.push_back(scan.variable.text);
  ++scan_depth_;
  scan.body = block();
  --scan_depth_;
  loop_variables_.pop_back();
  return scan;
}

// return := "return" result { "," result }      result := [ NAME "=" ] expression
ast::Return Parser::return_statement() {
  if (scan_depth_ > 0) {
    stream_.fail(stream_.span(), "'return' may not stand in a scan: yield the value, or carry it out");
  } else if (block_kind_ == BlockKind::train || block_kind_ == BlockKind::optimizer) {
    stream_.fail(stream_.span(), fmt::format("'return' may not stand in '{}'", spelling(block_kind_)));
  }
  stream_.advance();
  ast::Return node;
  do {
    ast::Result result;
    if (stream_.at(TokenKind::name) && stream_.next().kind == TokenKind::assign) {
      if (block_kind_ != BlockKind::predict) stream_.fail(stream_.span(), "results have names only in 'predict'");
      result.name = foreign_name("a name for the result");
      stream_.advance();
      for (const ast::Result& other : node.results) {
        if (!other.name || other.name->text != result.name->text) continue;
        stream_.report(result.name->span, fmt::format("the result '{}' is named twice", result.name->text));
      }
    }
    result.value = expression();
    node.results.push_back(std::move(result));
  } while (stream_.accept(TokenKind::comma));
  return node;
}

// yield := "yield" expression { "," expression }
ast::Yield Parser::yield_statement() {
  if (scan_depth_ == 0) stream_.fail(stream_.span(), "'yield' stands only in a scan");
  stream_.advance();
  ast::Yield node;
  do {
    node.values.push_back(expression());
  } while (stream_.accept(TokenKind::comma));
  return node;
}

}  // namespace nnc::frontend
