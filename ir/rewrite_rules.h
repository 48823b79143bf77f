// Rewrite rules as the op records write them, "mul(x, 1) -> x", parsed.
//
//   rule = term "->" term { ";" LETTER "=" term }
//   term = OP "(" term { "," term } ")" | LETTER | NUMBER | "true" | "false"
//
// A letter stands for any value, the same one, or the same constant, wherever it occurs. A number stands for a constant
// all of whose elements have that value; -0 and 0 differ, and truth is no number. Behind `;` stand letters that only the
// replacement has, each defined by letters of the pattern and by those that are defined behind it. Ops of a rule have no
// attributes. Each rule makes its pattern cheaper.
#pragma once

#include "ir/builder.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::ir {

/// One side of a rule.
struct Term {
  enum class Kind : std::uint8_t { letter, number, op };
  Kind kind;
  char letter = 0;
  double number = 0;
  bool truth = false;  // the number is 0 or 1 and stands for false or true
  const OpDef* def = nullptr;
  std::vector<Term> args = {};

  bool operator==(const Term& other) const;
};

struct RewriteRule {
  std::string text;
  Term pattern;
  Term replacement;
};

/// Parses a rule of `def`; one that is malformed is our own mistake.
RewriteRule parse_rewrite(const OpDef& def, std::string_view text);
/// The rules of a record, parsed once.
const std::vector<RewriteRule>& rewrites_of(const OpDef& def);

using Bindings = std::map<char, Expr>;

/// Appends the ops of a term, one for all terms in it that are equal. Numbers take the type of the last letter or op beside them, `dtype` where there is none.
/// Nothing if an op does not take the operands.
std::optional<Expr> build(Builder& builder, const Term& term, const Bindings& bindings, DType dtype);
/// The letters of a term.
std::vector<char> letters_of(const Term& term);

/// Element types for the letters of a rule, with which both of its sides can be built.
std::vector<std::map<char, DType>> typings_of(const RewriteRule& rule);

}  // namespace nnc::ir
