#include "frontend/parser.h"

#include "frontend/lexer.h"
#include "frontend/parser_rules.h"
#include "frontend/source_text.h"
#include "frontend/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace nnc::frontend {

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
  if (++parser_.depth_ > ast::max_height) {
    parser_.stream_.fail(parser_.stream_.span(), fmt::format("nested more than {} levels deep", ast::max_height));
  }
}

std::optional<ast::Program> parse(std::string file, std::string_view text, ir::Diagnostics& diagnostics) {
  const int errors = diagnostics.count();
  const SourceText source = normalize(text);
  diagnostics.add_source(file, source.text);
  if (source.fault) {
    diagnostics.error({file, source.fault->line, source.fault->column}, source.fault->message);
    return std::nullopt;
  }
  ast::Program program;
  program.declarations = Parser(TokenStream(Lexer(file, source.text, diagnostics), diagnostics)).program();
  program.file = std::move(file);
  if (diagnostics.count() > errors) return std::nullopt;
  return program;
}

namespace ast {

std::string_view spelling(BinaryOp op) {
  static constexpr auto spellings = split_words<14>("^ * / @ + - == != < <= > >= and or");
  return spellings.at(static_cast<std::size_t>(op));
}

std::string_view spelling(UnaryOp op) {
  static constexpr auto spellings = split_words<2>("- not");
  return spellings.at(static_cast<std::size_t>(op));
}

std::string_view spelling(Definition::Kind kind) {
  constexpr auto spellings = std::to_array<std::string_view>({"layer", "fn", "optimizer", "schedule", "init"});
  return spellings.at(static_cast<std::size_t>(kind));
}

}  // namespace ast

}  // namespace nnc::frontend
