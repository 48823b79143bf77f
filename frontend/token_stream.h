// The tokens as the parser sees them: one at a time, with the newlines that end a statement, and errors.
//
// After an error the stream shows only `poison`, so every rule runs out quietly and no further error is reported, until
// `recover` finds the next statement or declaration. What the rules return meanwhile is thrown away.
#pragma once

#include "frontend/lexer.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::frontend {

constexpr auto declaration_words =
    std::to_array<std::string_view>({"layer", "fn", "optimizer", "schedule", "init", "hyper", "train", "predict"});

class TokenStream {
 public:
  TokenStream(Lexer lexer, ir::Diagnostics& diagnostics);

  /// The kind of the current token. A token that starts a line shows as `newline` first, except inside `(` or `[`,
  /// after a binary operator, `=`, `->` or a comma, and before `else`.
  TokenKind kind() const;
  bool at(TokenKind kind) const { return this->kind() == kind; }
  /// The current token, whatever newline comes before it.
  const Token& token() const { return tokens_[position_]; }
  /// The kind of the token taken last.
  TokenKind previous() const { return position_ == 0 ? TokenKind::newline : tokens_[position_ - 1].kind; }
  std::string_view previous_text() const { return position_ == 0 ? "" : tokens_[position_ - 1].text; }
  /// The token after the current one in the same statement; of kind `end` if there is none.
  const Token& next() const;

  void advance();
  bool accept(TokenKind kind);
  /// Takes the token or reports that `what` was expected.
  bool expect(TokenKind kind, std::string_view what);
  bool expect(TokenKind kind) { return expect(kind, describe(kind)); }
  /// Takes an opening bracket and remembers it for `close`.
  bool open(TokenKind opener);
  /// Takes the bracket that closes the last open one. `what` names all that could stand here.
  bool close(TokenKind closer, std::string_view what);
  std::size_t open_brackets() const { return open_.size(); }

  int position() const { return static_cast<int>(position_); }
  ast::Span span() const { return span_of(token()); }
  /// From the token at `first` to the last one taken.
  ast::Span span_from(int first) const;

  bool failed() const { return poisoned_; }
  /// Reports "expected `what`, found ..." at the current token and poisons the stream. Where the cause is a bracket
  /// that is never closed, reports that at the bracket.
  void fail_expected(std::string_view what, std::string_view advice = "");
  void fail(const ast::Span& span, std::string message);
  /// Reports an error that does not hinder parsing.
  ir::Diagnostic& report(const ast::Span& span, std::string message);
  /// Reports that the innermost open bracket is never closed, and poisons the stream.
  void fail_unclosed(std::string_view what);

  /// Whether a declaration starts here (`optimizer NAME` is a statement in `train`).
  bool starts_declaration(bool in_train) const;
  /// After an error: goes to the next statement of this block, or to its end, and clears the error. Where a declaration
  /// or the end of the file comes first, stops there and leaves the error standing, so that all blocks end.
  void recover(std::size_t open_brackets, bool in_train);
  /// After an error: goes to the next declaration or the end of the file, at least one token on, and clears the error.
  void recover_declaration(int start);

 private:
  ast::Span span_of(const Token& token) const { return {{lexer_.file(), token.line, token.column}, token.width}; }
  ast::Span found_span() const;
  std::string found_text() const;
  bool in_parentheses() const;
  bool newline_before() const { return token().starts_line && !newline_taken_; }
  bool newline_shows() const;
  bool unclosed() const;
  void skip();
  void lex_ahead();

  Lexer lexer_;
  std::vector<Token> tokens_;  // up to the one after the current one
  ir::Diagnostics& diagnostics_;
  std::vector<std::size_t> open_;  // positions of the brackets open here
  std::vector<int> line_ends_;     // by line: the column after its last token so far
  std::size_t position_ = 0;
  bool newline_taken_ = false;
  bool poisoned_ = false;
};

}  // namespace nnc::frontend
