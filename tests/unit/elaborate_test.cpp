// What programs mean: paths, shapes, promotion, control, losses, metrics, groups.
#include "ir/op.h"
#include "tests/unit/elaborate_program.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

using namespace nnc;
using test::elaborate;
using test::train;

std::vector<std::string> paths(const ir::Module& module, ir::SlotKind kind) {
  std::vector<std::string> found;
  for (const ir::Slot& slot : module.slots)
    if (slot.kind == kind) found.push_back(fmt::format("{}: {}", slot.path, ir::to_string(slot.type)));
  return found;
}
using Lines = std::vector<std::string>;

ir::Module module_of(std::string_view text, const frontend::Options& options = {},
                     const frontend::BatchSizes& sizes = {{4}, {4}}) {
  auto result = elaborate(text, options, sizes);
  INFO(text);
  INFO(result.errors);
  REQUIRE(result.module);
  return std::move(*result.module);
}

Lines parameters(std::string_view text) { return paths(module_of(text), ir::SlotKind::parameter); }

// The ops of a graph that are no constants, as "name : type".
Lines ops(const ir::Graph& graph) {
  Lines lines;
  for (const ir::Op& op : graph.body.ops())
    if (*op.def->name != "constant")
      lines.push_back(fmt::format("{} : {}", *op.def->name, ir::to_string(graph.body.type(op.results[0]))));
  return lines;
}

bool has(const ir::Graph& graph, const std::string& line) {
  const Lines all = ops(graph);
  return std::count(all.begin(), all.end(), line) > 0;
}

// The type of the expression in `train`, with x: f32[4,3], n: i32[4], u: u8[4], b: bool[4], all with the batch.
std::string type_of(const std::string& expr, std::string_view before = "") {
  const ir::Module module =
      module_of(fmt::format("{}\n{}predict {{\n  data x: f32[3], n: i32, u: u8, b: bool\n  return y = {}\n}}\n", before,
                            train("data x: f32[3], n: i32, u: u8, b: bool\n  loss mean(linear(x, 2) as fc)"), expr));
  const ir::Graph* predict = module.find_graph("predict", 4);
  REQUIRE(predict);
  return ir::to_string(predict->body.type(predict->result(ir::GraphResult::Kind::value, "y")));
}

const std::string one_layer = "data x: f32[3]\n  loss mean(linear(x, 2) as fc)";

}  // namespace

TEST_CASE("elaborate: instances have paths") {
  CHECK(parameters(train(one_layer)) == Lines{"fc.weight: f32[2,3]", "fc.bias: f32[2]"});
  // Unnamed calls are counted over the text, whichever branch is taken, with the indices of loops.
  CHECK(parameters(train("data x: f32[3]\n  if false { x = linear(x, 2) }\n  x = linear(x, 3, bias = false)\n"
                         "  for i in 0..2 { x = linear(x, 3, bias = false) }\n  loss mean(x)")) ==
        Lines{"linear_2.weight: f32[3,3]", "linear_3.0.weight: f32[3,3]", "linear_3.1.weight: f32[3,3]"});
  CHECK(parameters("layer two(x: f32[N, D]) {\n  for s in 0..2 { x = linear(x, D, bias = false) as h[s][s + 1] }\n"
                   "  return x\n}\n" +
                   train("data x: f32[3]\n  loss mean(two(x) as model)")) ==
        Lines{"model.h.0.1.weight: f32[3,3]", "model.h.1.2.weight: f32[3,3]"});
}

TEST_CASE("elaborate: a shared name is one instance") {
  const ir::Module module = module_of(
      train("data x: f32[3], y: f32[3]\n  loss mean(linear(x, 2) as share e) + mean(linear(y, 2) as share e)"));
  CHECK(paths(module, ir::SlotKind::parameter) == Lines{"e.weight: f32[2,3]", "e.bias: f32[2]"});
  const Lines all = ops(*module.find_graph("train", 4));
  CHECK(std::count(all.begin(), all.end(), "slot : f32[2,3]") == 1);
  CHECK(std::count(all.begin(), all.end(), "matmul : f32[4,2]") == 2);
}

TEST_CASE("elaborate: an instance's parameters are values") {
  const ir::Module module =
      module_of(train("data x: f32[3]\n  h = linear(x, 2) as fc[0]\n  loss mean(h @ fc[0].weight) + sum(fc[0].bias)"));
  CHECK(has(*module.find_graph("train", 4), "matmul : f32[4,3]"));
}

TEST_CASE("elaborate: signatures bind dimensions") {
  CHECK(type_of("f(x)", "fn f(x: f32[N, D]) = zeros([D, N + 1, 2 * D])") == "f32[3,5,6]");
  CHECK(type_of("f(x)", "fn f(x: f32[..., D]) = zeros([..., D, D])") == "f32[4,3,3]");
  CHECK(type_of("f(x)", "fn f(x: f32[A, ...], n: int = A * 2) = zeros([n, ...])") == "f32[8,3]");
  // A bare capital is bound before anything else is checked, in whatever order the parameters stand.
  CHECK(type_of("f(zeros([6]), x)", "fn f(a: f32[2 * D], b: f32[N, D]) = a") == "f32[6]");
  CHECK(elaborate(train("data x: f32[3]\n  loss f(x, x)") + "fn f(a: f32[N, D], b: f32[D, N]) = mean(a)")
            .errors.find("`b` is f32[D, N], found f32[4,3]: `D` is 4 here, but 3 from `a`") != std::string::npos);
}

TEST_CASE("elaborate: promotion") {
  CHECK(type_of("u + u") == "i32[4]");
  CHECK(type_of("u / 255") == "f32[4]");
  CHECK(type_of("n * 2") == "i32[4]");
  CHECK(type_of("n * 2.5") == "f32[4]");
  CHECK(type_of("n + x[:, 0]") == "f32[4]");
  CHECK(type_of("b + b") == "i32[4]");
  CHECK(type_of("mean(b)") == "f32[]");
  CHECK(type_of("argmax(x, axis = -1)") == "i32[4]");
  CHECK(type_of("x > 0") == "bool[4,3]");
  CHECK(type_of("not b and u == n") == "bool[4]");
  CHECK(type_of("where(b, 1, 0)") == "i32[4]");
  CHECK(type_of("where(b, n, 0.5)") == "f32[4]");
  CHECK(type_of("f64(x) * 2") == "f64[4,3]");
  CHECK(type_of("i32(x)") == "i32[4,3]");
  CHECK(type_of("f(u)", "fn f(a: f32[N]) = a") == "f32[4]");
  CHECK(type_of("f(b)", "fn f(a: i32[N]) = a") == "i32[4]");
}

TEST_CASE("elaborate: shapes and subscripts") {
  CHECK(type_of("x[1]") == "f32[3]");
  CHECK(type_of("x[:, -1]") == "f32[4]");
  CHECK(type_of("x[1:, :-1]") == "f32[3,2]");
  CHECK(type_of("x[:, none, 1:]") == "f32[4,1,2]");
  CHECK(type_of("x.mT") == "f32[3,4]");
  CHECK(type_of("flatten(zeros([2, 3, 4]), start = 1)") == "f32[2,12]");
  CHECK(type_of("zeros(shape(x)[1:] + [size(x)] * 2)") == "f32[3,12,12]");
  CHECK(type_of("unsqueeze(x, -1)") == "f32[4,3,1]");
  CHECK(type_of("one_hot(n, 5)") == "bool[4,5]");
  CHECK(type_of("one_hot(x[:, 0] > 0, 5)", "fn one_hot(b, k: int) = zeros([k])") == "f32[5]");
}

TEST_CASE("elaborate: static control") {
  CHECK(type_of("f(x, 3)", "fn f(x, n: int) {\n  for i in 1..n { x = if i == 1 then x.mT else x[0] }\n  return x\n}") ==
        "f32[4]");
  CHECK(type_of("f(2)",
                "fn f(n: int) {\n  if n == 1 { y = zeros([1]) } else if n == 2 { y = zeros([2]) } else "
                "{ y = zeros([3]) }\n  return y\n}") == "f32[2]");
  CHECK(type_of("zeros([f(3)])", "fn f(n: int) = 2 ^ n - 7 / 7") == "f32[7]");
  // A static call of an op is static itself.
  CHECK(type_of("zeros([i32(sqrt(16.0)) + maximum(1, 2)])") == "f32[6]");
}

TEST_CASE("elaborate: std sees neither the user's functions nor hypers") {
  const std::string text = "hyper axis = 7\nfn exp(x) = x * 0\nfn log_softmax(x, axis: int = -1) = x\n" +
                           train("data x: f32[3], label: u8\n  loss cross_entropy(linear(x, 2) as fc, label)");
  const ir::Module module = module_of(text);
  CHECK(has(*module.find_graph("train", 4), "exp : f32[4,2]"));
  // The user's own call has the user's function.
  CHECK(!has(*module_of("fn exp(x) = x * 0\n" + train("data x: f32[3]\n  loss mean(exp(linear(x, 2) as fc))"))
                  .find_graph("train", 4),
             "exp : f32[4,2]"));
}

TEST_CASE("elaborate: a copy of std in the user's file changes no op") {
  const std::string body = train("data x: f32[3]\n  loss mean(relu(linear(x, 2) as fc))");
  const std::string copy =
      "layer dense(x: f32[..., I], units: int, bias: bool = true, init: init = even(1 / sqrt(I)), bias_init: init = "
      "even(1 "
      "/ sqrt(I))) -> f32[..., units] {\n  param weight: f32[units, I] = init\n  y = x @ weight.mT\n  if bias {\n    "
      "param "
      "bias: f32[units] = bias_init\n    y = y + bias\n  }\n  return y\n}\n"
      "init even(bound: f32) -> f32[...] = (2 * random_uniform([...]) - 1) * bound\n"
      "fn ramp(x) = where(x <= 0, 0, x)\n"
      "optimizer descent(lr: f32 = 1e-3) {\n  param = param - lr * grad\n}\n";
  std::string renamed = train("data x: f32[3]\n  loss mean(ramp(dense(x, 2) as fc))");
  renamed.replace(renamed.find("sgd"), 3, "descent");
  const auto without_places = [](const ir::Module& module) {
    std::string text = ir::print(module), stripped;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string line = text.substr(begin, end - begin);
      line.erase(std::min(line.find(" loc("), line.size()));
      line.erase(line.find_last_not_of(' ') + 1);
      stripped += line + "\n";
      begin = end + 1;
    }
    return stripped;
  };
  CHECK(without_places(module_of(copy + renamed)) == without_places(module_of(body)));
}

TEST_CASE("elaborate: training is true in the train graph only") {
  const ir::Module module =
      module_of(train("data x: f32[3]\n  if training { x = tanh(x) }\n  loss mean(linear(x, 2) as fc)"));
  CHECK(has(*module.find_graph("train", 4), "tanh : f32[4,3]"));
  CHECK(!has(*module.find_graph("eval", 4), "tanh : f32[4,3]"));
}

TEST_CASE("elaborate: graphs of several batch sizes share slots") {
  const ir::Module module = module_of(train(one_layer), {}, {{4, 3}, {4, 1}});
  REQUIRE(module.find_graph("train", 3));
  CHECK(has(*module.find_graph("train", 3), "matmul : f32[3,2]"));
  CHECK(has(*module.find_graph("eval", 1), "matmul : f32[1,2]"));
  CHECK(paths(module, ir::SlotKind::parameter).size() == 2);
  CHECK(module.find_graph("init"));
  CHECK(module.find_graph("report"));
}

TEST_CASE("elaborate: options") {
  frontend::Options options{.set = {{"width", "5"}}, .batch = 7, .epochs = 9};
  const ir::Module module = module_of(
      "hyper width = 2\nhyper wide = width * 2\n" + train("data x: f32[3]\n  loss mean(linear(x, wide) as fc)"),
      options);
  CHECK(paths(module, ir::SlotKind::parameter).front() == "fc.weight: f32[10,3]");
  CHECK(module.recipe.batch == 7);
  CHECK(module.recipe.epochs == 9);
  CHECK(elaborate("hyper width = 2\n" + train(one_layer), {.set = {{"width", "1.5"}}, .batch = {}, .epochs = {}})
            .errors == "error: --set: `width` is an integer, as its default is; found `1.5`\n");
  CHECK(elaborate("hyper width = 2\n" + train(one_layer),
                  {.set = {{"width", "99999999999999999999"}}, .batch = {}, .epochs = {}})
            .errors == "error: --set: `width`: 99999999999999999999 is beyond the numbers that there are\n");
}

TEST_CASE("elaborate: the loss is averaged by example, its batch-free terms over steps") {
  const ir::Module module = module_of(
      train("data x: f32[3]\n  loss mean(linear(x, 2) as fc)\n  loss 0.1 * sum(fc.weight ^ 2) - sum(fc.bias)"));
  CHECK(paths(module, ir::SlotKind::accumulator) == Lines{"loss.train.sum: f64[]", "loss.train.count: f64[]",
                                                          "loss.train.sum.1: f64[]", "loss.train.count.1: f64[]",
                                                          "loss.eval.sum: f64[]", "loss.eval.count: f64[]",
                                                          "loss.eval.sum.1: f64[]", "loss.eval.count.1: f64[]"});
  const ir::Graph& report = *module.find_graph("report");
  CHECK(std::ranges::count(ops(report), "div : f64[]") == 4);
  CHECK(paths(module_of(train(one_layer)), ir::SlotKind::accumulator).size() == 4);
}

TEST_CASE("elaborate: a metric's reductions accumulate and its scalars are applied in the report") {
  const ir::Module module =
      module_of(train(one_layer + "\n  metric rmse = sqrt(mean((x - 1) ^ 2))\n  metric total = sum(x)"));
  CHECK(module.recipe.metrics == Lines{"rmse", "total"});
  const Lines accumulators = paths(module, ir::SlotKind::accumulator);
  CHECK(std::ranges::count(accumulators, "metric.train.rmse.count: f64[]") == 1);
  CHECK(std::ranges::count(accumulators, "metric.train.total.sum: f64[]") == 1);
  CHECK(std::ranges::count(accumulators, "metric.train.total.count: f64[]") == 0);
  const ir::Graph& report = *module.find_graph("report");
  CHECK(has(report, "sqrt : f64[]"));
  for (const char* name : {"train.loss", "train.rmse", "train.total", "eval.loss", "eval.rmse", "eval.total"})
    CHECK(report.result(ir::GraphResult::Kind::value, name).valid());
}

TEST_CASE("elaborate: optimizers become rules") {
  const ir::Module module = module_of(
      "optimizer o(lr: f32, decay: f32 = 0) {\n  state m = ones()\n  m = m + grad\n  param = param - lr * m - decay * "
      "param\n}\n"
      "train {\n  data x: f32[3]\n  h = linear(x, 3) as a\n  h = linear(h, 3) as b\n  loss mean(h)\n"
      "  optimizer o(0.1)\n  group bias { decay = 0.5 }\n  group a.bias { frozen = true }\n  group b { decay = 1 }\n"
      "  batch = 4\n  epochs = 1\n}\n");
  REQUIRE(module.updates.size() == 3);
  CHECK(module.updates[0].parameter == "a.weight");
  CHECK(module.updates[1].parameter == "b.weight");
  CHECK(module.updates[2].parameter == "b.bias");
  CHECK(module.updates[0].rule != module.updates[1].rule);  // `b` is another group
  CHECK(module.updates[2].states == Lines{"optimizer.b.bias.m"});
  CHECK(module.find_slot("a.bias")->frozen);
  CHECK(!module.find_slot("optimizer.a.bias.m"));
  const ir::Graph* rule = module.find_rule(module.updates[0].rule);
  REQUIRE(rule);
  CHECK(rule->param_names == Lines{"param", "grad", "m"});
  CHECK(rule->results.size() == 2);
  CHECK(rule->results[1].name == "m");
  CHECK(module.find_graph("init")->result(ir::GraphResult::Kind::slot, "optimizer.b.bias.m").valid());
}

TEST_CASE("elaborate: schedules read step and total_steps as runtime scalars") {
  const auto with = [](std::string_view optimizer) {
    return module_of(
        fmt::format("train {{\n  {}\n  optimizer {}\n  batch = 4\n  epochs = 1\n}}\n", one_layer, optimizer));
  };
  const ir::Module module = with("sgd(lr = cosine(0.1, warmup = 5))");
  CHECK(module.find_slot("total_steps"));
  CHECK(has(module.rules.front(), "cos : f64[]"));
  CHECK(has(module.rules.front(), "cast : f32[]"));
  CHECK(!with("sgd(lr = constant(0.1))").find_slot("total_steps"));
}

TEST_CASE("elaborate: clipping is a rule over all gradients") {
  const ir::Module module = module_of(train(one_layer + "\n  clip_norm = 1"));
  const ir::Graph* clip = module.find_rule(ir::clip_rule);
  REQUIRE(clip);
  CHECK(clip->body.params().size() == 2);
  CHECK(clip->results.size() == 2);
  CHECK(!module_of(train(one_layer)).find_rule(ir::clip_rule));
}

TEST_CASE("elaborate: initializers draw from a stream of their own") {
  const ir::Module module = module_of(train("data x: f32[3]\n  h = linear(x, 3) as a\n  loss mean(linear(h, 3) as b)"));
  std::vector<std::string> streams;
  for (const ir::Op& op : module.find_graph("init")->body.ops())
    for (const ir::Attr& attr : op.attrs)
      if (const auto* text = std::get_if<std::string>(&attr); text && text->find('/') != std::string::npos)
        streams.push_back(*text);
  CHECK(streams.size() == 4);
  std::sort(streams.begin(), streams.end());
  CHECK(std::unique(streams.begin(), streams.end()) == streams.end());
  CHECK(module.find_graph("init")->result(ir::GraphResult::Kind::slot, "step").valid());
}

TEST_CASE("elaborate: predict uses train's instances") {
  const ir::Module module =
      module_of(train(one_layer) + "predict {\n  data x: f32[3]\n  return y = linear(x, 2) as fc, w = fc.weight\n}\n");
  const ir::Graph* predict = module.find_graph("predict", 4);
  REQUIRE(predict);
  CHECK(predict->results.size() == 2);
  CHECK(paths(module, ir::SlotKind::parameter).size() == 2);
}

TEST_CASE("elaborate: locations are call chains, the user's line first") {
  const ir::Module module = module_of(train(one_layer));
  for (const ir::Op& op : module.find_graph("train", 4)->body.ops())
    if (*op.def->name == "matmul") {
      REQUIRE(op.location.chains().size() == 1);
      const ir::CallChain& chain = op.location.chains().front();
      REQUIRE(chain.size() == 2);
      CHECK(chain[0] == ir::SourcePoint{"test.nn", 3, 13});
      CHECK(chain[1].file == "std/layers.nn");
    }
}

TEST_CASE("elaborate: runaway programs end with an error") {
  const std::string deep = "fn f0(x) = x\n" + [] {
    std::string text;
    for (int i = 1; i < 200; ++i) text += fmt::format("fn f{}(x) = f{}(x)\n", i, i - 1);
    return text;
  }();
  CHECK(elaborate(deep + train("data x: f32[3]\n  loss mean(f199(x))")).errors.find("calls nest more than 60 deep") !=
        std::string::npos);
  CHECK(elaborate(train("data x: f32[3]\n  for i in 0..9 { x = zeros(shape(x) + [99999]) }\n  loss mean(x)"))
            .errors.find("too large") != std::string::npos);
  std::string nested = "x";
  for (int i = 0; i < 90; ++i) nested = "-(" + nested + ")";
  CHECK(elaborate(train("data x: f32[3]\n  y = linear(x, 2) as fc\n  loss mean(" + nested + ")")).errors.empty());
}
