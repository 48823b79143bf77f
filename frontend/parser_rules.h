// The rules of the grammar, one function each, in three files by what they parse. A rule reports its errors to the
// stream and returns something harmless.
#pragma once

#include "frontend/ast.h"
#include "frontend/token_stream.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::frontend {

/// What a block belongs to; decides which statements it may hold and which words are reserved in it.
enum class BlockKind : std::uint8_t { none, layer, fn, optimizer, schedule, init, train, predict };

std::string_view spelling(BlockKind kind);
/// The words that start a statement in this kind of block and are no names there.
const std::vector<std::string_view>& statement_words(BlockKind kind);

class Parser {
 public:
  explicit Parser(TokenStream stream) : stream_(std::move(stream)) {}

  std::vector<ast::Declaration> program();

 private:
  // parse_expression.cpp
  ast::ExprPtr expression();
  ast::ExprPtr conditional();
  ast::ExprPtr binary(int lowest);
  ast::ExprPtr prefixed(int lowest);
  ast::ExprPtr exponent();
  ast::ExprPtr postfix();
  ast::ExprPtr primary();
  ast::ExprPtr list_literal();
  ast::ExprPtr call_or_name();
  ast::ExprPtr index(ast::ExprPtr object, int first);
  ast::Subscript subscript();
  ast::Argument argument();
  ast::Alias alias();
  void refuse_call_of(const ast::Expr& callee);
  void refuse_after_alias(const ast::Expr& call);
  void refuse_between_arguments();
  void check_argument(const std::vector<ast::Argument>& before, const ast::Argument& argument);
  template <class Node>
  ast::ExprPtr make(int first, Node node);

  // parse_declaration.cpp
  ast::Declaration declaration();
  ast::Definition definition(ast::Definition::Kind kind);
  ast::Hyper hyper();
  std::vector<ast::Parameter> parameters();
  ast::Parameter parameter();
  ast::TypeExpr type(bool of_data);
  void dimensions(ast::TypeExpr& type);
  void check_type(ast::TypeExpr& type, bool of_data);

  // parse_statement.cpp, parse_training.cpp
  template <class Rule>
  void braced(Rule rule);
  ast::Block block();
  void statement_end();
  ast::Statement statement();
  ast::Assign assign(std::vector<ast::Name> targets);
  ast::Statement assign_or_scan();
  ast::For for_statement();
  ast::If if_statement();
  ast::Scan scan(std::vector<ast::Name> targets);
  ast::Return return_statement();
  ast::Yield yield_statement();
  void fail_no_statement();
  std::optional<ast::Statement> word_statement();
  ast::Param param();
  ast::State state();
  ast::Data data();
  ast::Metric metric();
  ast::UseOptimizer use_optimizer();
  ast::Group group();
  ast::Pattern pattern();
  ast::Stop stop();
  ast::NamedValue named_value();

  // names
  bool is_statement_word(std::string_view text) const;
  /// A name that is declared here: no statement word. `role` says what for ("a name for the parameter").
  ast::Name new_name(std::string_view role);
  /// Likewise, not starting in upper case, as dimensions do.
  ast::Name lower_name(std::string_view role);
  /// A name that belongs to something declared elsewhere, where statement words are names.
  ast::Name foreign_name(std::string_view role);
  ast::Name take_name();

  /// Counts how deep the rules nest; fails beyond ast::max_height.
  class Nesting {
   public:
    explicit Nesting(Parser& parser);
    ~Nesting() { --parser_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  TokenStream stream_;
  BlockKind block_kind_ = BlockKind::none;
  int scan_depth_ = 0;
  int depth_ = 0;
  std::vector<std::string> loop_variables_;
};

// braced := "{" { rule (newline | ";") } "}"
//
// Recovers behind each rule that fails. The last one may also be ended by '}'.
template <class Rule>
void Parser::braced(Rule rule) {
  const Nesting nesting(*this);
  if (stream_.at(TokenKind::colon)) return stream_.fail_expected("'{'", "a block stands in braces");
  if (stream_.at(TokenKind::newline))
    return stream_.fail_expected("'{'", "it stands on the line of what it belongs to");
  if (!stream_.open(TokenKind::open_brace)) return;
  const std::size_t brackets = stream_.open_brackets();
  const bool in_train = block_kind_ == BlockKind::train;
  while (true) {
    while (stream_.accept(TokenKind::newline) || stream_.accept(TokenKind::semicolon)) {}
    if (stream_.at(TokenKind::end) || (!stream_.failed() && stream_.starts_declaration(in_train))) {
      stream_.fail_unclosed("'}'");
    }
    if (stream_.failed() || stream_.at(TokenKind::close_brace)) break;
    rule();
    statement_end();
    if (stream_.failed()) stream_.recover(brackets, in_train);
  }
  stream_.close(TokenKind::close_brace, "'}'");
}

}  // namespace nnc::frontend
