// The tokens of a module's text, and a cursor over them that reports what it misses.
//
// Line ends mean nothing to the grammar; they are where the parser goes on after an error.
#pragma once

#include "ir/diagnostics.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::ir::text {

enum class TokenKind : std::uint8_t {
  end,
  invalid,  // reported by the lexer
  word,     // f32, loc, transpose_b, adam.0
  value,    // %model.fc1.weight
  path,     // @model.fc1.weight
  number,   // -1, 0.5, 1e-05, -inf, nan(0x7fc00001); inf and nan are words
  string,   // "mlp.nn", with \" \\ \n \xHH
  punct,    // ( ) { } [ ] < > , : = * + -> ...
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  // as typed, without the % or @ of names and the quotes of strings
  int line = 1;
  int column = 1;  // in characters, not bytes
  int width = 1;
  bool starts_line = false;
};

/// The tokens of `text`, ended by one of kind `end`. The text outlives the tokens.
std::vector<Token> lex(const std::string& file, std::string_view text, Diagnostics& diagnostics);

/// Letters, digits, `_` and `.`: what names of values and paths consist of.
bool is_path(std::string_view name);
/// A path that does not start with a digit or a point: names of fields, metrics, ops, attributes.
bool is_word(std::string_view name);

/// `"text"` with what cannot stand in a string escaped, and back; `unquoted` of a string token's text.
std::string quoted(std::string_view text);
std::string unquoted(std::string_view text);

/// Walks over tokens. What returns false has reported why.
class Cursor {
 public:
  Cursor(std::string file, std::vector<Token> tokens, Diagnostics& diagnostics);

  const Token& token() const { return tokens_[position_]; }
  const Token& next() const { return tokens_[position_ + (position_ + 1 < tokens_.size() ? 1 : 0)]; }
  std::size_t position() const { return position_; }
  /// The token taken last.
  const Token& taken() const { return tokens_[position_ > 0 ? position_ - 1 : 0]; }
  void advance() { position_ += position_ + 1 < tokens_.size() ? 1 : 0; }

  bool at(TokenKind kind) const { return token().kind == kind; }
  bool at(std::string_view punct) const { return at(TokenKind::punct) && token().text == punct; }
  bool at_word(std::string_view word) const { return at(TokenKind::word) && token().text == word; }
  bool accept(std::string_view punct);
  bool accept_word(std::string_view word);
  bool expect(std::string_view punct);
  bool expect_word(std::string_view word);
  bool expect(TokenKind kind, std::string_view what, std::string_view& text);
  /// An integer in [low, high].
  bool expect_integer(std::string_view what, std::int64_t low, std::int64_t high, std::int64_t& value);

  /// Reports "expected `what`, found ..." here; always false. Silent where the lexer has reported already.
  bool fail_expected(std::string_view what);
  /// Reports at a token; always false.
  bool fail(const Token& token, std::string message);
  bool fail(const Token& token, std::string message, const Token& noted, std::string note);
  SourcePoint point(const Token& token) const { return {file_, token.line, token.column}; }
  /// The candidate near to `name` as "; did you mean 'x'?", or nothing.
  std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) const;
  /// Whether anything was reported, by the lexer too.
  bool failed() const { return failed_; }

  /// After an error in the statement that began at `start`: goes on at the next line that is neither inside a region
  /// nor a graph of that statement, or at a graph's header, or at the `}` that ends the block around the statement.
  void recover(std::size_t start);
  /// Goes to the punctuation, or to a graph's header or the end where that comes first.
  void skip_to(std::string_view punct);
  /// Goes to the next line that starts with one of the words or with `}`, or to a graph's header or the end.
  void skip_to_line(std::span<const std::string_view> words);

 private:
  bool starts_graph(std::size_t position) const;

  std::string file_;
  std::vector<Token> tokens_;
  Diagnostics* diagnostics_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

}  // namespace nnc::ir::text
