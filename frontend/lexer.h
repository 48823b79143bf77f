// Text -> tokens.
//
// Whether a newline ends a statement depends on what stands around it, so the lexer only marks the tokens that start a
// line; `TokenStream` decides.
#pragma once

#include "frontend/ast.h"
#include "ir/diagnostics.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace nnc::frontend {

enum class TokenKind : std::uint8_t {
  end,
  newline,  // a line end that ends a statement; made by TokenStream
  poison,   // what a TokenStream shows after an error, until it has found a place to go on
  invalid,  // already reported
  name,
  integer,
  real,
  string,
  // words reserved everywhere, in the order of lexer.cpp's list
  and_word,
  or_word,
  not_word,
  if_word,
  then_word,
  else_word,
  for_word,
  in_word,
  as_word,
  scan_word,
  carry_word,
  return_word,
  yield_word,
  true_word,
  false_word,
  none_word,
  inf_word,
  // punctuation
  open_paren,
  close_paren,
  open_bracket,
  close_bracket,
  open_brace,
  close_brace,
  comma,
  colon,
  semicolon,
  assign,
  arrow,
  dot,
  range,
  ellipsis,
  caret,
  star,
  slash,
  at,
  plus,
  dash,
  is_equal,
  is_unequal,
  is_below,
  is_at_most,
  is_above,
  is_at_least,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  // as typed; of a string, without the quotes
  int line = 1;
  int column = 1;  // in bytes, like `width`
  int width = 1;
  bool starts_line = false;
  std::int64_t integer = 0;
  double real = 0;
};

/// Makes the tokens of a text one after another, so that its errors come in the text's order with the parser's.
class Lexer {
 public:
  /// The text is what `normalize` makes of a file without fault (see source_text.h), and outlives the tokens.
  Lexer(std::string file, std::string_view text, ir::Diagnostics& diagnostics)
      : file_(std::move(file)), text_(text), diagnostics_(diagnostics) {}

  /// The next token; of kind `end` once the text is at its end.
  Token next();
  const std::string& file() const { return file_; }
  /// The column of the comment on a line read so far; 0 if there is none.
  int comment_on(int line) const {
    const auto at = comments_.find(line);
    return at == comments_.end() ? 0 : at->second;
  }

 private:
  char peek(std::size_t offset = 0) const {
    return position_ + offset < text_.size() ? text_[position_ + offset] : '\0';
  }
  std::string_view rest() const { return text_.substr(position_); }
  void skip_space();
  Token name();
  Token number();
  Token string();
  Token punctuation();
  Token invalid();
  void convert(Token& token);
  bool after_object() const;
  std::size_t foreign_letter(std::size_t ahead) const;
  /// The next `bytes` as a token.
  Token take(TokenKind kind, std::size_t bytes);
  void error(const Token& token, std::string message);

  std::string file_;
  std::string_view text_;
  ir::Diagnostics& diagnostics_;
  Token last_;
  std::map<int, int> comments_;  // columns by line
  std::size_t position_ = 0;
  int line_ = 1;
  int column_ = 1;
  bool starts_line_ = true;
};

/// As messages say it: "'('", "the reserved word 'for'", "the end of the line".
std::string describe(const Token& token);
std::string describe(TokenKind kind);

bool is_reserved(TokenKind kind);

}  // namespace nnc::frontend
