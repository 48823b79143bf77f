// A training whose executor only keeps the books, for tests of the loop around it.
#pragma once

#include "runtime/checkpoint.h"
#include "runtime/trainer.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nnc::test {

using Batch = std::vector<std::int64_t>;  // the examples' numbers, which are what they hold

inline ir::Slot slot(std::string_view path, ir::DType dtype, ir::SlotKind kind) {
  ir::Slot out;
  out.path = path;
  out.type = {dtype, {}, {}};
  out.kind = kind;
  return out;
}

inline ir::Module counting_module(std::int64_t batch) {
  ir::Module module;
  module.recipe.batch = batch;
  module.recipe.metrics = {"accuracy"};
  module.slots = {slot("w", ir::DType::f32, ir::SlotKind::parameter),
                  slot("train.loss.sum", ir::DType::f64, ir::SlotKind::accumulator),
                  slot("train.count", ir::DType::f64, ir::SlotKind::accumulator),
                  slot("eval.loss.sum", ir::DType::f64, ir::SlotKind::accumulator),
                  slot("eval.count", ir::DType::f64, ir::SlotKind::accumulator),
                  slot(ir::total_steps_slot, ir::DType::i64, ir::SlotKind::setting),
                  slot(ir::key_slot, ir::DType::i64, ir::SlotKind::setting)};
  return module;
}

/// An executor that only keeps the books: `w` counts steps, losses come from a script.
class FakeExecutor : public runtime::Executor {
 public:
  explicit FakeExecutor(const ir::Module& module) {
    for (const ir::Slot& s : module.slots) slots_.emplace(s.path, ir::Tensor(s.type));
  }

  std::function<double(std::size_t step)> train_loss = [](std::size_t) { return 1.0; };
  std::vector<double> valid_losses = {};  // by validation; the last one goes on
  std::function<void()> after_step = [] {}, after_eval = [] {};

  std::vector<Batch> train_batches, eval_batches;
  std::vector<std::string> calls;
  std::int64_t key_at_init = -1, total_steps_at_init = -1;

  const std::vector<runtime::NamedTensor>& run(std::string_view name, std::int64_t batch,
                                               const std::vector<ir::Tensor>& params) override {
    calls.emplace_back(name);
    if (name == "init") {
      key_at_init = slots_["key"].integer(0);
      total_steps_at_init = slots_["total_steps"].integer(0);
      slots_["w"].set_real(0, 100);
      return give({});
    }
    if (name == "report") {
      return give({{"eval.accuracy", scalar(0.25)},
                   {"eval.loss", mean("eval")},
                   {"train.accuracy", scalar(0.75)},
                   {"train.loss", mean("train")}});
    }
    Batch examples;
    for (std::int64_t i = 0; i < params.at(0).elements(); ++i) examples.push_back(params[0].integer(i));
    CHECK(batch == static_cast<std::int64_t>(examples.size()));
    if (name == "eval") {
      if (value("eval.count") == 0) ++validations_;
      eval_batches.push_back(examples);
      const std::size_t at = std::min(validations_, valid_losses.size());
      accumulate("eval", valid_losses.at(at - 1), batch);
      after_eval();
      return give({});
    }
    REQUIRE(name == "train");
    const double loss = train_loss(train_batches.size());
    train_batches.push_back(examples);
    accumulate("train", loss, batch);
    slots_["w"].set_real(0, value("w") + 1);
    after_step();
    return give({{"loss", scalar(loss)}});
  }
  ir::Tensor slot(std::string_view path) const override { return slots_.find(path)->second; }
  void set_slot(std::string_view path, const ir::Tensor& value) override { slots_.find(path)->second = value; }
  std::span<std::byte> slot_bytes(std::string_view path) override { return slots_.find(path)->second.bytes(); }
  std::int64_t planned_bytes() const override { return 0; }

 private:
  static ir::Tensor scalar(double value) { return ir::Tensor::splat({ir::DType::f64, {}, {}}, value); }
  double value(const std::string& path) { return slots_[path].real(0); }
  ir::Tensor mean(const std::string& part) { return scalar(value(part + ".loss.sum") / value(part + ".count")); }
  void accumulate(const std::string& part, double loss, std::int64_t batch) {
    slots_[part + ".loss.sum"].set_real(0, value(part + ".loss.sum") + loss * static_cast<double>(batch));
    slots_[part + ".count"].set_real(0, value(part + ".count") + static_cast<double>(batch));
  }

  const std::vector<runtime::NamedTensor>& give(std::vector<runtime::NamedTensor> results) {
    results_ = std::move(results);
    return results_;
  }

  std::map<std::string, ir::Tensor, std::less<>> slots_;
  std::vector<runtime::NamedTensor> results_;
  std::size_t validations_ = 0;
};

/// Examples that hold their own numbers.
inline runtime::Dataset numbered(std::int64_t examples) {
  ir::Tensor values(ir::Type{ir::DType::i64, {examples}, {}});
  for (std::int64_t i = 0; i < examples; ++i) values.set_integer(i, i);
  ir::DataField field;
  field.name = "x";
  field.type = {ir::DType::i64, {}, {}};
  return runtime::Dataset({{field, values}}, examples);
}

/// A run of ten examples in batches of four, unless changed.
struct Run {
  ir::Module module = counting_module(4);
  FakeExecutor executor{module};
  std::int64_t examples = 10;
  std::int64_t validation = 0;
  runtime::TrainOptions options;
  runtime::Watcher watcher;
  ir::Diagnostics diagnostics;

  runtime::TrainResult train() {
    std::optional<runtime::Dataset> valid;
    if (validation > 0) valid = numbered(validation);
    auto result = runtime::train(module, executor, numbered(examples), valid, options, watcher, diagnostics);
    INFO(diagnostics.render());
    REQUIRE(result);
    return std::move(*result);
  }
  /// The one weight in a file, which counts steps from 100.
  static double saved(const TempDirectory& dir, std::string_view file) {
    ir::Diagnostics unused;
    return runtime::read_safetensors(dir.path(file), unused).value().at("w").real(0);
  }
};

}  // namespace nnc::test
