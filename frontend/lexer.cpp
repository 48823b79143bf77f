#include "frontend/lexer.h"

#include "frontend/source_text.h"
#include "frontend/words.h"
#include "ir/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace nnc::frontend {

namespace {

// The words reserved everywhere, in the order of TokenKind from and_word on.
constexpr auto words = split_words<17>("and or not if then else for in as scan carry return yield true false none inf");

TokenKind word_kind(std::size_t index) {
  return static_cast<TokenKind>(static_cast<std::size_t>(TokenKind::and_word) + index);
}

struct Spelling {
  std::string_view text;
  TokenKind kind;
};

// Longer ones first: the first that fits is taken.
constexpr auto spellings = std::to_array<Spelling>({
    {"...", TokenKind::ellipsis},   {"..", TokenKind::range},        {"->", TokenKind::arrow},
    {"==", TokenKind::is_equal},    {"!=", TokenKind::is_unequal},   {"<=", TokenKind::is_at_most},
    {">=", TokenKind::is_at_least}, {"(", TokenKind::open_paren},    {")", TokenKind::close_paren},
    {"[", TokenKind::open_bracket}, {"]", TokenKind::close_bracket}, {"{", TokenKind::open_brace},
    {"}", TokenKind::close_brace},  {",", TokenKind::comma},         {":", TokenKind::colon},
    {";", TokenKind::semicolon},    {"=", TokenKind::assign},        {".", TokenKind::dot},
    {"^", TokenKind::caret},        {"*", TokenKind::star},          {"/", TokenKind::slash},
    {"@", TokenKind::at},           {"+", TokenKind::plus},          {"-", TokenKind::dash},
    {"<", TokenKind::is_below},     {">", TokenKind::is_above},
});

// What people type who come from other languages.
struct Advice {
  std::string_view text;
  std::string_view instead;
};
constexpr auto advices = std::to_array<Advice>({
    {"&&", "write 'and'"},
    {"||", "write 'or'"},
    {"!", "write 'not'"},
    {"#", "comments start with '//'"},
    {"/*", "comments start with '//' and end with the line"},
    {"'", "strings stand in double quotes"},
    {"\u2018", "strings stand in double quotes"},
    {"\u2019", "strings stand in double quotes"},
    {"\u201c", "strings stand in plain double quotes, '\"'"},
    {"\u201d", "strings stand in plain double quotes, '\"'"},
    {"&", "write 'and'"},
    {"|", "write 'or'"},
    {"~", "write 'not'"},
    {"%", "the remainder is written 'a - floor(a / b) * b', of real numbers"},
    {"?", "a choice is written 'if c then a else b'"},
    {"\u00a0", "it looks like a space: write a plain one"},
    {"\ufeff", "a byte order mark: save the file without it"},
    {"\u2013", "write '-'"},
    {"\u2212", "write '-'"},
    {"\u00d7", "write '*'"},
    {"\\", "a line goes on after an operator or a comma, or in parentheses"},
});

const Advice* find_advice(std::string_view text) {
  const auto* found =
      std::find_if(advices.begin(), advices.end(), [&](const Advice& a) { return text.starts_with(a.text); });
  return found == advices.end() ? nullptr : found;
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

Token Lexer::next() {
  skip_space();
  const char c = peek();
  if (position_ == text_.size()) {
    last_ = take(TokenKind::end, 0);
    last_.width = 1;
  } else if (is_letter(c) || foreign_letter(0) > 0) {
    last_ = name();
  } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
    last_ = number();
  } else if (c == '"') {
    last_ = string();
  } else {
    last_ = punctuation();
  }
  return last_;
}

void Lexer::error(const Token& token, std::string message) {
  diagnostics_.error({file_, token.line, token.column}, std::move(message), token.width);
}

void Lexer::skip_space() {
  while (position_ < text_.size()) {
    if (peek() == '\n') {
      ++position_;
      ++line_;
      column_ = 1;
      starts_line_ = true;
    } else if (peek() == ' ' || peek() == '\t') {
      ++position_;
      ++column_;
    } else if (rest().starts_with("//")) {
      comments_.emplace(line_, column_);
      position_ = std::min(text_.find('\n', position_), text_.size());
    } else {
      return;
    }
  }
}

Token Lexer::take(TokenKind kind, std::size_t bytes) {
  Token token{.kind = kind,
              .text = text_.substr(position_, bytes),
              .line = line_,
              .column = column_,
              .width = static_cast<int>(bytes),
              .starts_line = std::exchange(starts_line_, false)};
  position_ += bytes;
  column_ += token.width;
  return token;
}

// Bytes of a character beyond ASCII that is none of the signs that have an advice; 0 if there is none.
std::size_t Lexer::foreign_letter(std::size_t ahead) const {
  if (is_ascii(peek(ahead)) || find_advice(rest().substr(ahead)) != nullptr) return 0;
  const std::size_t size = ir::character_size(text_, position_ + ahead);
  return size == 0 || ir::is_control(text_.substr(position_ + ahead, size)) ? 0 : size;
}

// name := (letter | "_") { letter | digit | "_" }
Token Lexer::name() {
  std::size_t size = 0;
  bool foreign = false;
  while (true) {
    const std::size_t letter = is_letter(peek(size)) || is_digit(peek(size)) ? 1 : foreign_letter(size);
    if (letter == 0) break;
    foreign = foreign || letter > 1;
    size += letter;
  }
  if (foreign) {
    Token token = take(TokenKind::name, size);
    const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    token.width -= static_cast<int>(std::ranges::count_if(token.text, continues));
    error(token,
          fmt::format("'{}' is no name: names are made of the letters a to z and A to Z, digits and '_'", token.text));
    return token;
  }
  const std::string_view text = text_.substr(position_, size);
  const auto* word = std::find(words.begin(), words.end(), text);
  const auto index = static_cast<std::size_t>(word - words.begin());
  return take(word == words.end() ? TokenKind::name : word_kind(index), size);
}

// integer := digits
// real    := digits "." digits [ exponent ] | digits exponent
// exponent := ("e" | "E") [ "+" | "-" ] digits
Token Lexer::number() {
  const bool adjacent = after_object();
  std::size_t size = 0;
  const auto digits = [&] {
    while (is_digit(peek(size))) ++size;
  };
  TokenKind kind = TokenKind::integer;
  digits();
  const bool leading_dot = size == 0;
  if (peek(size) == '.' && is_digit(peek(size + 1))) {
    kind = TokenKind::real;
    ++size;
    digits();
  }
  const std::size_t sign = peek(size + 1) == '+' || peek(size + 1) == '-' ? 1 : 0;
  if ((peek(size) == 'e' || peek(size) == 'E') && is_digit(peek(size + 1 + sign))) {
    kind = TokenKind::real;
    size += 1 + sign;
    digits();
  }
  const std::size_t number = size;
  while (is_letter(peek(size)) || is_digit(peek(size)) || static_cast<unsigned char>(peek(size)) >= 0x80) ++size;
  const bool trailing_dot = size == number && peek(size) == '.' && peek(size + 1) != '.';
  if (trailing_dot) ++size;

  Token token = take(kind, size);
  if (leading_dot && adjacent) {
    token.kind = TokenKind::invalid;
    error(token, fmt::format("an index stands in brackets: write '[{}]'", token.text.substr(1, number - 1)));
  } else if (leading_dot) {
    error(token, fmt::format("a number may not start with a dot: write '0{}'", token.text));
  } else if (trailing_dot) {
    error(token, fmt::format("a number may not end with a dot: write '{0}' or '{0}.0'", token.text.substr(0, number)));
  } else if (size != number) {
    error(token, fmt::format("'{}' is neither a number nor a name: no letter may follow a number", token.text));
  } else {
    convert(token);
  }
  return token;
}

// Whether the text before can be indexed: `h.0` asks for another advice than `.5`.
bool Lexer::after_object() const {
  const bool object = last_.kind == TokenKind::name || last_.kind == TokenKind::close_bracket;
  return object && last_.text.data() + last_.text.size() == text_.data() + position_;
}

void Lexer::convert(Token& token) {
  const char* first = token.text.data();
  const char* last = first + token.text.size();
  if (token.kind == TokenKind::integer) {
    if (std::from_chars(first, last, token.integer).ec == std::errc::result_out_of_range) {
      token.integer = 0;
      error(token, fmt::format("the integer {} is too large: the largest is {}", token.text, INT64_MAX));
    }
    return;
  }
  // Too large and too small are both "out of range": only what is too large has no nearest value.
  if (std::from_chars(first, last, token.real).ec == std::errc::result_out_of_range) {
    token.real = 0;
    const std::size_t exponent = token.text.find_first_of("eE");
    const bool small =
        exponent == std::string_view::npos ? token.text.starts_with("0.") : token.text.substr(exponent + 1, 1) == "-";
    error(token, fmt::format("the number {} is too {}", token.text, small ? "small: write 0.0" : "large: write 'inf'"));
  }
}

// string := '"' { any character but '"' and newline } '"'
Token Lexer::string() {
  const std::string_view line = rest().substr(0, rest().find('\n'));
  const std::size_t close = line.find('"', 1);
  const bool closed = close != std::string_view::npos;
  Token token = take(TokenKind::string, closed ? close + 1 : line.size());
  if (!closed) {
    token.width = 1;
    error(token, "the string is never closed: expected '\"' before the end of the line");
  }
  token.text = token.text.substr(1, closed ? close - 1 : std::string_view::npos);
  return token;
}

Token Lexer::punctuation() {
  const auto* found =
      std::find_if(spellings.begin(), spellings.end(), [&](const Spelling& p) { return rest().starts_with(p.text); });
  const bool comment = rest().starts_with("/*");
  return found == spellings.end() || comment ? invalid() : take(found->kind, found->text.size());
}

Token Lexer::invalid() {
  if (const Advice* advice = find_advice(rest())) {
    Token token = take(TokenKind::invalid, advice->text.size());
    if (!is_ascii(token.text.front())) token.width = 1;
    error(token, fmt::format("unexpected '{}': {}", token.text, advice->instead));
    return token;
  }
  Token token = take(TokenKind::invalid, std::max<std::size_t>(1, ir::character_size(text_, position_)));
  token.width = 1;
  error(token, fmt::format("unexpected character '{}'", token.text));
  return token;
}

bool is_reserved(TokenKind kind) { return kind >= TokenKind::and_word && kind <= TokenKind::inf_word; }

std::string describe(TokenKind kind) {
  switch (kind) {
    case TokenKind::end: return "the end of the file";
    case TokenKind::newline: return "the end of the line";
    case TokenKind::name: return "a name";
    case TokenKind::integer:
    case TokenKind::real: return "a number";
    case TokenKind::string: return "a string";
    default: break;
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (word_kind(i) == kind) return fmt::format("'{}'", words[i]);
  }
  for (const Spelling& p : spellings) {
    if (p.kind == kind) return fmt::format("'{}'", p.text);
  }
  return "nothing";
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::name:
    case TokenKind::integer:
    case TokenKind::real: return fmt::format("'{}'", token.text);
    case TokenKind::string: return fmt::format("\"{}\"", token.text);
    default: return (is_reserved(token.kind) ? "the reserved word " : "") + describe(token.kind);
  }
}

}  // namespace nnc::frontend
