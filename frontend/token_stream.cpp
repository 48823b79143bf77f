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

bool closes(TokenKind kind) {
  return kind == TokenKind::close_paren || kind == TokenKind::close_bracket || kind == TokenKind::close_brace ||
         kind == TokenKind::end;
}

const Token no_token{};

}  // namespace

TokenStream::TokenStream(std::string file, std::vector<Token> tokens, ir::Diagnostics& diagnostics)
    : file_(std::move(file)), tokens_(std::move(tokens)), diagnostics_(diagnostics) {
  line_ends_.resize(static_cast<std::size_t>(tokens_.back().line) + 1);
  for (const Token& t : tokens_) line_ends_[static_cast<std::size_t>(t.line)] = t.column + t.width;
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
  const Token& next = raw_next();
  return next.starts_line && !in_parentheses() ? no_token : next;
}

void TokenStream::skip() {
  if (token().kind != TokenKind::end) ++position_;
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

std::string TokenStream::found() const { return describe(at(TokenKind::newline) ? TokenKind::newline : token().kind); }

// Whether what is wrong here is that a bracket before is open still: something else closes, the file ends, or a new line has
// begun that looks like a statement.
bool TokenStream::unclosed() const {
  if (!in_parentheses()) return false;
  const TokenKind kind = token().kind;
  if (closes(kind)) {
    const bool pair = tokens_[open_.back()].kind == TokenKind::open_paren ? kind == TokenKind::close_paren
                                                                          : kind == TokenKind::close_bracket;
    return !pair;
  }
  if (token().starts_line) return true;
  return kind == TokenKind::assign && tokens_[position_ - 1].starts_line;
}

void TokenStream::fail_expected(std::string_view what, std::string_view advice) {
  if (poisoned_) return;
  if (token().kind == TokenKind::invalid && !newline_shows()) {
    poisoned_ = true;
    return;
  }
  const std::string suffix = advice.empty() ? "" : fmt::format("; {}", advice);
  if (unclosed()) {
    const Token& opener = tokens_[open_.back()];
    report(span_of(opener), fmt::format("'{}' is never closed: expected {}, found {}", opener.text, what, found_text()))
        .note({file_, token().line, token().column}, "found here");
  } else {
    report(found_span(), fmt::format("expected {}, found {}{}", what, found_text(), suffix));
  }
  poisoned_ = true;
}

void TokenStream::fail(const ast::Span& span, std::string message) {
  if (poisoned_) return;
  report(span, std::move(message));
  poisoned_ = true;
}

ir::Diagnostic& TokenStream::report(const ast::Span& span, std::string message) {
  return diagnostics_.error(span.at, std::move(message), span.width);
}

}  // namespace nnc::frontend
