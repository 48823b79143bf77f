#include "ir/rewrite_rules.h"

#include "ir/check.h"
#include "ir/simplify.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

namespace nnc::ir {

namespace {

class RuleParser {
 public:
  explicit RuleParser(std::string_view text) : text_(text) {}

  // rule = term "->" term { ";" LETTER "=" term }
  std::pair<Term, Term> rule() {
    Term pattern = term();
    check(take("->"), "`->`");
    Term replacement = term();
    while (take(";")) {
      const Term letter = term();
      check(letter.kind == Term::Kind::letter && take("="), "a letter and `=`");
      Term unchanged = pattern;
      const Term value = term();
      check(substitute(replacement, letter, value) && !substitute(unchanged, letter, value),
            "the definition of a letter that the replacement has, and the pattern has not,");
    }
    check(at_ == text_.size(), "the end");
    return {std::move(pattern), std::move(replacement)};
  }

 private:
  // term = OP "(" term { "," term } ")" | LETTER | NUMBER | "true" | "false"
  Term term() {
    skip_space();
    const std::size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word.empty() || std::isdigit(static_cast<unsigned char>(word[0]))) {
      at_ = begin;
      return {.kind = Term::Kind::number, .number = number()};
    }
    if (word == "true" || word == "false") {
      return {.kind = Term::Kind::number, .number = word == "true" ? 1.0 : 0.0, .truth = true};
    }
    if (!take("(")) {
      check(word.size() == 1, "a letter, a number or an op with operands");
      return {.kind = Term::Kind::letter, .letter = word[0]};
    }
    Term op{.kind = Term::Kind::op, .def = find_op(word)};
    check(op.def != nullptr && op.def->attrs.empty(), "an op without attributes");
    do op.args.push_back(term());
    while (take(","));
    check(take(")"), "`)`");
    return op;
  }

  /// Whether the letter was in it.
  static bool substitute(Term& in, const Term& letter, const Term& value) {
    if (in == letter) {
      in = value;
      return true;
    }
    bool found = false;
    for (Term& arg : in.args) found |= substitute(arg, letter, value);
    return found;
  }

  double number() {
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    check(error == std::errc(), "a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(std::string_view token) {
    skip_space();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void check(bool condition, std::string_view expected) const {
    NNC_CHECK(condition, "rewrite rule \"{}\": {} expected at position {}", text_, expected, at_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Appends the ops of terms, one for all that are equal.
class TermBuilder {
 public:
  TermBuilder(Builder& builder, const Bindings& bindings) : builder_(builder), bindings_(bindings) {}

  std::optional<Expr> build(const Term& term, DType dtype) {
    switch (term.kind) {
      case Term::Kind::letter: return bindings_.at(term.letter);
      case Term::Kind::number: return builder_.constant(term.number, term.truth ? DType::boolean : dtype);
      case Term::Kind::op: break;
    }
    const auto same = [&](const auto& other) { return *other.first == term; };
    if (const auto found = std::ranges::find_if(made_, same); found != made_.end()) return found->second;
    std::vector<std::optional<Expr>> args(term.args.size());
    for (std::size_t i = 0; i < args.size(); ++i) {
      if (term.args[i].kind == Term::Kind::number) continue;
      args[i] = build(term.args[i], dtype);
      if (!args[i]) return std::nullopt;
      dtype = args[i]->dtype();
    }
    std::vector<Expr> operands;
    for (std::size_t i = 0; i < args.size(); ++i) operands.push_back(args[i] ? *args[i] : *build(term.args[i], dtype));
    const auto made = builder_.try_op(*term.def, operands, {});
    const auto* results = std::get_if<std::vector<Expr>>(&made);
    if (results == nullptr) return std::nullopt;
    made_.emplace_back(&term, results->front());
    return results->front();
  }

 private:
  Builder& builder_;
  const Bindings& bindings_;
  std::vector<std::pair<const Term*, Expr>> made_;
};

void collect_letters(const Term& term, std::vector<char>& letters) {
  if (term.kind == Term::Kind::letter && std::find(letters.begin(), letters.end(), term.letter) == letters.end()) {
    letters.push_back(term.letter);
  }
  for (const Term& arg : term.args) collect_letters(arg, letters);
}

std::int64_t cost_of(const Block& block) {
  std::int64_t cost = 0;
  for (const Op& op : block.ops()) cost += rule_cost(view(block, op));
  return cost;
}

/// A block with a parameter for each letter, and the ops of the term over them; nothing if the types do not fit.
std::optional<Block> block_of(const Term& term, const std::map<char, DType>& dtypes) {
  Block block;
  Builder builder(block);
  Bindings bindings;
  for (const auto& [letter, dtype] : dtypes) bindings[letter] = builder.expr(block.add_param({dtype, {64}, {}}));
  const std::optional<Expr> value = build(builder, term, bindings, DType::f32);
  if (!value) return std::nullopt;
  block.results = {value->value};
  return block;
}

void check_rule(const RewriteRule& rule) {
  const std::vector<char> bound = letters_of(rule.pattern);
  for (const char letter : letters_of(rule.replacement)) {
    NNC_CHECK(std::find(bound.begin(), bound.end(), letter) != bound.end(), "rewrite rule \"{}\": nothing binds {}",
              rule.text, letter);
  }
  const std::vector<std::map<char, DType>> typings = typings_of(rule);
  NNC_CHECK(!typings.empty(), "rewrite rule \"{}\": no types fit", rule.text);
  for (const std::map<char, DType>& typing : typings) {
    const std::optional<Block> before = block_of(rule.pattern, typing);
    const std::optional<Block> after = block_of(rule.replacement, typing);
    NNC_CHECK(cost_of(*after) < cost_of(*before), "rewrite rule \"{}\" does not reduce the cost: {} -> {}", rule.text,
              cost_of(*before), cost_of(*after));
  }
}

}  // namespace

bool Term::operator==(const Term& other) const {
  const bool same_number = number == other.number && std::signbit(number) == std::signbit(other.number);
  return kind == other.kind && letter == other.letter && same_number && truth == other.truth && def == other.def &&
         args == other.args;
}

std::vector<char> letters_of(const Term& term) {
  std::vector<char> letters;
  collect_letters(term, letters);
  std::sort(letters.begin(), letters.end());
  return letters;
}

std::vector<std::map<char, DType>> typings_of(const RewriteRule& rule) {
  const std::vector<char> letters = letters_of(rule.pattern);
  std::vector<std::map<char, DType>> typings{{}};
  for (const char letter : letters) {
    std::vector<std::map<char, DType>> longer;
    for (const auto& typing : typings) {
      for (const DType dtype : all_dtypes()) {
        if (dtype == DType::bf16) continue;  // no arithmetic on the host: nothing could try the rule
        longer.push_back(typing);
        longer.back()[letter] = dtype;
      }
    }
    typings = std::move(longer);
  }
  std::erase_if(typings, [&](const auto& typing) {
    return !block_of(rule.pattern, typing) || !block_of(rule.replacement, typing);
  });
  return typings;
}

RewriteRule parse_rewrite(const OpDef& def, std::string_view text) {
  auto [pattern, replacement] = RuleParser(text).rule();
  RewriteRule rule{std::string(text), std::move(pattern), std::move(replacement)};
  NNC_CHECK(rule.pattern.def == &def, "rewrite rule \"{}\" stands in the record of {}", text, *def.name);
  check_rule(rule);
  return rule;
}

const std::vector<RewriteRule>& rewrites_of(const OpDef& def) {
  static const std::map<const OpDef*, std::vector<RewriteRule>> rules = [] {
    std::map<const OpDef*, std::vector<RewriteRule>> parsed;
    for (const OpDef* record : all_ops()) {
      std::vector<RewriteRule>& of_op = parsed[record];
      for (const std::string_view text : record->rewrites) of_op.push_back(parse_rewrite(*record, text));
    }
    return parsed;
  }();
  return rules.at(&def);
}

std::optional<Expr> build(Builder& builder, const Term& term, const Bindings& bindings, DType dtype) {
  return TermBuilder(builder, bindings).build(term, dtype);
}

}  // namespace nnc::ir
