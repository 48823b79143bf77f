// Every rule of the verifier, violated.
#include "ir/verify.h"

#include "ir/op.h"
#include "ir/text.h"
#include "tests/unit/sample_module.h"

#include <catch2/catch.hpp>

#include <functional>
#include <limits>

using namespace nnc;
using namespace nnc::ir;

namespace {

Module sample() {
  Diagnostics diagnostics;
  std::optional<Module> module = parse_module("sample.ir", tests::sample_module, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  return *std::move(module);
}

Graph& graph(Module& module, std::string_view name) {
  for (Graph& graph : module.graphs) {
    if (graph.name == name) return graph;
  }
  for (Graph& rule : module.rules) {
    if (rule.name == name) return rule;
  }
  throw std::out_of_range("no such graph");
}

/// The first op of that name.
Op& op(Graph& graph, std::string_view name) {
  for (Op& op : graph.body.ops()) {
    if (*op.def->name == name) return op;
  }
  throw std::out_of_range("no such op");
}

Attr& attr(Op& op, std::string_view name) {
  for (std::size_t i = 0; i < op.attrs.size(); ++i) {
    if (op.def->attrs[i].name == name) return op.attrs[i];
  }
  throw std::out_of_range("no such attribute");
}

Slot& slot(Module& module, std::string_view path) {
  for (Slot& slot : module.slots) {
    if (slot.path == path) return slot;
  }
  throw std::out_of_range("no such slot");
}

/// A graph like `old` but with other types of parameters.
void set_param_type(Graph& graph, std::size_t index, const Type& type) {
  Block body;
  for (std::size_t i = 0; i < graph.body.params().size(); ++i) {
    body.add_param(i == index ? type : graph.body.type(graph.body.params()[i]));
  }
  for (const Op& op : graph.body.ops()) {
    std::vector<Type> types;
    for (const ValueId result : op.results) types.push_back(graph.body.type(result));
    body.append(op, types);
  }
  body.results = graph.body.results;
  graph.body = std::move(body);
}

/// Appends an op whose result has that type, whatever inference says.
void append(Graph& graph, std::string_view name, std::vector<ValueId> operands, const std::vector<Type>& results) {
  Op op;
  op.def = find_op(name);
  op.operands = std::move(operands);
  graph.body.append(op, results);
}

struct Violation {
  std::string message;
  std::function<void(Module&)> violate;
};

void check_violation(const Violation& violation) {
  INFO(violation.message);
  Module module = sample();
  violation.violate(module);
  Diagnostics diagnostics;
  CHECK(verify(module, diagnostics) == Status::failed);
  INFO(diagnostics.render());
  bool found = false;
  for (const Diagnostic& error : diagnostics.errors()) {
    found = found || error.message.find(violation.message) != std::string::npos;
  }
  CHECK(found);
}

const Type f32_2{DType::f32, {2}, {}};

}  // namespace

TEST_CASE("A well-formed module passes the verifier") {
  Diagnostics diagnostics;
  CHECK(verify(sample(), diagnostics) == Status::ok);
  CHECK_FALSE(diagnostics.failed());
  CHECK(verify(Module{}, diagnostics) == Status::ok);
}

TEST_CASE("The verifier reports what is wrong in an op") {
  const std::vector<Violation> violations = {
      {"an op without a record", [](Module& m) { op(graph(m, "train"), "sum").def = nullptr; }},
      {"operand 0 is not defined before its use",
       [](Module& m) {
         Op& sum = op(graph(m, "train"), "sum");
         sum.operands[0] = sum.results[0];
       }},
      {"operand 0 is not defined before its use", [](Module& m) { op(graph(m, "train"), "sum").operands[0] = {}; }},
      {"operand 0 is not defined before its use", [](Module& m) { op(graph(m, "train"), "sum").operands[0] = {999}; }},
      {"sum takes 1 operands, found 2",
       [](Module& m) {
         Op& sum = op(graph(m, "train"), "sum");
         sum.operands.push_back(sum.operands[0]);
       }},
      {"scan has 1 regions, found 0", [](Module& m) { op(graph(m, "train"), "scan").regions.clear(); }},
      {"sum has 0 regions, found 1", [](Module& m) { op(graph(m, "train"), "sum").regions.emplace_back(); }},
      {"a result is not a value of the block", [](Module& m) { op(graph(m, "train"), "sum").results[0] = {999}; }},
      {"a result is defined twice",
       [](Module& m) {
         Graph& rule = graph(m, "adam.0");
         rule.body.ops()[2].results = rule.body.ops()[1].results;
       }},
      {"sum has 2 attributes, found 1", [](Module& m) { op(graph(m, "train"), "sum").attrs.pop_back(); }},
      {"`keepdim` must be true or false", [](Module& m) { attr(op(graph(m, "train"), "sum"), "keepdim") = 0.5; }},
      {"`axis` has 7", [](Module& m) { attr(op(graph(m, "train"), "sum"), "axis") = std::vector<std::int64_t>{7}; }},
      {"`axis` is not in the form in which its kind is held",
       [](Module& m) { attr(op(graph(m, "train"), "sum"), "axis") = std::vector<std::int64_t>{-1}; }},
      {"expected f32[4], as sum gives of its operands, found f32[2]",
       [](Module& m) {
         Graph& train = graph(m, "train");
         append(train, "sum", {op(train, "matmul").results[0]}, {f32_2});
         train.body.ops().back().attrs = {std::vector<std::int64_t>{1}, false};
       }},
      {"neg has 1 results, found 2",
       [](Module& m) {
         Graph& train = graph(m, "train");
         append(train, "neg", {op(train, "cast").results[0]}, {f32_2, f32_2});
       }},
      {"neg: expected numbers, found bool",
       [](Module& m) {
         Graph& train = graph(m, "train");
         ValueId boolean;
         for (const Op& op : train.body.ops()) {
           if (train.body.type(op.results[0]).dtype == DType::boolean) boolean = op.results[0];
         }
         append(train, "neg", {boolean}, {f32_2});
       }},
      {"malformed type f32[5,6]<0,1>",
       [](Module& m) {
         Graph& clip = graph(m, "clip");
         append(clip, "neg", {clip.body.params()[0]}, {Type{DType::f32, {5, 6}, {0, 1}}});
       }},
      {"malformed type f32[-2]",
       [](Module& m) {
         graph(m, "train").body.add_param({DType::f32, {-2}, {}});
       }},
      {"malformed type f32[2,0]",
       [](Module& m) {
         graph(m, "train").body.add_param({DType::f32, {2, 0}, {}});
       }},
      {"neg: expected signed numbers, found u8[2]",
       [](Module& m) {
         Graph& train = graph(m, "train");
         append(train, "neg", {train.body.add_param({DType::u8, {2}, {}})}, {{DType::u8, {2}, {}}});
       }},
      {"a region sees its parameters only, and no slot",
       [](Module& m) {
         Graph& train = graph(m, "train");
         Op read = op(train, "slot");
         op(train, "scan").regions[0].append(read, {train.body.type(read.results[0])});
       }},
      {"a region yields what is no value of it",
       [](Module& m) { op(graph(m, "train"), "scan").regions[0].results[0] = {999}; }},
      {"operand 1 is not defined before its use",
       [](Module& m) { op(graph(m, "train"), "scan").regions[0].ops()[0].operands[1] = {999}; }},
      {"slot '@fc.weight' is f32[5,7], found f32[5,6]",
       [](Module& m) {
         slot(m, "fc.weight").type.shape = {5, 7};
       }},
      {"unknown slot '@gone'", [](Module& m) { attr(op(graph(m, "train"), "slot"), "path") = std::string("gone"); }},
      {"its role names slot '@gone'", [](Module& m) { op(graph(m, "train"), "sum").role.slot = "gone"; }},
  };
  for (const Violation& violation : violations) check_violation(violation);
}

TEST_CASE("The verifier reports what is wrong in a graph") {
  const std::vector<Violation> violations = {
      {"result 0 is a value that is not defined", [](Module& m) { graph(m, "train").body.results[0] = {}; }},
      {"'bad name@2' cannot be the name of a graph", [](Module& m) { graph(m, "eval").name = "bad name"; }},
      {"'@2' cannot be the name of a graph", [](Module& m) { graph(m, "eval").name = ""; }},
      {"graph '@train@4' stands twice", [](Module& m) { m.graphs.push_back(graph(m, "train")); }},
      {"rule '@adam.0' stands twice", [](Module& m) { m.rules.push_back(graph(m, "adam.0")); }},
      {"4 parameters have 5 names", [](Module& m) { graph(m, "train").param_names.emplace_back("more"); }},
      {"parameter 'image' stands twice", [](Module& m) { graph(m, "train").param_names[1] = "image"; }},
      {"'a b' cannot be the name of a parameter", [](Module& m) { graph(m, "train").param_names[1] = "a b"; }},
      {"4 results have 3 names", [](Module& m) { graph(m, "train").results.pop_back(); }},
      {"'3' cannot be the name of a result", [](Module& m) { graph(m, "train").results[0].name = "3"; }},
      {"result '@fc.weight' stands twice",
       [](Module& m) {
         Graph& train = graph(m, "train");
         train.add_result(GraphResult::Kind::slot, "fc.weight", train.result(GraphResult::Kind::slot, "fc.weight"));
       }},
      {"result 'loss' stands twice",
       [](Module& m) {
         Graph& train = graph(m, "train");
         train.add_result(GraphResult::Kind::value, "loss", train.body.results[0]);
       }},
      {"unknown slot '@gone'", [](Module& m) { graph(m, "train").results[1].name = "gone"; }},
      {"'@norm.mean' is f32[5], its new value f32[5,6]",
       [](Module& m) { graph(m, "train").results[1].name = "norm.mean"; }},
      {"'@fc.bias' is f32[5], its gradient f32[5,6]", [](Module& m) { graph(m, "train").results[3].name = "fc.bias"; }},
      {"a gradient of '@optimizer.fc.weight.m', which is no parameter but a optimizer",
       [](Module& m) { graph(m, "train").results[3].name = "optimizer.fc.weight.m"; }},
      {"'@train@4' has 5 parameters for 4 data fields",
       [](Module& m) {
         graph(m, "train").body.add_param(f32_2);
         graph(m, "train").param_names.emplace_back("more");
       }},
      {"the field 'label' at batch size 4 is u8[4], found u8[3]",
       [](Module& m) {
         set_param_type(graph(m, "train"), 1, {DType::u8, {3}, {}});
       }},
      {"the field 'text' at batch size 2 is i32[2,8], found i64[2,8]",
       [](Module& m) {
         set_param_type(graph(m, "eval"), 2, {DType::i64, {2, 8}, {}});
       }},
      {"the field 'image' at batch size 4 is u8[4,2,3], found u8[4,6]",
       [](Module& m) {
         set_param_type(graph(m, "predict"), 0, {DType::u8, {4, 6}, {}});
       }},
      {"'@predict' has no batch size", [](Module& m) { graph(m, "predict").batch = 0; }},
      {"'@init' gives no value to the statistic '@norm.mean'",
       [](Module& m) {
         Graph& init = graph(m, "init");
         init.results.erase(init.results.begin() + 3);
         init.body.results.erase(init.body.results.begin() + 3);
       }},
      {"'@init' gives no value to the parameter '@new'",
       [](Module& m) {
         m.slots.push_back({"new", f32_2, SlotKind::parameter, false});
       }},
      {"'@init' gives no value to the optimizer '@new'",
       [](Module& m) {
         m.slots.push_back({"new", f32_2, SlotKind::optimizer, false});
       }},
  };
  for (const Violation& violation : violations) check_violation(violation);
}

TEST_CASE("The verifier reports what is wrong in slots, updates and rules") {
  const std::vector<Violation> violations = {
      {"slot 'key' stands twice", [](Module& m) { m.slots.push_back(slot(m, "key")); }},
      {"'a/b' cannot be the name of a slot", [](Module& m) { slot(m, "key").path = "a/b"; }},
      {"expected a plain dense type, found f32[5,6]<1,0>",
       [](Module& m) {
         slot(m, "fc.weight").type.layout = {1, 0};
       }},
      {"expected a plain dense type, found i64[-1]", [](Module& m) { slot(m, "key").type.shape = {-1}; }},
      {"slot '@key' is frozen, but no parameter", [](Module& m) { slot(m, "key").frozen = true; }},
      {"the frozen parameter '@fc.bias' is updated", [](Module& m) { slot(m, "fc.bias").frozen = true; }},
      {"unknown slot '@gone'", [](Module& m) { m.updates[0].parameter = "gone"; }},
      {"unknown slot '@gone'", [](Module& m) { m.updates[0].states[0] = "gone"; }},
      {"expected a slot of kind parameter, '@norm.mean' is a statistic",
       [](Module& m) { m.updates[1].parameter = "norm.mean"; }},
      {"expected a slot of kind optimizer, '@fixed' is a parameter",
       [](Module& m) { m.updates[0].states[0] = "fixed"; }},
      {"slot '@fc.weight' is updated twice", [](Module& m) { m.updates[1].parameter = "fc.weight"; }},
      {"slot '@optimizer.fc.weight.m' is updated twice",
       [](Module& m) { m.updates[1].states = {"optimizer.fc.weight.m"}; }},
      {"unknown rule '@gone'", [](Module& m) { m.updates[0].rule = "gone"; }},
      {"rule '@sgd.0' needs 3 parameters, found 2", [](Module& m) { m.updates[0].rule = "sgd.0"; }},
      {"rule '@adam.0' needs f32[5] as parameter 0, found f32[5,6]",
       [](Module& m) { m.updates[0].parameter = "fc.bias"; }},
      {"rule '@adam.0' needs f32[5,6] as parameter 1, found f32[6,5]",
       [](Module& m) {
         set_param_type(graph(m, "adam.0"), 1, {DType::f32, {6, 5}, {}});
       }},
      {"rule '@adam.0' needs f64[5,6] as parameter 2, found f32[5,6]",
       [](Module& m) { slot(m, "optimizer.fc.weight.m").type.dtype = DType::f64; }},
      {"rule '@adam.0' needs 2 results, found 1",
       [](Module& m) {
         graph(m, "adam.0").results.pop_back();
         graph(m, "adam.0").body.results.pop_back();
       }},
      {"rule '@adam.0' needs f32[5,6] as result 1, found f32[]",
       [](Module& m) { graph(m, "adam.0").body.results[1] = graph(m, "adam.0").body.ops()[0].results[0]; }},
      {"rule '@adam.0' binds '@fc.weight' itself",
       [](Module& m) {
         graph(m, "adam.0").results[0] = {GraphResult::Kind::slot, "fc.weight"};
       }},
      {"the rule 'clip' needs 1 parameters, found 2", [](Module& m) { m.updates.pop_back(); }},
      {"the rule 'clip' needs f32[5] as parameter 1, found f32[3]",
       [](Module& m) {
         set_param_type(graph(m, "clip"), 1, {DType::f32, {3}, {}});
       }},
      {"the rule 'clip' needs 2 results, found 1",
       [](Module& m) {
         graph(m, "clip").results.pop_back();
         graph(m, "clip").body.results.pop_back();
       }},
      {"the rule 'clip' needs f32[5,6] as result 0, found f32[5]",
       [](Module& m) { std::swap(graph(m, "clip").body.results[0], graph(m, "clip").body.results[1]); }},
      {"result 1 of the rule 'clip' has to be the gradient of '@fc.bias'",
       [](Module& m) { graph(m, "clip").results[1].name = "fixed"; }},
  };
  for (const Violation& violation : violations) check_violation(violation);
}

TEST_CASE("The verifier reports what is wrong in the recipe") {
  const std::vector<Violation> violations = {
      {"field 'image' stands twice", [](Module& m) { m.recipe.data[1].name = "image"; }},
      {"'1x' cannot be the name of a field", [](Module& m) { m.recipe.predict_data[0].name = "1x"; }},
      {"expected a plain dense type, found u8[-2]", [](Module& m) { m.recipe.data[1].type.shape = {-2}; }},
      {"field 'text' has a vocabulary of 0", [](Module& m) { m.recipe.data[2].vocabulary = 0; }},
      {"field 'image' has a vocabulary of 3", [](Module& m) { m.recipe.data[0].vocabulary = 3; }},
      {"the batch size is -1", [](Module& m) { m.recipe.batch = -1; }},
      {"the number of epochs is 0", [](Module& m) { m.recipe.epochs = 0; }},
      {"the number of steps is -5", [](Module& m) { m.recipe.steps = -5; }},
      {"the patience of stop is 0", [](Module& m) { m.recipe.stop->patience = 0; }},
      {"the min_delta of stop is -1", [](Module& m) { m.recipe.stop->min_delta = -1; }},
      {"the min_delta of stop is nan",
       [](Module& m) { m.recipe.stop->min_delta = std::numeric_limits<double>::quiet_NaN(); }},
      {"metric 'accuracy' stands twice", [](Module& m) { m.recipe.metrics[1] = "accuracy"; }},
      {"'a b' cannot be the name of a metric", [](Module& m) { m.recipe.metrics[0] = "a b"; }},
  };
  for (const Violation& violation : violations) check_violation(violation);
}

TEST_CASE("A violation is shown at the line the op comes from") {
  Module module = sample();
  attr(op(graph(module, "train"), "matmul"), "transpose_b") = false;
  Diagnostics diagnostics;
  CHECK(verify(module, diagnostics) == Status::failed);
  REQUIRE(diagnostics.errors().size() == 1);
  CHECK(diagnostics.errors()[0].at == SourcePoint{"a.nn", 19, 16});
  CHECK(diagnostics.errors()[0].message.find("graph @train@4: matmul %8, %4 {accumulate = f64} : f32[4,5]: matmul: ") ==
        0);
}

TEST_CASE("Every violation is reported") {
  Module module = sample();
  module.recipe.batch = -1;
  slot(module, "key").frozen = true;
  attr(op(graph(module, "train"), "matmul"), "transpose_b") = false;
  attr(op(graph(module, "train"), "sum"), "keepdim") = true;
  graph(module, "eval").param_names[0] = "label";
  Diagnostics diagnostics;
  CHECK(verify(module, diagnostics) == Status::failed);
  CHECK(diagnostics.count() == 5);
}
