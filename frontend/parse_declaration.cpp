#include "frontend/parser_rules.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace nnc::frontend {

namespace {

struct DefinitionRow {
  std::string_view word;
  ast::Definition::Kind kind;
  BlockKind block;
  bool has_results;
  bool has_short_form;
};

using Kind = ast::Definition::Kind;
constexpr auto definition_rows = std::to_array<DefinitionRow>({
    {"layer", Kind::layer, BlockKind::layer, true, false},
    {"fn", Kind::fn, BlockKind::fn, true, true},
    {"optimizer", Kind::optimizer, BlockKind::optimizer, false, false},
    {"schedule", Kind::schedule, BlockKind::schedule, true, true},
    {"init", Kind::init, BlockKind::init, true, true},
});

const DefinitionRow& row_of(Kind kind) { return definition_rows[static_cast<std::size_t>(kind)]; }

std::vector<std::string> type_names() {
  std::vector<std::string> names = {"int", "bool", "str", "init", "chars", "tokens"};
  for (const ir::DType dtype : ir::all_dtypes()) names.emplace_back(ir::name(dtype));
  return names;
}

bool starts_upper(std::string_view name) { return !name.empty() && name[0] >= 'A' && name[0] <= 'Z'; }

}  // namespace

// program := { declaration }
std::vector<ast::Declaration> Parser::program() {
  std::vector<ast::Declaration> declarations;
  while (true) {
    while (stream_.accept(TokenKind::newline) || stream_.accept(TokenKind::semicolon)) {}
    if (stream_.at(TokenKind::end)) return declarations;
    const int start = stream_.position();
    block_kind_ = BlockKind::none;
    scan_depth_ = 0;
    declarations.push_back(declaration());
    statement_end();
    if (stream_.failed()) stream_.recover_declaration(start);
  }
}

// declaration := definition | "hyper" NAME "=" expression | "train" block | "predict" block
ast::Declaration Parser::declaration() {
  const std::string_view word = stream_.at(TokenKind::name) ? stream_.token().text : "";
  const ast::Span span = stream_.span();
  for (const DefinitionRow& row : definition_rows) {
    if (row.word == word) return definition(row.kind);
  }
  if (word == "hyper") return hyper();
  if (word == "train" || word == "predict") {
    stream_.advance();
    const bool train = word == "train";
    block_kind_ = train ? BlockKind::train : BlockKind::predict;
    ast::Block body = block();
    if (train) return ast::Train{std::move(body), span};
    return ast::Predict{std::move(body), span};
  }
  const std::string near = word.empty() ? "" : suggestion(word, {declaration_words.begin(), declaration_words.end()});
  const bool closing = stream_.at(TokenKind::close_brace);
  const bool value = stream_.next().kind == TokenKind::assign;
  const bool import = word == "import" || word == "from" || word == "using" || word == "include";
  const bool function =
      word == "def" || word == "function" || word == "func" || word == "class" || word == "model" || word == "module";
  stream_.fail_expected("a declaration (layer, fn, optimizer, schedule, init, hyper, train or predict)",
                        closing        ? "every '{' before it is closed already"
                        : import       ? "there are no imports: the standard library is known everywhere"
                        : value        ? fmt::format("a value for the whole file is declared by 'hyper {} = ...'", word)
                        : function     ? "did you mean 'layer' or 'fn'?"
                        : near.empty() ? ""
                                       : fmt::format("did you mean '{}'?", near));
  return ast::Train{{}, span};
}

// definition := ("layer" | "fn" | "optimizer" | "schedule" | "init") NAME "(" [ parameter { "," parameter } [ "," ] ]
//               ")" [ "->" type { "," type } ] (block | "=" expression)
//
// An optimizer has no "->"; layers and optimizers have no short form.
ast::Definition Parser::definition(ast::Definition::Kind kind) {
  const DefinitionRow& row = row_of(kind);
  ast::Definition node;
  node.kind = kind;
  node.span = stream_.span();
  stream_.advance();
  node.name = foreign_name(fmt::format("a name after '{}'", row.word));
  block_kind_ = row.block;
  node.parameters = parameters();
  if (row.has_results && stream_.accept(TokenKind::arrow)) {
    do {
      node.results.push_back(type(false));
    } while (stream_.accept(TokenKind::comma));
  }
  if (row.has_short_form && stream_.accept(TokenKind::assign)) {
    const int first = stream_.position();
    ast::Return result;
    result.results.push_back({std::nullopt, expression()});
    node.body.push_back({stream_.span_from(first), std::move(result)});
    node.short_form = true;
  } else if (stream_.at(TokenKind::open_brace)) {
    node.body = block();
  } else {
    const bool arrow = row.has_results && node.results.empty();
    std::string advice;
    if (stream_.at(TokenKind::colon) && arrow) advice = "the result's type stands behind '->'";
    if (stream_.at(TokenKind::newline)) advice = "'{' stands on the line of what it belongs to";
    if (stream_.at(TokenKind::assign)) advice = fmt::format("only a fn has the short form, not a {}", row.word);
    stream_.fail_expected(fmt::format("{}{}'{{'", arrow ? (row.has_short_form ? "'->', " : "'->' or ") : "",
                                      row.has_short_form ? "'=' or " : ""),
                          advice);
  }
  return node;
}

// hyper := "hyper" NAME "=" expression
ast::Hyper Parser::hyper() {
  ast::Hyper node;
  node.span = stream_.span();
  stream_.advance();
  node.name = lower_name("a name after 'hyper'");
  if (stream_.at(TokenKind::colon))
    stream_.fail_expected("'=' and the default value", "a hyper's type is that of its default");
  stream_.expect(TokenKind::assign, "'=' and the default value");
  node.value = expression();
  return node;
}

std::vector<ast::Parameter> Parser::parameters() {
  std::vector<ast::Parameter> parameters;
  if (!stream_.open(TokenKind::open_paren)) return parameters;
  while (!stream_.at(TokenKind::close_paren) && !stream_.failed()) {
    ast::Parameter next = parameter();
    for (const ast::Parameter& other : parameters) {
      if (stream_.failed() || other.name.text != next.name.text) continue;
      stream_.report(next.name.span, fmt::format("the parameter '{}' is declared twice", next.name.text))
          .note(other.name.span.at, "it is declared here before");
    }
    parameters.push_back(std::move(next));
    if (!stream_.accept(TokenKind::comma)) break;
  }
  if (stream_.at(TokenKind::open_bracket) || stream_.at(TokenKind::name))
    stream_.fail_expected("',' or ')'", "a parameter is written 'NAME: TYPE'");
  stream_.close(TokenKind::close_paren, "',' or ')'");
  return parameters;
}

// parameter := NAME [ ":" type ] [ "=" expression ]
ast::Parameter Parser::parameter() {
  ast::Parameter node;
  node.name = lower_name("a parameter's name");
  if (stream_.accept(TokenKind::colon)) node.type = type(false);
  if (stream_.accept(TokenKind::assign)) node.default_value = expression();
  return node;
}

// type      := NAME [ dimensions ]                          NAME: f32, f64, bf16, i32, i64, u16, u8, bool; int, str,
// init data_type := type | ("chars" | "tokens") "(" expression ")" dimensions
ast::TypeExpr Parser::type(bool of_data) {
  const int first = stream_.position();
  ast::TypeExpr node;
  const std::string name(stream_.token().text);
  if (!stream_.expect(TokenKind::name, "a type, such as f32[N, 10]")) return node;
  if (name == "int") {
    node.kind = ast::TypeExpr::Kind::integer;
  } else if (name == "bool") {
    node.kind = ast::TypeExpr::Kind::boolean;
    node.dtype = ir::DType::boolean;
  } else if (name == "str") {
    node.kind = ast::TypeExpr::Kind::string;
  } else if (name == "init") {
    node.kind = ast::TypeExpr::Kind::initializer;
  } else if (name == "chars" || name == "tokens") {
    node.kind = name == "chars" ? ast::TypeExpr::Kind::chars : ast::TypeExpr::Kind::tokens;
    stream_.open(TokenKind::open_paren);
    node.vocabulary = expression();
    stream_.close(TokenKind::close_paren, "')'");
  } else if (const std::optional<ir::DType> dtype = ir::dtype_named(name)) {
    node.dtype = *dtype;
  } else {
    std::string near(element_type_called(name));
    if (near.empty()) near = suggestion(name, type_names());
    stream_.fail(stream_.span_from(first), fmt::format("expected a type, found '{}'{}", name,
                                                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }
  if (stream_.at(TokenKind::open_paren))
    stream_.fail(stream_.span(), fmt::format("dimensions stand in brackets: '{}[...]'", name));
  if (stream_.at(TokenKind::open_bracket)) dimensions(node);
  node.span = stream_.span_from(first);
  if (!stream_.failed()) check_type(node, of_data);
  return node;
}

// dimensions := "[" [ dimension { "," dimension } [ "," ] ] "]"      dimension := expression | "..."
void Parser::dimensions(ast::TypeExpr& type) {
  stream_.open(TokenKind::open_bracket);
  std::vector<ast::ExprPtr>& dims = type.dims.emplace();
  bool dots = false;
  while (!stream_.at(TokenKind::close_bracket) && !stream_.failed()) {
    if (stream_.at(TokenKind::ellipsis)) {
      const ast::Span span = stream_.span();
      stream_.advance();
      if (dots) stream_.report(span, "'...' stands once in a type");
      dots = true;
      dims.push_back(std::make_unique<ast::Expr>(ast::Expr{span, ast::Ellipsis{}}));
    } else {
      dims.push_back(expression());
    }
    if (!stream_.accept(TokenKind::comma)) break;
  }
  stream_.close(TokenKind::close_bracket, "',' or ']'");
}

void Parser::check_type(ast::TypeExpr& type, bool of_data) {
  using TypeKind = ast::TypeExpr::Kind;
  if (type.kind == TypeKind::boolean && (type.dims || of_data)) type.kind = TypeKind::element;
  const bool text = type.kind == TypeKind::chars || type.kind == TypeKind::tokens;
  if (text && !of_data) {
    stream_.report(type.span, "'chars' and 'tokens' are types of data fields only");
  } else if (text && (!type.dims || type.dims->size() != 1)) {
    stream_.report(type.span, "a field of text has one dimension, as in 'chars(vocab)[window + 1]'");
  } else if (!text && type.kind != TypeKind::element && type.kind != TypeKind::boolean) {
    if (of_data) stream_.report(type.span, "a data field's type is an element type, such as f32 or u8[28, 28]");
    if (!of_data && type.dims) stream_.report(type.span, "'int', 'str' and 'init' have no dimensions");
  }
}

ast::Name Parser::take_name() {
  ast::Name name{std::string(stream_.token().text), stream_.span()};
  stream_.advance();
  return name;
}

ast::Name Parser::foreign_name(std::string_view role) {
  if (!stream_.at(TokenKind::name)) {
    stream_.fail_expected(role);
    return {"", stream_.span()};
  }
  return take_name();
}

ast::Name Parser::new_name(std::string_view role) {
  ast::Name name = foreign_name(role);
  if (is_statement_word(name.text)) {
    stream_.fail(name.span, fmt::format("expected {}, found '{}', a reserved word in '{}'", role, name.text,
                                        spelling(block_kind_)));
  }
  return name;
}

ast::Name Parser::lower_name(std::string_view role) {
  ast::Name name = new_name(role);
  if (!stream_.failed() && starts_upper(name.text)) {
    stream_.report(name.span,
                   fmt::format("expected {} in lower case, found '{}': upper case names dimensions", role, name.text));
  }
  return name;
}

}  // namespace nnc::frontend
