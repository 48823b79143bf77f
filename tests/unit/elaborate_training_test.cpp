// What `train` says besides the graph: settings, text fields, groups, clipping.
#include "ir/op.h"
#include "tests/unit/elaborate_program.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace nnc;

namespace {

ir::Module module_of(const std::string& text, const frontend::Options& options = {}) {
  auto result = test::elaborate(text, options);
  INFO(text);
  INFO(result.errors);
  REQUIRE(result.module);
  return std::move(*result.module);
}

std::string train(std::string_view statements) {
  return "train {\n  data x: f32[3], y: f32\n  loss mse((linear(x, 1) as fc)[:, 0], y)\n  batch = 4\n" +
         std::string(statements) + "\n}\n";
}

std::vector<std::string> ops_of(const ir::Block& block) {
  std::vector<std::string> names;
  for (const ir::Op& op : block.ops()) names.emplace_back(*op.def->name);
  return names;
}

}  // namespace

TEST_CASE("training: steps say how long, unless --epochs does") {
  const std::string text = train("optimizer sgd(lr = cosine(0.1))\nsteps = 2000");
  CHECK(module_of(text).recipe.steps == 2000);
  CHECK_FALSE(module_of(text).recipe.epochs);
  frontend::Options options;
  options.epochs = 3;
  CHECK_FALSE(module_of(text, options).recipe.steps);
  CHECK(module_of(text, options).recipe.epochs == 3);
}

TEST_CASE("training: chars and tokens are i32 ids below their vocabulary") {
  const ir::Module module = module_of(R"(
train {
  data text: chars(65)[7]
  data words: tokens(1000)[2]
  h = linear(f32(text[:, :-1]), 100) as fc
  loss cross_entropy(h, text[:, 6]) + mean(f32(words))
  optimizer sgd()
  batch = 4
  steps = 1
})");
  const auto& data = module.recipe.data;
  REQUIRE(data.size() == 2);
  CHECK(ir::to_string(data[0].type) == "i32[7]");
  CHECK(data[0].source == ir::DataField::Source::chars);
  CHECK(data[0].vocabulary == 65);
  CHECK(data[0].range == 65);
  CHECK(data[1].source == ir::DataField::Source::tokens);
  CHECK(data[1].vocabulary == 1000);
}

TEST_CASE("training: clip_value bounds each element, before clip_norm") {
  const std::string sgd = "optimizer sgd()\nepochs = 1\n";
  const auto count = [&](const std::string& settings, const std::string& op) {
    const ir::Module module = module_of(train(sgd + settings));
    const ir::Graph* rule = module.find_rule(ir::clip_rule);
    REQUIRE(rule);
    const auto names = ops_of(rule->body);
    return std::count(names.begin(), names.end(), op);
  };
  // Two gradients: fc.weight, fc.bias.
  CHECK(count("clip_value = 0.5", "minimum") == 2);
  CHECK(count("clip_value = 0.5", "maximum") == 2);
  CHECK(count("clip_value = 0.5", "sum") == 0);
  CHECK(count("clip_value = 0.5; clip_norm = 1", "minimum") == 3);
  CHECK(count("clip_value = 0.5; clip_norm = 1", "sum") == 2);
  const ir::Module module = module_of(train(sgd + "clip_value = 0.5; clip_norm = 1"));
  const auto names = ops_of(module.find_rule(ir::clip_rule)->body);
  CHECK(std::find(names.begin(), names.end(), "maximum") < std::find(names.begin(), names.end(), "sum"));
}

TEST_CASE("training: a group sets any hyperparameter of the optimizer, and later groups win") {
  const ir::Module module = module_of(R"(
layer two(x: f32[N, D]) {
  for i in 0..2 { x = linear(x, 3) as h[i] }
  return x
}
train {
  data x: f32[3], y: f32[3]
  loss mse(two(x) as net, y)
  optimizer sgd(lr = 0.1)
  group net { momentum = 0.9 }
  group h[1].bias, h[0].weight { momentum = 0; lr = 0.5 }
  group h[1] { frozen = true }
  group h[1].weight { frozen = false }
  batch = 4
  epochs = 1
})");
  std::vector<std::string> updates;
  for (const ir::Update& update : module.updates)
    updates.push_back(update.parameter + (update.states.empty() ? "" : " with momentum"));
  CHECK(updates ==
        std::vector<std::string>{"net.h.0.weight", "net.h.0.bias with momentum", "net.h.1.weight with momentum"});
  CHECK(module.find_slot("net.h.1.bias")->frozen);
  CHECK_FALSE(module.find_slot("net.h.1.weight")->frozen);
}
