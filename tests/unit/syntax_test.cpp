// Text to tree and back: precedence, newlines, the whole grammar, round trips, and what broken text does.
#include "frontend/parser.h"
#include "frontend/print_ast.h"
#include "tests/unit/project_file.h"
#include "tests/unit/syntax_tree.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace nnc;
using frontend::ast::Program;

std::string tree_of(const Program& program) { return test::SyntaxTree{}(program); }

// Parses what must be right.
Program parsed(const std::string& text) {
  ir::Diagnostics diagnostics;
  std::optional<Program> program = frontend::parse("test.nn", text, diagnostics);
  INFO(text << "\n" << diagnostics.render());
  REQUIRE(program);
  REQUIRE(!diagnostics.failed());
  return std::move(*program);
}

const frontend::ast::Expr& value_of(const Program& program) {
  return *std::get<frontend::ast::Hyper>(program.declarations.at(0)).value;
}

void check_round_trip(const std::string& text) {
  const Program program = parsed(text);
  const std::string printed = frontend::print(program);
  const Program again = parsed(printed);
  CHECK(tree_of(again) == tree_of(program));
  CHECK(frontend::print(again) == printed);
}

std::vector<std::string> models() {
  std::vector<std::string> texts;
  for (const char* path : {"examples/mlp.nn", "examples/custom_optimizer.nn", "examples/cnn.nn",
                           "examples/char_lstm.nn", "examples/gpt.nn", "examples/resnet20.nn"}) {
    texts.push_back(tests::project_file(path));
  }
  return texts;
}

}  // namespace

TEST_CASE("syntax: operators bind as the language says") {
  struct Case {
    std::string source, tree, printed;
  };
  const auto c = GENERATE(values<Case>({
      {"a + b * c", "(+ a (* b c))", "a + b * c"},
      {"(a + b) * c", "(* (+ a b) c)", "(a + b) * c"},
      {"a - b - c", "(- (- a b) c)", "a - b - c"},
      {"a - (b - c)", "(- a (- b c))", "a - (b - c)"},
      {"a * b / c @ d", "(@ (/ (* a b) c) d)", "a * b / c @ d"},
      {"a / (b * c)", "(/ a (* b c))", "a / (b * c)"},
      {"a ^ b ^ c", "(^ a (^ b c))", "a ^ b ^ c"},
      {"(a ^ b) ^ c", "(^ (^ a b) c)", "(a ^ b) ^ c"},
      {"-a ^ 2", "(- (^ a 2))", "-a ^ 2"},
      {"(-a) ^ 2", "(^ (- a) 2)", "(-a) ^ 2"},
      {"a ^ -b", "(^ a (- b))", "a ^ -b"},
      {"a ^ -b ^ c", "(^ a (- (^ b c)))", "a ^ -b ^ c"},
      {"a ^ -(b * c)", "(^ a (- (* b c)))", "a ^ -(b * c)"},
      {"a ^ (-b * c)", "(^ a (* (- b) c))", "a ^ (-b * c)"},
      {"a ^ -b * c", "(* (^ a (- b)) c)", "a ^ -b * c"},
      {"--a", "(- (- a))", "--a"},
      {"-a * b", "(* (- a) b)", "-a * b"},
      {"a * -b", "(* a (- b))", "a * -b"},
      {"-(a * b)", "(- (* a b))", "-(a * b)"},
      {"a - -b", "(- a (- b))", "a - -b"},
      {"a + b < c * d", "(< (+ a b) (* c d))", "a + b < c * d"},
      {"(a < b) == c", "(== (< a b) c)", "(a < b) == c"},
      {"a == (b != c)", "(== a (!= b c))", "a == (b != c)"},
      {"not a == b", "(not (== a b))", "not a == b"},
      {"(not a) == b", "(== (not a) b)", "(not a) == b"},
      {"not not a", "(not (not a))", "not not a"},
      {"not a and b or c and not d", "(or (and (not a) b) (and c (not d)))", "not a and b or c and not d"},
      {"a and (b or c)", "(and a (or b c))", "a and (b or c)"},
      {"a <= b and c >= d or e > f", "(or (and (<= a b) (>= c d)) (> e f))", "a <= b and c >= d or e > f"},
      {"x.mT @ y[0].w", "(@ (. x mT) (. (index y {0}) w))", "x.mT @ y[0].w"},
      {"-x[0] ^ 2", "(- (^ (index x {0}) 2))", "-x[0] ^ 2"},
      {"f(x)[1].a", "(. (index (call f x) {1}) a)", "f(x)[1].a"},
      {"(f(x) as g).h", "(. (call f x (as g {})) h)", "(f(x) as g).h"},
      {"a + (f(x) as g)", "(+ a (call f x (as g {})))", "a + (f(x) as g)"},
      {"a + f(x) as g", "(+ a (call f x (as g {})))", "a + (f(x) as g)"},
      {"(f(x) as h[i])[j]", "(index (call f x (as h {i})) {j})", "(f(x) as h[i])[j]"},
      {"f(x) as s[i][j + 1]", "(call f x (as s {i (+ j 1)}))", "f(x) as s[i][j + 1]"},
      {"f(x) as share e", "(call f x (as-share e {}))", "f(x) as share e"},
      {"f(x) as share", "(call f x (as share {}))", "f(x) as share"},
      {"if a then b else c + d", "(if a b (+ c d))", "if a then b else c + d"},
      {"if a then b else if c then d else e", "(if a b (if c d e))", "if a then b else if c then d else e"},
      {"if a then if b then c else d else e", "(if a (if b c d) e)", "if a then (if b then c else d) else e"},
      {"if if a then b else c then d else e", "(if (if a b c) d e)", "if (if a then b else c) then d else e"},
      {"(if a then b else c) + d", "(+ (if a b c) d)", "(if a then b else c) + d"},
      {"f(if a then b else c, d)", "(call f (if a b c) d)", "f(if a then b else c, d)"},
      {"f(a, axis = -1,)", "(call f a (= axis (- 1)))", "f(a, axis = -1)"},
      {"f()", "(call f)", "f()"},
      {"[a, ..., 1,]", "(list {a ... 1})", "[a, ..., 1]"},
      {"[]", "(list {})", "[]"},
      {"x[:, none, 1:, :-1, ::2, a:b:c, i]",
       "(index x {(slice _ _ _) #new (slice 1 _ _) (slice _ (- 1) _) (slice _ _ 2) (slice a b c) i})",
       "x[:, none, 1:, :-1, ::2, a:b:c, i]"},
      {"f(none, true, false, -inf, \"tanh // no\")", "(call f #none #true #false (- #inf) \"tanh // no\")",
       "f(none, true, false, -inf, \"tanh // no\")"},
      {"1e5", "r100000", "100000.0"},
      {"1", "1", "1"},
      {"1.0", "r1", "1.0"},
      {"2.5E-3", "r0.0025000000000000001", "0.0025"},
      {"1e300", "r1.0000000000000001e+300", "1e+300"},
      {"9223372036854775807", "9223372036854775807", "9223372036854775807"},
      {"(5).mT", "(. 5 mT)", "(5).mT"},
  }));
  const Program program = parsed("hyper v = " + c.source);
  CHECK(test::SyntaxTree{}(value_of(program)) == c.tree);
  CHECK(frontend::print(value_of(program)) == c.printed);
  const Program again = parsed("hyper v = " + c.printed);
  CHECK(test::SyntaxTree{}(value_of(again)) == c.tree);
}

TEST_CASE("syntax: where a newline ends a statement") {
  const std::string tree = tree_of(parsed("fn f(a, b) {\n  x = a - b\n  y = if x then a else b\n  return x, y\n}\n"));
  const auto same = GENERATE(values<std::string>({
      "fn f(a, b) { x = a - b; y = if x then a else b; return x, y }",
      "fn f(a, b) { x = a - b;; ; y = if x then a else b\n\n; return x, y; }",
      "fn f(a,\n     b\n) {\n  x =\n    a -\n    b // why\n  y = if x then a\n    else b\n  return x,\n    y\n}",
      "fn f(a, b,) {\n  x = (a\n    - b)\n  y = (if x\n    then a\n    else b)\n  return x, y }",
      "fn f(a, b) {\r\n  x = a - b\r\n  y = if x then a else b\r\n  return x, y\r\n}\r\n",
      "\xEF\xBB\xBF"
      "fn f(a, b) {\n\tx = a - b // na\xC3\xAFve\n\ty = if x then a else b\n\treturn x, y\n}\n// the end",
  }));
  CHECK(tree_of(parsed(same)) == tree);

  CHECK(tree_of(parsed("fn f(a) {\n  b = -a\n  return b\n}")) == tree_of(parsed("fn f(a) { b = -a; return b }")));
  CHECK(tree_of(parsed("layer f() -> \n f32[N] { if a { x = 1 }\n else { x = 2 } }")) ==
        tree_of(parsed("layer f() -> f32[N] { if a { x = 1 } else { x = 2 } }")));
}

TEST_CASE("syntax: the examples and every form print and parse back") {
  for (const std::string& text : models()) check_round_trip(text);
  check_round_trip(R"(
hyper a = 1; hyper b = a + 1
fn f(x: f32[..., D], y: bool[N], z: bool = true, s: str = "a", w: init = zeros(), n: int, q) -> f32[...], i32[] = g(x)
init kaiming(gain: f32 = 1) -> f32[...] { return uniform(gain / sqrt(size([...]))) }
init zeros() -> f32[...] = 0
schedule half(peak: f32) = peak / 2
optimizer none_at_all() {}
layer rnn(x: f32[N, T, D]) {
  param bias: f32[4 * D, 2] = uniform(1 / sqrt(D))
  state mean: f32[D] = zeros()
  state count = zeros()
  h, c = init_both(x)
  ys, zs = scan t in 0..T carry h = h, c = c {
    for i in 0..3 { h = h + i }
    yield h, c
  }
  scan t in a + 1..T { s = t }
  if x { y = 1 } else if z { y = 2 } else if w {} else { y = 3 }
  if training { mean = y }
  return ys, h[0]
}
train {
  data text: chars(a)[b + 1], ids: tokens(a * 2)[b], flag: bool, m: u8[3, 4]
  data more: f64
  loss a; loss b
  metric loss_too = c
  optimizer sgd(lr = half(0.1), steps = 3)
  group bias, h[1].ln, enc[i + 1][0].x.y { weight_decay = 0; frozen = true }
  group all {}
  stop patience = 3, min_delta = 1e-3
  batch = 128; epochs = 3; steps = 2000; clip_norm = 1.0; clip_value = 0.5
  if a { batch = 3 }
}
predict { data x: u8[3]; return p = a, q = b }
fn param(state, data, loss, batch) { train = state; layer = data; metric = loss; share = batch; return metric }
)");
}

TEST_CASE("syntax: nodes know their places") {
  const Program program = parsed("\nhyper v = 1 + relu(linear(x, w) as fc1,\n  y)[0].mT");
  const auto& hyper = std::get<frontend::ast::Hyper>(program.declarations.at(0));
  CHECK(hyper.span.at == ir::SourcePoint{"test.nn", 2, 1});
  CHECK(hyper.name.span.at.column == 7);
  const auto& sum = std::get<frontend::ast::Binary>(hyper.value->node);
  CHECK(hyper.value->span.at.column == 11);
  CHECK(sum.op_span.at.column == 13);
  const auto& member = std::get<frontend::ast::Member>(sum.right->node);
  CHECK(member.member.span.at == ir::SourcePoint{"test.nn", 3, 9});
  const auto& index = std::get<frontend::ast::Index>(member.object->node);
  CHECK(index.brackets.at == ir::SourcePoint{"test.nn", 3, 5});
  CHECK(index.brackets.width == 3);
  const auto& relu = std::get<frontend::ast::Call>(index.object->node);
  CHECK(relu.callee.span.at.column == 15);
  CHECK(relu.callee.span.width == 4);
  CHECK(index.object->span.at.column == 15);
  CHECK(index.object->span.width == 25);  // to the end of the line
  const auto& linear = std::get<frontend::ast::Call>(relu.arguments.at(0).value->node);
  CHECK(relu.arguments[0].span.width == 19);
  CHECK(linear.alias->span.at.column == 33);
  CHECK(linear.alias->span.width == 6);
  CHECK(linear.alias->name.span.at.column == 36);
  CHECK(hyper.value->height == 6);
}

TEST_CASE("syntax: broken text ends with errors and never otherwise") {
  std::mt19937 random(20240229);
  const auto below = [&](std::size_t bound) {
    return static_cast<std::size_t>(random()) % std::max<std::size_t>(bound, 1);
  };
  static constexpr char bytes[] = "\0\n\r\t \"(){}[],;:=.-^@+*/<>!#x0T9e\x80\xC3\xFF";
  const std::vector<std::string> pieces = {"..",  "...", "->",    "else", "if ",     "for ",  "scan ",
                                           "as ", "}",   "{",     "\n",   "(",       ")",     "[",
                                           "]",   "=",   "1e999", "not ", "train {", "yield "};
  const std::vector<std::string> texts = models();
  int right = 0;
  int wrong = 0;
  const auto try_one = [&](const std::string& text) {
    ir::Diagnostics diagnostics;
    const std::optional<Program> program = frontend::parse("test.nn", text, diagnostics);
    if (program.has_value() == diagnostics.failed()) FAIL("neither a program nor an error, or both:\n" << text);
    if (program) {
      ++right;
      const std::string printed = frontend::print(*program);
      ir::Diagnostics none;
      const std::optional<Program> again = frontend::parse("test.nn", printed, none);
      if (!again || tree_of(*again) != tree_of(*program)) FAIL("does not print and parse back:\n" << text);
      return;
    }
    ++wrong;
    const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
    for (const ir::Diagnostic& error : diagnostics.errors()) {
      const bool placed = error.at.file == "test.nn" && error.at.line >= 1 && error.at.line <= lines &&
                          error.at.column >= 1 && error.width >= 1 && !error.message.empty();
      if (!placed) FAIL("an error without a place: " << error.message << "\n" << text);
    }
    if (diagnostics.render().find('\0') != std::string::npos) FAIL("an error shows a NUL byte");
  };
  for (const std::string& text : texts) {
    for (std::size_t size = 0; size < text.size(); size += 3) try_one(text.substr(0, size));
    for (int i = 0; i < 400; ++i) {
      std::string broken = text;
      for (std::size_t edits = 1 + below(3); edits > 0; --edits) {
        const std::size_t at = below(broken.size());
        switch (below(5)) {
          case 0: broken[at] = bytes[below(sizeof bytes - 1)]; break;
          case 1: broken.insert(at, 1, bytes[below(sizeof bytes - 1)]); break;
          case 2: broken.erase(at, 1 + below(12)); break;
          case 3: broken.insert(at, pieces[below(pieces.size())]); break;
          default: broken.insert(at, broken.substr(below(broken.size()), below(60))); break;
        }
      }
      try_one(broken);
    }
  }
  CHECK(right > 100);
  CHECK(wrong > 1000);
}

TEST_CASE("syntax: deep nesting is an error") {
  const auto repeat = [](const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  const int many = 100000;
  const std::vector<std::string> sources = {
      "hyper v = " + repeat("(", many),
      "hyper v = " + repeat("[", many),
      "hyper v = " + repeat("f(", many),
      "hyper v = " + repeat("-", many) + "1",
      "hyper v = " + repeat("not ", many) + "a",
      "hyper v = " + repeat("a ^ ", many) + "a",
      "hyper v = " + repeat("a ^ -", many) + "a",
      "hyper v = " + repeat("a + ", many) + "a",
      "hyper v = a" + repeat("[0]", many),
      "hyper v = a" + repeat(".b", many),
      "hyper v = " + repeat("if a then b else ", many) + "c",
      "hyper v = " + repeat("if ", many),
      "fn f() {" + repeat("for i in 0..1 {", many),
      "fn f() {" + repeat("if a {", many),
      "fn f() {" + repeat("scan t in 0..1 {", many),
      "fn f(x: f32" + repeat("[a", many),
      "train {" + repeat("group a {", many),
  };
  for (const std::string& source : sources) {
    ir::Diagnostics diagnostics;
    CHECK(!frontend::parse("test.nn", source, diagnostics));
    REQUIRE(diagnostics.failed());
    CAPTURE(source.substr(0, 60), diagnostics.errors()[0].message);
    const bool group = source.find("group") != std::string::npos;
    CHECK((diagnostics.errors()[0].message.find("nested more than 200 levels deep") != std::string::npos) != group);
  }
  parsed("hyper v = " + repeat("(", 150) + "1" + repeat(")", 150));
  parsed("hyper v = [" + repeat("1, ", many) + "]");
}
