#include "frontend/parser_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nnc::frontend {

namespace {

constexpr auto stop_words = std::to_array<std::string_view>({"patience", "min_delta"});

/// How a statement that starts with this word is written.
std::string_view form_of(std::string_view word) {
  if (word == "param") return "write 'param NAME: TYPE = INITIALIZER'";
  if (word == "state") return "write 'state NAME: TYPE = INITIALIZER'";
  if (word == "data") return "write 'data NAME: TYPE'";
  if (word == "loss") return "write 'loss EXPRESSION'";
  if (word == "metric") return "write 'metric NAME = EXPRESSION'";
  if (word == "optimizer") return "write 'optimizer NAME(...)'";
  if (word == "group") return "write 'group PATTERN { ... }'";
  return "write 'stop patience = 3'";
}

template <class Words>
bool contains(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::string_view spelling(BlockKind kind) {
  switch (kind) {
    case BlockKind::none: break;
    case BlockKind::layer: return "layer";
    case BlockKind::fn: return "fn";
    case BlockKind::optimizer: return "optimizer";
    case BlockKind::schedule: return "schedule";
    case BlockKind::init: return "init";
    case BlockKind::train: return "train";
    case BlockKind::predict: return "predict";
  }
  return "hyper";
}

const std::vector<std::string_view>& statement_words(BlockKind kind) {
  static const std::vector<std::string_view> layer = {"param", "state"};
  static const std::vector<std::string_view> optimizer = {"state"};
  static const std::vector<std::string_view> predict = {"data"};
  static const std::vector<std::string_view> none;
  static const std::vector<std::string_view> train = [] {
    std::vector<std::string_view> words = {"data", "loss", "metric", "optimizer", "group", "stop"};
    words.insert(words.end(), ast::setting_words.begin(), ast::setting_words.end());
    return words;
  }();
  switch (kind) {
    case BlockKind::layer: return layer;
    case BlockKind::optimizer: return optimizer;
    case BlockKind::train: return train;
    case BlockKind::predict: return predict;
    default: return none;
  }
}

bool Parser::is_statement_word(std::string_view text) const { return contains(statement_words(block_kind_), text); }

// The statements that start with a word of this kind of block; empty if the current name is none.
//
// layer:     param | state
// optimizer: state
// train:     data | "loss" expression | metric | optimizer | group | stop | SETTING "=" expression
// predict:   data
std::optional<ast::Statement> Parser::word_statement() {
  const std::string_view word = stream_.token().text;
  if (!is_statement_word(word)) return std::nullopt;
  const bool setting = contains(ast::setting_words, word);
  if (!setting && stream_.next().kind == TokenKind::assign) {
    stream_.fail(stream_.span(), fmt::format("'{}' is a reserved word in '{}' and cannot be assigned: {}", word,
                                             spelling(block_kind_), form_of(word)));
  } else if (scan_depth_ > 0) {
    stream_.fail(stream_.span(), fmt::format("'{}' may not stand in a scan", word));
  }
  const auto made = [&](auto node) { return ast::Statement{{}, std::move(node)}; };
  if (setting) {
    ast::Name name = take_name();
    stream_.expect(TokenKind::assign, fmt::format("'=' after '{}'", name.text));
    return made(ast::Setting{std::move(name), expression()});
  }
  stream_.advance();
  if (word == "param") return made(param());
  if (word == "state") return made(state());
  if (word == "data") return made(data());
  if (word == "loss") return made(ast::Loss{expression()});
  if (word == "metric") return made(metric());
  if (word == "optimizer") return made(use_optimizer());
  if (word == "group") return made(group());
  return made(stop());
}

// param := "param" NAME [ "[" expression "]" [ NAME ] ] ":" type "=" expression
ast::Param Parser::param() {
  ast::Param node;
  node.name = lower_name("a name for the parameter");
  if (stream_.at(TokenKind::open_bracket)) {
    stream_.open(TokenKind::open_bracket);
    node.index = expression();
    node.index_at = node.name.text.size();
    stream_.close(TokenKind::close_bracket, "']'");
    if (stream_.at(TokenKind::name)) node.name.text += lower_name("the rest of the parameter's name").text;
  }
  stream_.expect(TokenKind::colon, "':' and the parameter's type");
  node.type = type(false);
  stream_.expect(TokenKind::assign, "'=' and the parameter's initial value");
  node.initializer = expression();
  return node;
}

// state := "state" NAME [ ":" type ] "=" expression
ast::State Parser::state() {
  ast::State node;
  node.name = lower_name("a name for the state");
  if (stream_.accept(TokenKind::colon)) node.type = type(false);
  stream_.expect(TokenKind::assign, "'=' and the state's initial value");
  node.initializer = expression();
  return node;
}

// data := "data" NAME ":" data_type { "," NAME ":" data_type }
ast::Data Parser::data() {
  ast::Data node;
  do {
    ast::Name name = lower_name("a name for the data field");
    stream_.expect(TokenKind::colon, "':' and the field's type");
    node.fields.push_back({std::move(name), type(true)});
  } while (stream_.accept(TokenKind::comma));
  return node;
}

// metric := "metric" NAME "=" expression
ast::Metric Parser::metric() {
  ast::Metric node;
  node.name = foreign_name("a name for the metric");
  if (stream_.at(TokenKind::open_paren))
    stream_.fail_expected("'=' and the metric's value",
                          fmt::format("a metric has a name: 'metric {0} = {0}(...)'", node.name.text));
  stream_.expect(TokenKind::assign, "'=' and the metric's value");
  node.value = expression();
  return node;
}

// optimizer := "optimizer" call
ast::UseOptimizer Parser::use_optimizer() {
  ast::UseOptimizer node;
  if (!stream_.at(TokenKind::name)) stream_.fail_expected("an optimizer, as in 'optimizer adam(lr = 1e-3)'");
  node.call = expression();
  const auto* call = std::get_if<ast::Call>(&node.call->node);
  if (call == nullptr) {
    stream_.fail(node.call->span, "an optimizer is called, as in 'optimizer adam(lr = 1e-3)'");
  } else if (call->alias) {
    stream_.fail(call->alias->span, "an optimizer takes no name");
  }
  return node;
}

// group := "group" pattern { "," pattern } "{" { setting (newline | ";") } "}"
// setting := NAME "=" expression
ast::Group Parser::group() {
  ast::Group node;
  do {
    node.patterns.push_back(pattern());
  } while (stream_.accept(TokenKind::comma));
  braced([&] {
    ast::NamedValue setting = named_value();
    const auto same = [&](const ast::NamedValue& other) { return other.name.text == setting.name.text; };
    if (!stream_.failed() && std::any_of(node.settings.begin(), node.settings.end(), same)) {
      stream_.report(setting.name.span, fmt::format("'{}' is set twice in this group", setting.name.text));
    }
    node.settings.push_back(std::move(setting));
  });
  return node;
}

// pattern := NAME { "." NAME | "[" expression "]" }
ast::Pattern Parser::pattern() {
  const int first = stream_.position();
  ast::Pattern pattern;
  const auto name_part = [&] {
    ast::Name name = foreign_name("a name of a layer or a parameter");
    pattern.parts.push_back({std::move(name.text), nullptr, std::move(name.span)});
  };
  name_part();
  while (true) {
    const int open = stream_.position();
    if (stream_.accept(TokenKind::dot)) {
      name_part();
    } else if (stream_.at(TokenKind::open_bracket)) {
      stream_.open(TokenKind::open_bracket);
      ast::ExprPtr index = expression();
      stream_.close(TokenKind::close_bracket, "']'");
      pattern.parts.push_back({"", std::move(index), stream_.span_from(open)});
    } else {
      break;
    }
  }
  pattern.span = stream_.span_from(first);
  return pattern;
}

// stop := "stop" NAME "=" expression { "," NAME "=" expression }
ast::Stop Parser::stop() {
  ast::Stop node;
  do {
    ast::NamedValue setting = named_value();
    const std::string& name = setting.name.text;
    const auto same = [&](const ast::NamedValue& other) { return other.name.text == name; };
    if (stream_.failed()) break;
    if (!contains(stop_words, name)) {
      stream_.report(setting.name.span, fmt::format("expected 'patience' or 'min_delta', found '{}'", name));
    } else if (std::any_of(node.settings.begin(), node.settings.end(), same)) {
      stream_.report(setting.name.span, fmt::format("'{}' is set twice", name));
    }
    node.settings.push_back(std::move(setting));
  } while (stream_.accept(TokenKind::comma));
  return node;
}

// named_value := NAME "=" expression
ast::NamedValue Parser::named_value() {
  ast::NamedValue node;
  node.name = foreign_name("a name to set");
  stream_.expect(TokenKind::assign, fmt::format("'=' after '{}'", node.name.text));
  node.value = expression();
  return node;
}

}  // namespace nnc::frontend
