#include "ir/text_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace nnc::ir::text {
namespace {

std::string found(const Token& token) {
  // Long tokens are cut: the caret shows where they are.
  const std::string text(token.text.substr(0, 40));
  switch (token.kind) {
    case TokenKind::end: return "the end of the text";
    case TokenKind::value: return fmt::format("'%{}'", text);
    case TokenKind::path: return fmt::format("'@{}'", text);
    case TokenKind::string: return fmt::format("the string \"{}\"", text);
    default: return fmt::format("'{}'", text);
  }
}

}  // namespace

Cursor::Cursor(std::string file, std::vector<Token> tokens, Diagnostics& diagnostics)
    : file_(std::move(file)), tokens_(std::move(tokens)), diagnostics_(&diagnostics) {
  failed_ = std::ranges::any_of(tokens_, [](const Token& token) { return token.kind == TokenKind::invalid; });
}

bool Cursor::accept(std::string_view punct) {
  if (!at(punct)) return false;
  advance();
  return true;
}

bool Cursor::accept_word(std::string_view word) {
  if (!at_word(word)) return false;
  advance();
  return true;
}

bool Cursor::expect(std::string_view punct) { return accept(punct) || fail_expected(fmt::format("'{}'", punct)); }
bool Cursor::expect_word(std::string_view word) {
  return accept_word(word) || fail_expected(fmt::format("'{}'", word));
}

bool Cursor::expect(TokenKind kind, std::string_view what, std::string_view& text) {
  if (!at(kind)) return fail_expected(what);
  text = token().text;
  advance();
  return true;
}

bool Cursor::expect_integer(std::string_view what, std::int64_t low, std::int64_t high, std::int64_t& value) {
  if (!at(TokenKind::number)) return fail_expected(what);
  const std::string_view text = token().text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return fail_expected(what);
  if (error != std::errc{} || value < low || value > high) {
    return fail(token(), fmt::format("expected {} from {} to {}, found {}", what, low, high, found(token())));
  }
  advance();
  return true;
}

bool Cursor::fail_expected(std::string_view what) {
  if (at(TokenKind::invalid)) return false;
  return fail(token(), fmt::format("expected {}, found {}", what, found(token())));
}

bool Cursor::fail(const Token& token, std::string message) {
  failed_ = true;
  diagnostics_->error(point(token), std::move(message), token.width);
  return false;
}

bool Cursor::fail(const Token& token, std::string message, const Token& noted, std::string note) {
  failed_ = true;
  Diagnostic& error = diagnostics_->error(point(token), std::move(message), token.width);
  if (error.notes.empty()) error.note(point(noted), std::move(note));
  return false;
}

std::string Cursor::suggestion(std::string_view name, const std::vector<std::string>& candidates) const {
  // Errors beyond the last one shown are not worth a search.
  if (diagnostics_->count() >= Diagnostics::max_errors) return "";
  const std::string near = nearest_name(name, candidates);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

bool Cursor::starts_graph(std::size_t position) const {
  const Token& token = tokens_[position];
  constexpr std::string_view headers[] = {"graph", "rule", "kernel", "program"};
  return token.starts_line && token.kind == TokenKind::word &&
         std::ranges::find(headers, token.text) != std::end(headers) && tokens_[position + 1].kind == TokenKind::path;
}

void Cursor::recover(std::size_t start) {
  int depth = 0;
  for (std::size_t i = start; i + 1 < tokens_.size(); ++i) {
    const Token& token = tokens_[i];
    if (token.starts_line && i > start && i >= position_ && (depth <= 0 || starts_graph(i))) {
      position_ = i;
      return;
    }
    if (token.kind != TokenKind::punct) continue;
    // The braces of attributes are on one line; those of regions and graphs follow a parameter list.
    if (token.text == "{" && i > 0 && tokens_[i - 1].kind == TokenKind::punct && tokens_[i - 1].text == ")") ++depth;
    if (token.text == "}" && token.starts_line) --depth;
  }
  position_ = tokens_.size() - 1;
}

void Cursor::skip_to(std::string_view punct) {
  while (!at(punct) && !at(TokenKind::end) && !starts_graph(position_)) advance();
}

void Cursor::skip_to_line(std::span<const std::string_view> words) {
  const auto starts = [&] {
    if (!token().starts_line) return false;
    return at("}") || (at(TokenKind::word) && std::ranges::find(words, token().text) != words.end());
  };
  while (!starts() && !at(TokenKind::end) && !starts_graph(position_)) advance();
}

}  // namespace nnc::ir::text
