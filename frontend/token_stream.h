// The tokens as the parser sees them: one at a time, with the newlines that end a statement, and errors.
//
// After an error the stream shows only `poison`, so every rule runs out quietly and no further error is reported, until
// `recover` finds the next statement or declaration. What the rules return meanwhile is thrown away.
#pragma once

#include "frontend/lexer.h"

#include <string>
#include <vector>

namespace nnc::frontend {

class TokenStream {
 public:
  TokenStream(std::string file, std::vector<Token> tokens, ir::Diagnostics& diagnostics);

  /// The kind of the current token. A token that starts a line shows as `newline` first, except inside `(` or `[`, after a
  /// binary operator, `=`, `->` or a comma, and before `else`.
  TokenKind kind() const;
  bool at(TokenKind kind) const { return this->kind() == kind; }
  /// At a name with this text.
  bool at_name(std::string_view text) const { return at(TokenKind::name) && token().text == text; }
  /// The current token, whatever newline comes before it.
  const Token& token() const { return tokens_[position_]; }
  /// The token after the current one on the same line; `end` if there is none.
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

  int position() const { return static_cast<int>(position_); }
  ast::Span span() const { return span_of(token()); }
  /// From the token at `first` to the last one taken.
  ast::Span span_from(int first) const;

  bool failed() const { return poisoned_; }
  /// Reports "expected `what`, found ..." at the current token and poisons the stream. Where the cause is a bracket that is
  /// never closed, reports that at the bracket.
  void fail_expected(std::string_view what, std::string_view advice = "");
  void fail(const ast::Span& span, std::string message);
  /// Reports an error that does not hinder parsing.
  ir::Diagnostic& report(const ast::Span& span, std::string message);

  /// After an error: goes to the next statement of this block or its end and clears the error; with `at_declaration` true for
  /// the token where the next declaration starts, stops there and leaves the error standing, so that all blocks end.
  template <class AtDeclaration> void recover(std::size_t open_brackets, AtDeclaration at_declaration) {
    open_.resize(std::min(open_.size(), open_brackets));
    for (int depth = 0; token().kind != TokenKind::end && !at_declaration(); skip()) {
      const TokenKind kind = token().kind;
      if (depth == 0 && (kind == TokenKind::close_brace || kind == TokenKind::semicolon || newline_before())) {
        poisoned_ = false;
        return;
      }
      if (kind == TokenKind::open_brace) ++depth;
      if (kind == TokenKind::close_brace) --depth;
    }
  }
  /// After an error: goes to the next declaration or the end and clears the error.
  template <class AtDeclaration> void recover_declaration(AtDeclaration at_declaration) {
    open_.clear();
    while (token().kind != TokenKind::end && !at_declaration()) skip();
    poisoned_ = false;
  }
  std::size_t open_brackets() const { return open_.size(); }
  /// The token at the current place shown without the newline before it.
  const Token& raw_next() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }

 private:
  ast::Span span_of(const Token& token) const { return {{file_, token.line, token.column}, token.width}; }
  bool in_parentheses() const;
  bool newline_before() const { return token().starts_line && !newline_taken_; }
  bool newline_shows() const;
  bool unclosed() const;
  std::string found() const;
  void skip();

  std::string file_;
  std::vector<Token> tokens_;
  ir::Diagnostics& diagnostics_;
  std::vector<std::size_t> open_;     // positions of the brackets open here
  std::vector<int> line_ends_;        // by line: the column after its last token
  std::size_t position_ = 0;
  bool newline_taken_ = false;
  bool poisoned_ = false;
};

}  // namespace nnc::frontend
