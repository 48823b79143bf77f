// What the parser says about broken text, and where: one case or more for each message.
#include "frontend/parser.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace {

using namespace nnc;

// Every error and note as "line:column+width message".
std::vector<std::string> errors_of(const std::string& text) {
  ir::Diagnostics diagnostics;
  CHECK(!frontend::parse("test.nn", text, diagnostics));
  std::vector<std::string> found;
  for (const ir::Diagnostic& error : diagnostics.errors()) {
    CHECK(error.at.file == "test.nn");
    found.push_back(fmt::format("{}:{}+{} {}", error.at.line, error.at.column, error.width, error.message));
    for (const ir::Note& note : error.notes) {
      found.push_back(fmt::format("note {}:{} {}", note.at.line, note.at.column, note.text));
    }
  }
  return found;
}

using Lines = std::vector<std::string>;

struct Case {
  std::string source;
  Lines errors;
};

}  // namespace

TEST_CASE("syntax errors: tokens") {
  const auto c = GENERATE(values<Case>({
      {"hyper a = 1.", {"1:11+2 a number may not end with a dot: write '1' or '1.0'"}},
      {"hyper a = .5", {"1:11+2 a number may not start with a dot: write '0.5'"}},
      {"hyper a = h.0", {"1:12+2 an index stands in brackets: write '[0]'"}},
      {"hyper a = h.0.b", {"1:12+3 an index stands in brackets: write '[0]'"}},
      {"/* a */\nhyper a = 1", {"1:1+2 unexpected '/*': comments start with '//' and end with the line"}},
      {"hyper a = 2D", {"1:11+2 '2D' is neither a number nor a name: no letter may follow a number"}},
      {"hyper a = 1e5x", {"1:11+4 '1e5x' is neither a number nor a name: no letter may follow a number"}},
      {"hyper a = 5\xC3\xA9", {"1:11+3 '5\xC3\xA9' is neither a number nor a name: no letter may follow a number"}},
      {"hyper a = 9223372036854775808",
       {"1:11+19 the integer 9223372036854775808 is too large: the largest is 9223372036854775807"}},
      {"hyper a = 1e999", {"1:11+5 the number 1e999 is too large: write 'inf'"}},
      {"hyper a = 1e-999", {"1:11+6 the number 1e-999 is too small: write 0.0"}},
      {"hyper a = \"tanh\nhyper b = 2",
       {"1:11+1 the string is never closed: expected '\"' before the end of the line"}},
      {"hyper a = b && c", {"1:13+2 unexpected '&&': write 'and'"}},
      {"hyper a = b || c", {"1:13+2 unexpected '||': write 'or'"}},
      {"hyper a = !b", {"1:11+1 unexpected '!': write 'not'"}},
      {"# note\nhyper a = 1", {"1:1+1 unexpected '#': comments start with '//'"}},
      {"hyper a = 'x'",
       {"1:11+1 unexpected ''': strings stand in double quotes",
        "1:13+1 unexpected ''': strings stand in double quotes"}},
      {"hyper a = b % c", {"1:13+1 unexpected '%': the remainder is written 'a - floor(a / b) * b', of real numbers"}},
      {"hyper \xC3\xA9 = 1",
       {"1:7+1 '\xC3\xA9' is no name: names are made of the letters a to z and A to Z, digits and '_'"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(c.source) == c.errors);
}

TEST_CASE("syntax errors: bytes that are no text") {
  const auto c = GENERATE(values<Case>({
      {std::string("hyper a = 1\nhyper \0b = 2", 23), {"2:7+1 the file is not text: a NUL byte"}},
      {"hyper a = 1 // \xC3\xA9\xFF", {"1:18+1 the file is not text: byte 0xff is not valid UTF-8"}},
      {"hyper a = \"\xC0\x80\"", {"1:12+1 the file is not text: byte 0xc0 is not valid UTF-8"}},
      {"hyper a = \"\xED\xA0\x80\"", {"1:12+1 the file is not text: byte 0xed is not valid UTF-8"}},
      {"hyper a = \"\xF4\x90\x80\x80\"", {"1:12+1 the file is not text: byte 0xf4 is not valid UTF-8"}},
      {"hyper a = \"\xE2\x82", {"1:12+1 the file is not text: byte 0xe2 is not valid UTF-8"}},
      {"// \x1B[31m", {"1:4+1 the file is not text: a control character (byte 0x1b)"}},
      {"// \xC2\x9B", {"1:4+1 the file is not text: a control character (byte 0xc2)"}},
      {"hyper a = 1\r", {"1:12+1 a carriage return without a newline"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(c.source) == c.errors);
}

TEST_CASE("syntax errors: expressions") {
  const auto c = GENERATE(values<Case>({
      {"hyper a =", {"1:10+1 expected an expression, found the end of the file"}},
      {"hyper a = )", {"1:11+1 expected an expression, found ')'"}},
      {"hyper a = 1 +\nhyper b = 2", {"2:1+5 expected an expression, found 'hyper'"}},
      {"hyper a = b c", {"1:13+1 expected the end of the statement, found 'c'"}},
      {"hyper a = b \"c\"", {"1:13+3 expected the end of the statement, found \"c\""}},
      {"hyper a = b < c < d", {"1:17+1 comparisons do not chain: write 'a < b and b < c'"}},
      {"hyper a = b == not c",
       {"1:16+3 expected an operand, found the reserved word 'not'; put the 'not' expression in parentheses"}},
      {"hyper a = 1 + if b then c else d",
       {"1:15+2 expected an operand, found the reserved word 'if'; put the 'if' expression in parentheses"}},
      {"hyper a = if b else c", {"1:16+4 expected 'then', found the reserved word 'else'"}},
      {"hyper a = if b then c", {"1:22+1 expected 'else', found the end of the file"}},
      {"hyper a = if b then c\nhyper b = 1", {"1:22+1 expected 'else', found the end of the line"}},
      {"hyper a = scan",
       {"1:11+4 expected an expression, found the reserved word 'scan'; a scan stands alone after '=', or as a "
        "statement"}},
      {"hyper a = ...",
       {"1:11+3 expected an expression, found '...'; '...' stands only in lists and in types' dimensions"}},
      {"hyper a = f(x) as g + 1", {"1:21+1 nothing may follow 'as g': put the call and its name in parentheses"}},
      {"hyper a = f(x) as g[0].w", {"1:23+1 nothing may follow 'as g': put the call and its name in parentheses"}},
      {"hyper a = f(x) as 3", {"1:19+1 expected a name after 'as', found '3'"}},
      {"hyper a = f(x) as g[:]", {"1:21+1 expected an expression, found ':'"}},
      {"hyper a = x as g", {"1:13+2 expected the end of the statement, found the reserved word 'as'"}},
      {"hyper a = f(x)(y)", {"1:15+1 only a name can be called, and a call's result cannot"}},
      {"hyper a = f(1 = 2)", {"1:13+1 expected a name before '=', found '1'"}},
      {"hyper a = f(for = 2)", {"1:13+3 expected a name before '=', found the reserved word 'for'"}},
      {"hyper a = f(b = 1, 2)", {"1:20+1 a positional argument may not follow the named argument 'b'"}},
      {"hyper a = f(b = 1, c = 2, b = 3)",
       {"1:27+1 the argument 'b' is given twice", "note 1:13 it is given here before"}},
      {"hyper a = f(b c)", {"1:15+1 expected ',' or ')', found 'c'; arguments are separated by commas"}},
      {"hyper a = x.3", {"1:12+2 an index stands in brackets: write '[3]'"}},
      {"hyper a = x.for", {"1:13+3 expected a name after '.', found the reserved word 'for'"}},
      {"hyper a = x[]", {"1:13+1 expected an index or a slice, found ']'"}},
      {"hyper a = x[1:2:3:4]", {"1:18+1 expected ',' or ']', found ':'"}},
      {"hyper a = (b, c)",
       {"1:13+1 expected ')', found ','; a list stands in brackets; several results stand bare, as in 'return a, b'"}},
      {"hyper a = [b, , c]", {"1:15+1 expected an expression, found ','"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(c.source) == c.errors);
}

TEST_CASE("syntax errors: a bracket that is never closed is shown where it opens") {
  const auto c = GENERATE(values<Case>({
      {"fn f(x) {\n  y = g(h(x, 3)\n  z = y\n  return z\n}",
       {"2:8+1 '(' is never closed: expected ',' or ')', found 'z'", "note 3:3 found here"}},
      {"fn f(x) {\n  y = g(x,\n  z = y\n  return z\n}",
       {"2:8+1 '(' is never closed: expected ',' or ')', found the reserved word 'return'", "note 4:3 found here"}},
      {"fn f(x) {\n  y = (x +\n  z = y\n  return z\n}",
       {"2:7+1 '(' is never closed: expected ')', found '='", "note 3:5 found here"}},
      {"fn f(x) {\n  return [1, 2\n}",
       {"2:10+1 '[' is never closed: expected ',' or ']', found '}'", "note 3:1 found here"}},
      {"hyper a = f([1, 2)", {"1:13+1 '[' is never closed: expected ',' or ']', found ')'", "note 1:18 found here"}},
      {"hyper a = x[1, (2]", {"1:16+1 '(' is never closed: expected ')', found ']'", "note 1:18 found here"}},
      {"hyper a = (1 +",
       {"1:11+1 '(' is never closed: expected an expression, found the end of the file", "note 1:15 found here"}},
      {"fn f(x: f32[N, M) = x", {"1:12+1 '[' is never closed: expected ',' or ']', found ')'", "note 1:17 found here"}},
      {"fn f(x {\n  return x\n}", {"1:5+1 '(' is never closed: expected ',' or ')', found '{'", "note 1:8 found here"}},
      {"layer f(x) {\n  y = x\n\ntrain {\n  loss x y\n}",
       {"1:12+1 '{' is never closed: expected '}', found 'train'", "note 4:1 found here",
        "5:10+1 expected the end of the statement, found 'y'"}},
      {"fn f(x) {\n  for i in 0..3 {\n    x = i\n  return x\n}\n",
       {"1:9+1 '{' is never closed: expected '}', found the end of the file", "note 5:2 found here"}},
      {"train {\n  group a {\n",
       {"2:11+1 '{' is never closed: expected '}', found the end of the file", "note 2:12 found here"}},
      {"fn f(x) = x)\nhyper b = 1", {"1:12+1 expected the end of the statement, found ')'"}},
      {"fn f(x) { return x }\n}\nhyper b = 1",
       {"2:1+1 expected a declaration (layer, fn, optimizer, schedule, init, hyper, train or predict), found '}'; "
        "every "
        "'{' before it is closed already"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(c.source) == c.errors);
}

TEST_CASE("syntax errors: declarations and types") {
  const auto c = GENERATE(values<Case>({
      {"layr f(x) {}",
       {"1:1+4 expected a declaration (layer, fn, optimizer, schedule, init, hyper, train or predict), found 'layr'; "
        "did "
        "you mean 'layer'?"}},
      {"3",
       {"1:1+1 expected a declaration (layer, fn, optimizer, schedule, init, hyper, train or predict), found '3'"}},
      {"layer 3() {}", {"1:7+1 expected a name after 'layer', found '3'"}},
      {"fn f = 3", {"1:6+1 expected '(', found '='"}},
      {"layer f(x) = x", {"1:12+1 expected '->' or '{', found '='; only a fn has the short form, not a layer"}},
      {"layer f(x) -> f32 = x", {"1:19+1 expected '{', found '='; only a fn has the short form, not a layer"}},
      {"optimizer f(x) -> f32 {}", {"1:16+2 expected '{', found '->'"}},
      {"fn f(x)", {"1:8+1 expected '->', '=' or '{', found the end of the file"}},
      {"fn f(x)\n{\n}",
       {"1:8+1 expected '->', '=' or '{', found the end of the line; '{' stands on the line of what it belongs to"}},
      {"fn f(X) = 1", {"1:6+1 expected a parameter's name in lower case, found 'X': upper case names dimensions"}},
      {"fn f(x, x) = 1", {"1:9+1 the parameter 'x' is declared twice", "note 1:6 it is declared here before"}},
      {"layer f(param) {}", {"1:9+5 expected a parameter's name, found 'param', a reserved word in 'layer'"}},
      {"hyper A = 1", {"1:7+1 expected a name after 'hyper' in lower case, found 'A': upper case names dimensions"}},
      {"hyper a", {"1:8+1 expected '=' and the default value, found the end of the file"}},
      {"hyper a: int = 3",
       {"1:8+1 expected '=' and the default value, found ':'; a hyper's type is that of its default"}},
      {"train = 3", {"1:7+1 expected '{', found '='"}},
      {"fn f(x: f33) = 1", {"1:9+3 expected a type, found 'f33'; did you mean 'f32'?"}},
      {"fn f(x: 3) = 1", {"1:9+1 expected a type, such as f32[N, 10], found '3'"}},
      {"fn f(x: int[3]) = 1", {"1:9+6 'int', 'str' and 'init' have no dimensions"}},
      {"fn f(x: f32[..., N, ...]) = 1", {"1:21+3 '...' stands once in a type"}},
      {"fn f(x: chars(3)[4]) = 1", {"1:9+11 'chars' and 'tokens' are types of data fields only"}},
      {"train {\n  data x: chars[4]\n}", {"2:16+1 expected '(', found '['"}},
      {"train {\n  data x: chars(3)\n}",
       {"2:11+8 a field of text has one dimension, as in 'chars(vocab)[window + 1]'"}},
      {"train {\n  data x: tokens(3)[4, 5]\n}",
       {"2:11+15 a field of text has one dimension, as in 'chars(vocab)[window + 1]'"}},
      {"train {\n  data x: int\n}", {"2:11+3 a data field's type is an element type, such as f32 or u8[28, 28]"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(c.source) == c.errors);
}

TEST_CASE("syntax errors: statements") {
  const auto in_fn = [](const std::string& statement) { return "fn f(x) {\n" + statement + "\n}"; };
  const auto c = GENERATE(values<Case>({
      {"3", {"2:1+1 expected a statement, found '3'"}},
      {"x", {"2:2+1 expected '=' after 'x', found the end of the line"}},
      {"x + 1", {"2:3+1 expected '=' after 'x', found '+'; a change is written 'x = x + ...'"}},
      {"retrun x", {"2:8+1 expected '=' after 'retrun', found 'x'; did you mean 'return'?"}},
      {"g(x)", {"2:1+1 a call is not a statement: use its result, as in 'y = g(...)'"}},
      {"x[0] = 1", {"2:1+1 a part of 'x' cannot be assigned: assign a new value to a name"}},
      {"x.y = 1", {"2:1+1 a part of 'x' cannot be assigned: assign a new value to a name"}},
      {"N = 1", {"2:1+1 expected a name to assign to in lower case, found 'N': upper case names dimensions"}},
      {"a, a = x", {"2:4+1 'a' is assigned twice in one statement"}},
      {"a, 3 = x", {"2:4+1 expected a name to assign to, found '3'"}},
      {"a, b", {"2:5+1 expected '=', found the end of the line"}},
      {"param w: f32 = 1", {"2:1+5 'param' stands only in 'layer', not in 'fn'"}},
      {"state w = 1", {"2:1+5 'state' stands only in 'layer' or 'optimizer', not in 'fn'"}},
      {"data w: f32", {"2:1+4 'data' stands only in 'train' or 'predict', not in 'fn'"}},
      {"for i in 0..3 { i = 1 }", {"2:17+1 'i' cannot be assigned: it is the variable of a loop"}},
      {"for i in 3 { a = i }", {"2:12+1 expected '..', found '{'; a loop runs over a range, as in '0..3'"}},
      {"for i = 3 { a = i }", {"2:7+1 expected 'in', found '='"}},
      {"for I in 0..3 { a = I }",
       {"2:5+1 expected a name for the loop's variable in lower case, found 'I': upper case names dimensions"}},
      {"if x\n{ a = 1 }",
       {"2:5+1 expected '{', found the end of the line; it stands on the line of what it belongs to",
        "3:1+1 expected a statement, found '{'"}},
      {"if x { a = 1 } b = 2", {"2:16+1 expected the end of the statement, found 'b'"}},
      {"scan t in 0..3 carry h = 1, h = 2 { a = 1 }", {"2:29+1 'h' is carried twice"}},
      {"scan t in 0..3 carry 3 { a = 1 }", {"2:22+1 expected a name to carry, found '3'"}},
      {"scan t in 0..3 { return x }", {"2:18+6 'return' may not stand in a scan: yield the value, or carry it out"}},
      {"scan t in 0..3 { t = x }", {"2:18+1 't' cannot be assigned: it is the variable of a loop"}},
      {"yield x", {"2:1+5 'yield' stands only in a scan"}},
      {"return a = x", {"2:8+1 results have names only in 'predict'"}},
      {"return", {"2:7+1 expected an expression, found the end of the line"}},
      {"else { a = 1 }", {"2:1+4 expected a statement, found the reserved word 'else'"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(in_fn(c.source)) == c.errors);
}

TEST_CASE("syntax errors: the words of each kind of block") {
  const auto c = GENERATE(values<Case>({
      {"layer f(x) {\n  param = x\n}",
       {"2:3+5 'param' is a reserved word in 'layer' and cannot be assigned: write 'param NAME: TYPE = INITIALIZER'"}},
      {"layer f(x) {\n  a = state\n}", {"2:7+5 expected an expression, found 'state', a reserved word in 'layer'"}},
      {"layer f(x) {\n  a = g(x) as param\n}",
       {"2:15+5 expected a name after 'as', found 'param', a reserved word in 'layer'"}},
      {"layer f(x) {\n  param w = 3\n}", {"2:11+1 expected ':' and the parameter's type, found '='"}},
      {"layer f(x) {\n  param w: f32\n}",
       {"2:15+1 expected '=' and the parameter's initial value, found the end of the line"}},
      {"layer f(x) {\n  param W: f32 = 1\n}",
       {"2:9+1 expected a name for the parameter in lower case, found 'W': upper case names dimensions"}},
      {"layer f(x) {\n  scan t in 0..3 { param w: f32 = 1 }\n}", {"2:20+5 'param' may not stand in a scan"}},
      {"layer f(x) {\n  state w: f32\n}",
       {"2:15+1 expected '=' and the state's initial value, found the end of the line"}},
      {"optimizer f(x) {\n  state 3 = 1\n}", {"2:9+1 expected a name for the state, found '3'"}},
      {"optimizer f(x) {\n  return x\n}", {"2:3+6 'return' may not stand in 'optimizer'"}},
      {"train {\n  return x\n}", {"2:3+6 'return' may not stand in 'train'"}},
      {"train {\n  loss = x\n}",
       {"2:3+4 'loss' is a reserved word in 'train' and cannot be assigned: write 'loss EXPRESSION'"}},
      {"train {\n  x = batch\n}", {"2:7+5 expected an expression, found 'batch', a reserved word in 'train'"}},
      {"train {\n  batch 3\n}", {"2:9+1 expected '=' after 'batch', found '3'"}},
      {"train {\n  losss x\n}", {"2:9+1 expected '=' after 'losss', found 'x'; did you mean 'loss'?"}},
      {"train {\n  data X: f32\n}",
       {"2:8+1 expected a name for the data field in lower case, found 'X': upper case names dimensions"}},
      {"train {\n  data x\n}", {"2:9+1 expected ':' and the field's type, found the end of the line"}},
      {"train {\n  metric x\n}", {"2:11+1 expected '=' and the metric's value, found the end of the line"}},
      {"train {\n  metric 3 = x\n}", {"2:10+1 expected a name for the metric, found '3'"}},
      {"train {\n  optimizer sgd\n}", {"2:13+3 an optimizer is called, as in 'optimizer adam(lr = 1e-3)'"}},
      {"train {\n  optimizer 3\n}", {"2:13+1 expected an optimizer, as in 'optimizer adam(lr = 1e-3)', found '3'"}},
      {"train {\n  optimizer sgd() as s\n}", {"2:19+4 an optimizer takes no name"}},
      {"train {\n  stop patience = 3, delta = 4\n}", {"2:22+5 expected 'patience' or 'min_delta', found 'delta'"}},
      {"train {\n  stop patience = 3, patience = 4\n}", {"2:22+8 'patience' is set twice"}},
      {"train {\n  stop\n}", {"2:7+1 expected a name to set, found the end of the line"}},
      {"train {\n  group 3 { a = 1 }\n}", {"2:9+1 expected a name of a layer or a parameter, found '3'"}},
      {"train {\n  group h.0 { a = 1 }\n}", {"2:10+2 an index stands in brackets: write '[0]'"}},
      {"train {\n  group h { a = 1; a = 2 }\n}", {"2:20+1 'a' is set twice in this group"}},
      {"train {\n  group h { a = 1, b = 2 }\n  x = y z\n}",
       {"2:18+1 expected the end of the statement, found ','; on one line, ';' stands between statements",
        "3:9+1 expected the end of the statement, found 'z'"}},
      {"predict {\n  loss x\n}", {"2:3+4 'loss' stands only in 'train', not in 'predict'"}},
      {"predict {\n  return a = x, a = y\n}", {"2:17+1 the result 'a' is named twice"}},
  }));
  CAPTURE(c.source);
  CHECK(errors_of(c.source) == c.errors);
}

TEST_CASE("syntax errors: several in one run, in the text's order") {
  const Lines expected = {
      "1:11+2 a number may not end with a dot: write '1' or '1.0'",
      "3:9+2 unexpected '/*': comments start with '//' and end with the line",
      "4:17+1 expected '{', found '='",
      "6:15+1 expected the end of the statement, found 'y'",
      "8:1+4 expected a declaration (layer, fn, optimizer, schedule, init, hyper, train or predict), "
      "found 'trin'; did you mean 'train'?",
      "12:3+4 a call is not a statement: use its result, as in 'y = mean(...)'"};
  CHECK(errors_of("hyper a = 1.\n"
                  "layer f(x) {\n"
                  "  y = x /* 3\n"
                  "  for i in 0..2 = {\n"
                  "    y = skipped with its block\n"
                  "  }; return x y\n"
                  "}\n"
                  "trin {\n"
                  "  nothing here = is = reported\n"
                  "}\n"
                  "train {\n"
                  "  mean(x)\n"
                  "}\n") == expected);
}
