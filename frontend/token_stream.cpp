#include "frontend/token_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nnc::frontend {

namespace {

// After these a statement goes on in the next line.
bool continues(TokenKind kind) {
  switch (kind) {
    case TokenKind::caret:
    case TokenKind::star:
    case TokenKind::slash:
    case TokenKind::at:
    case TokenKind::plus:
    case TokenKind::dash:
    case TokenKind::is_equal:
    case TokenKind::is_unequal:
    case TokenKind::is_below:
    case TokenKind::is_at_most:
    case TokenKind::is_above:
    case TokenKind::is_at_least:
    case TokenKind::and_word:
    case TokenKind::or_word:
    case TokenKind::range:
    case TokenKind::assign:
    case TokenKind::arrow:
    case TokenKind::comma: return true;
    default: return false;
  }
}

constexpr Token no_token{};

}  // namespace

TokenStream::TokenStream(Lexer lexer, ir::Diagnostics& diagnostics)
    : lexer_(std::move(lexer)), diagnostics_(diagnostics) {
  lex_ahead();
}

// Keeps the current token and the one after it at hand.
void TokenStream::lex_ahead() {
  while (tokens_.size() < position_ + 2) {
    const Token& t = tokens_.emplace_back(lexer_.next());
    line_ends_.resize(static_cast<std::size_t>(t.line) + 1);
    line_ends_.back() = t.column + t.width;
  }
}

bool TokenStream::in_parentheses() const {
  return !open_.empty() && tokens_[open_.back()].kind != TokenKind::open_brace;
}

bool TokenStream::newline_shows() const {
  if (!newline_before() || in_parentheses()) return false;
  if (token().kind == TokenKind::else_word || token().kind == TokenKind::end) return false;
  return position_ == 0 || !continues(tokens_[position_ - 1].kind);
}

TokenKind TokenStream::kind() const {
  if (poisoned_) return TokenKind::poison;
  return newline_shows() ? TokenKind::newline : token().kind;
}

const Token& TokenStream::next() const {
  const Token& next = tokens_[position_ + 1];
  return next.starts_line && !in_parentheses() && !continues(token().kind) ? no_token : next;
}

void TokenStream::skip() {
  if (token().kind != TokenKind::end) ++position_;
  lex_ahead();
  newline_taken_ = false;
}

void TokenStream::advance() {
  if (poisoned_) return;
  if (newline_shows()) {
    newline_taken_ = true;
  } else {
    skip();
  }
}

bool TokenStream::accept(TokenKind kind) {
  if (!at(kind)) return false;
  advance();
  return true;
}

bool TokenStream::expect(TokenKind kind, std::string_view what) {
  if (accept(kind)) return true;
  fail_expected(what);
  return false;
}

bool TokenStream::open(TokenKind opener) {
  const std::size_t position = position_;
  if (!expect(opener)) return false;
  open_.push_back(position);
  return true;
}

bool TokenStream::close(TokenKind closer, std::string_view what) {
  if (!expect(closer, what)) return false;
  open_.pop_back();
  return true;
}

ast::Span TokenStream::span_from(int first) const {
  const Token& start = tokens_[static_cast<std::size_t>(first)];
  ast::Span span = span_of(start);
  if (position_ <= static_cast<std::size_t>(first)) return span;
  const Token& last = tokens_[position_ - 1];
  const int end = last.line == start.line ? last.column + last.width : line_ends_[static_cast<std::size_t>(start.line)];
  span.width = end - start.column;
  return span;
}

std::string TokenStream::found_text() const {
  return newline_shows() ? describe(TokenKind::newline) : describe(token());
}

// A missing thing at the end of a line or file is missed behind the last token.
ast::Span TokenStream::found_span() const {
  if ((!newline_shows() && token().kind != TokenKind::end) || position_ == 0) return span();
  const Token& last = tokens_[position_ - 1];
  return {{lexer_.file(), last.line, last.column + last.width}, 1};
}

// Whether what is wrong here is that a bracket before is open still: something else closes, the file ends, a block
// opens, or a new line has begun where the list should go on.
bool TokenStream::unclosed() const {
  if (!in_parentheses()) return false;
  const TokenKind opener = tokens_[open_.back()].kind;
  const TokenKind kind = token().kind;
  const TokenKind last = tokens_[position_ - 1].kind;
  switch (kind) {
    case TokenKind::close_paren: return opener != TokenKind::open_paren;
    case TokenKind::close_bracket: return opener != TokenKind::open_bracket;
    case TokenKind::open_brace:
    case TokenKind::close_brace:
    case TokenKind::end: return true;
    case TokenKind::assign: return tokens_[position_ - 1].starts_line;
    default: return token().starts_line && !continues(last) && position_ - 1 != open_.back();
  }
}

void TokenStream::fail_unclosed(std::string_view what) {
  if (poisoned_) return;
  const Token& opener = tokens_[open_.back()];
  ir::Diagnostic& diagnostic = report(
      span_of(opener), fmt::format("'{}' is never closed: expected {}, found {}", opener.text, what, found_text()));
  diagnostic.note(found_span().at, "found here");
  if (const int comment = lexer_.comment_on(opener.line); comment > opener.column && opener.text != "{")
    diagnostic.note({lexer_.file(), opener.line, comment}, "the rest of the line is a comment: one '/' divides");
  poisoned_ = true;
}

void TokenStream::fail_expected(std::string_view what, std::string_view advice) {
  if (poisoned_) return;
  if (token().kind == TokenKind::invalid && !newline_shows()) {
    poisoned_ = true;  // the lexer has reported it
  } else if (unclosed()) {
    fail_unclosed(what);
  } else {
    const std::string suffix = advice.empty() ? "" : fmt::format("; {}", advice);
    fail(found_span(), fmt::format("expected {}, found {}{}", what, found_text(), suffix));
  }
}

void TokenStream::fail(const ast::Span& span, std::string message) {
  if (poisoned_) return;
  report(span, std::move(message));
  poisoned_ = true;
}

ir::Diagnostic& TokenStream::report(const ast::Span& span, std::string message) {
  return diagnostics_.error(span.at, std::move(message), span.width);
}

bool TokenStream::starts_declaration(bool in_train) const {
  const Token& word = token();
  const Token& name = tokens_[position_ + 1];
  if (word.kind != TokenKind::name || !word.starts_line || name.starts_line) return false;
  if (std::find(declaration_words.begin(), declaration_words.end(), word.text) == declaration_words.end()) return false;
  if (word.text == "train" || word.text == "predict") return name.kind == TokenKind::open_brace;
  return name.kind == TokenKind::name && !(in_train && word.text == "optimizer");
}

void TokenStream::recover(std::size_t open_brackets, bool in_train) {
  open_.resize(std::min(open_.size(), open_brackets));
  for (int depth = 0; token().kind != TokenKind::end && !starts_declaration(in_train); skip()) {
    const TokenKind kind = token().kind;
    if (depth == 0 && (kind == TokenKind::close_brace || kind == TokenKind::semicolon || newline_before())) {
      newline_taken_ = true;
      poisoned_ = false;
      return;
    }
    if (kind == TokenKind::open_brace) ++depth;
    if (kind == TokenKind::close_brace) --depth;
  }
}

void TokenStream::recover_declaration(int start) {
  open_.clear();
  if (position() == start) skip();
  // Within braces, `optimizer NAME` is a statement of a train block whose head is wrong.
  int depth = 0;
  for (; token().kind != TokenKind::end && !starts_declaration(depth > 0); skip()) {
    if (token().kind == TokenKind::open_brace) ++depth;
    if (token().kind == TokenKind::close_brace) depth = std::max(0, depth - 1);
  }
  poisoned_ = false;
}

}  // namespace nnc::frontend
