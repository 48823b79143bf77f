#include "ir/text_tokens.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::ir::text {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) { return is_digit(c) || is_letter(c) || c == '.'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
/// Not the first byte of a UTF-8 character.
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

class Lexer {
 public:
  Lexer(const std::string& file, std::string_view text, Diagnostics& diagnostics)
      : file_(file), text_(text), diagnostics_(diagnostics) {}

  std::vector<Token> run() {
    for (skip_space(); at_ < text_.size(); skip_space()) tokens_.push_back(lex_token());
    Token end;
    end.line = line_;
    end.column = column_;
    end.starts_line = true;
    tokens_.push_back(end);
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void advance() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++line_;
      column_ = 1;
      line_begins_ = true;
    } else if (!is_continuation(c)) {
      ++column_;
    }
  }

  void skip_space() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        advance();
      } else if (text_.substr(at_, 2) == "//") {
        while (at_ < text_.size() && text_[at_] != '\n') advance();
      } else {
        return;
      }
    }
  }

  template <class Take>
  Token token(TokenKind kind, Take take) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.column = column_;
    token.starts_line = line_begins_;
    line_begins_ = false;
    const std::size_t start = at_;
    take(token);
    if (token.text.data() == nullptr) token.text = text_.substr(start, at_ - start);
    token.width = token.line == line_ ? std::max(1, column_ - token.column) : 1;
    return token;
  }

  void take_while(bool (*belongs)(char)) {
    while (at_ < text_.size() && belongs(text_[at_])) advance();
  }

  void take_nan_bits() {
    std::size_t end = at_ + 3;
    while (end < text_.size() && is_hex(text_[end])) ++end;
    if (end == at_ + 3 || end >= text_.size() || text_[end] != ')') return;
    while (at_ <= end) advance();
  }

  Token lex_token() {
    const char c = peek();
    if (is_letter(c)) {
      return token(TokenKind::word, [&](Token& t) {
        const std::size_t start = at_;
        take_while(is_name_char);
        if (text_.substr(start, at_ - start) != "nan" || text_.substr(at_, 3) != "(0x") return;
        take_nan_bits();
        if (at_ > start + 3) t.kind = TokenKind::number;
      });
    }
    if (c == '%' || c == '@') return lex_name(c == '%' ? TokenKind::value : TokenKind::path);
    if (is_digit(c) || (c == '-' && (is_digit(peek(1)) || is_letter(peek(1))))) return lex_number();
    if (c == '"') return lex_string();
    if (text_.substr(at_, 3) == "...") {
      return token(TokenKind::punct, [&](Token&) {
        for (int i = 0; i < 3; ++i) advance();
      });
    }
    if (text_.substr(at_, 2) == "->") {
      return token(TokenKind::punct, [&](Token&) {
        for (int i = 0; i < 2; ++i) advance();
      });
    }
    if (c != '\0' && std::string_view("(){}[]<>,:=*+").find(c) != std::string_view::npos) {
      return token(TokenKind::punct, [&](Token&) { advance(); });
    }
    return lex_unknown();
  }

  Token lex_name(TokenKind kind) {
    const char sigil = peek();
    Token name = token(kind, [&](Token& t) {
      advance();
      const std::size_t start = at_;
      take_while(is_name_char);
      t.text = text_.substr(start, at_ - start);
    });
    if (name.text.empty()) {
      report(name, fmt::format("expected a name after '{}'", sigil));
      name.kind = TokenKind::invalid;
    }
    return name;
  }

  Token lex_number() {
    return token(TokenKind::number, [&](Token&) {
      advance();  // the sign or the first digit
      while (at_ < text_.size()) {
        const bool exponent = peek() == 'e' || peek() == 'E';
        if (!is_name_char(peek())) return;
        advance();
        if (exponent && (peek() == '+' || peek() == '-') && is_digit(peek(1))) advance();
      }
    });
  }

  Token lex_string() {
    bool closed = false;
    Token string = token(TokenKind::string, [&](Token& t) {
      advance();
      const std::size_t start = at_;
      while (at_ < text_.size() && peek() != '\n' && peek() != '"') {
        const bool escape = peek() == '\\';
        advance();
        if (escape && at_ < text_.size() && peek() != '\n') advance();
      }
      t.text = text_.substr(start, at_ - start);
      closed = peek() == '"' && at_ < text_.size();
      if (closed) advance();
    });
    if (!closed) {
      report(string, "this string is not closed on its line");
      string.kind = TokenKind::invalid;
    }
    return string;
  }

  /// Takes all that cannot start a token, so that a binary file gives one error a run of bytes.
  Token lex_unknown() {
    const char first = peek();
    Token unknown = token(TokenKind::invalid, [&](Token&) {
      do {
        advance();
      } while (at_ < text_.size() && (is_continuation(peek()) || (is_control(peek()) && !is_space(peek()))));
    });
    unknown.width = 1;
    const bool shown = !is_control(first) && !is_continuation(first);
    const std::string_view character = unknown.text.substr(0, first_character(unknown.text));
    report(unknown, shown ? fmt::format("unexpected character '{}'", character)
                          : fmt::format("unexpected byte 0x{:02x}", static_cast<unsigned char>(first)));
    return unknown;
  }

  static std::size_t first_character(std::string_view text) {
    std::size_t size = 1;
    while (size < text.size() && is_continuation(text[size])) ++size;
    return size;
  }

  void report(const Token& at, std::string message) {
    diagnostics_.error({file_, at.line, at.column}, std::move(message), at.width);
  }

  const std::string& file_;
  std::string_view text_;
  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
  bool line_begins_ = true;
};

}  // namespace

std::vector<Token> lex(const std::string& file, std::string_view text, Diagnostics& diagnostics) {
  return Lexer(file, text, diagnostics).run();
}

bool is_path(std::string_view name) { return !name.empty() && std::ranges::all_of(name, is_name_char); }
bool is_word(std::string_view name) { return is_path(name) && is_letter(name.front()); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string unquoted(std::string_view text) {
  const auto digit = [](char c) { return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c;
    }
  }
  return out;
}

}  // namespace nnc::ir::text
