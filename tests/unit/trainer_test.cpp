#include "runtime/trainer.h"
#include "runtime/checkpoint.h"
#include "runtime/epoch_order.h"
#include "runtime/step_times.h"
#include "tests/unit/temp_directory.h"
#include "tests/unit/training_run.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

using namespace nnc;
using Catch::Contains;
using runtime::StopReason;
using runtime::TrainOptions;
using runtime::TrainResult;
using test::Batch;
using test::numbered;
using test::Run;
using test::TempDirectory;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<std::size_t> sizes(const std::vector<Batch>& batches) {
  std::vector<std::size_t> out;
  for (const Batch& batch : batches) out.push_back(batch.size());
  return out;
}

Batch joined(const std::vector<Batch>& batches, std::size_t first, std::size_t count) {
  Batch out;
  for (std::size_t i = first; i < first + count; ++i) out.insert(out.end(), batches.at(i).begin(), batches.at(i).end());
  return out;
}

}  // namespace

TEST_CASE("batch sizes: full ones and the rest") {
  CHECK(runtime::batch_sizes(512, 128) == Batch{128});
  CHECK(runtime::batch_sizes(569, 64) == Batch{64, 57});
  CHECK(runtime::batch_sizes(10, 128) == Batch{10});
  CHECK(runtime::batch_sizes(10, std::numeric_limits<std::int64_t>::max()) == Batch{10});
}

TEST_CASE("epochs of full batches and a smaller one, every example once, shuffled anew") {
  Run run;
  run.module.recipe.epochs = 3;
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::epochs);
  CHECK(result.steps == 9);
  CHECK(result.epochs == 3);
  CHECK(result.examples == 30);
  CHECK(result.losses == std::vector<double>(9, 1.0));
  CHECK(result.step_seconds.size() == 9);
  CHECK(sizes(run.executor.train_batches) == std::vector<std::size_t>{4, 4, 2, 4, 4, 2, 4, 4, 2});
  std::set<Batch> orders;
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    const Batch order = joined(run.executor.train_batches, 3 * epoch, 3);
    CHECK(order == runtime::epoch_order(10, 0, static_cast<std::int64_t>(epoch) + 1));
    orders.insert(order);
  }
  CHECK(orders.size() == 3);
  CHECK(result.train.loss == 1.0);
  CHECK(result.train.metrics == runtime::Metrics{{"accuracy", 0.75}});
  CHECK_FALSE(result.valid);
  CHECK_FALSE(result.best_valid_loss);
  CHECK(result.best_epoch == 1);
}

TEST_CASE("without shuffling the file's order, each epoch; a batch larger than the data") {
  Run run;
  run.module.recipe.epochs = 2;
  run.options.shuffle = false;
  run.train();
  CHECK(joined(run.executor.train_batches, 0, 3) == runtime::file_order(10));
  CHECK(joined(run.executor.train_batches, 3, 3) == runtime::file_order(10));
  Run large;
  large.module.recipe.epochs = 1;
  large.module.recipe.batch = std::numeric_limits<std::int64_t>::max();
  CHECK(large.train().steps == 1);
  CHECK(sizes(large.executor.train_batches) == std::vector<std::size_t>{10});
}

TEST_CASE("settings are in place before init: the key and total_steps, which max_steps leaves alone") {
  const auto total = [](std::optional<std::int64_t> epochs, std::optional<std::int64_t> steps) {
    Run run;
    run.module.recipe.epochs = epochs;
    run.module.recipe.steps = steps;
    run.options.seed = 42;
    run.options.max_steps = 1;
    run.train();
    CHECK(run.executor.calls.front() == "init");
    CHECK(run.executor.key_at_init == 42);
    return run.executor.total_steps_at_init;
  };
  CHECK(total(7, std::nullopt) == 21);
  CHECK(total(std::nullopt, 50) == 50);
  CHECK(total(std::numeric_limits<std::int64_t>::max(), std::nullopt) == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("epoch figures cover one epoch: accumulators begin at zero") {
  Run run;
  run.module.recipe.epochs = 2;
  run.validation = 6;
  run.executor.valid_losses = {0.5, 0.25};
  run.executor.train_loss = [](std::size_t step) { return step < 3 ? 8.0 : step == 3 ? 5.0 : 0.0; };
  std::vector<double> train, valid;
  std::vector<bool> improved;
  run.watcher.epoch = [&](const runtime::Progress& progress, const runtime::Report& t,
                          const std::optional<runtime::Report>& v, bool better) {
    CHECK(progress.step_in_epoch == 3);
    CHECK(progress.steps_per_epoch == 3);
    train.push_back(t.loss);
    valid.push_back(v.value().loss);
    improved.push_back(better);
  };
  std::vector<std::int64_t> steps;
  run.watcher.step = [&](const runtime::Progress& progress) {
    steps.push_back(progress.epoch * 100 + progress.step_in_epoch * 10 + progress.steps);
  };
  const TrainResult result = run.train();
  CHECK(train == std::vector<double>{8.0, 2.0});
  CHECK(valid == std::vector<double>{0.5, 0.25});
  CHECK(improved == std::vector<bool>{true, true});
  CHECK(steps == Batch{111, 122, 133, 214, 225, 236});
  CHECK(result.losses == std::vector<double>{8, 8, 8, 5, 0, 0});
  CHECK(result.best_valid_loss == 0.25);
  CHECK(result.best_epoch == 2);
  CHECK(result.valid.value().metrics == runtime::Metrics{{"accuracy", 0.25}});
  // Validation is in order, with a last batch of its own.
  CHECK(run.executor.eval_batches == std::vector<Batch>{{0, 1, 2, 3}, {4, 5}, {0, 1, 2, 3}, {4, 5}});
}

TEST_CASE("stop without epochs ends by itself; best and last weights differ") {
  const TempDirectory dir;
  Run run;
  run.module.recipe.stop = ir::Stop{2, 0};
  run.validation = 2;
  run.executor.valid_losses = {3, 1, 2, 2};
  run.options.out = dir.path("new/out");
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::no_improvement);
  CHECK(result.epochs == 4);
  CHECK(result.best_epoch == 2);
  CHECK(result.best_valid_loss == 1.0);
  CHECK(Run::saved(dir, "new/out/best.safetensors") == 106);
  CHECK(Run::saved(dir, "new/out/last.safetensors") == 112);
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path("new/out")), {}) == 3);
}

TEST_CASE("the lowest loss is the best, even where it improves less than min_delta") {
  const TempDirectory dir;
  Run run;
  run.module.recipe.stop = ir::Stop{1, 0.5};
  run.validation = 2;
  run.executor.valid_losses = {3, 2.9};
  run.options.out = dir.path();
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::no_improvement);
  CHECK(result.epochs == 2);
  CHECK(result.best_epoch == 2);
  CHECK(Run::saved(dir, "best.safetensors") == 106);
}

TEST_CASE("without validation data the training loss is watched") {
  Run run;
  run.module.recipe.epochs = 10;
  run.module.recipe.stop = ir::Stop{1, 0};
  run.executor.train_loss = [](std::size_t step) { return step < 6 ? 10.0 - static_cast<double>(step) : 20.0; };
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::no_improvement);
  CHECK(result.epochs == 3);
  CHECK(result.best_epoch == 2);
}

TEST_CASE("max_steps within an epoch: validation once more, last and best weights") {
  const TempDirectory dir;
  Run run;
  run.module.recipe.epochs = 5;
  run.options.max_steps = 5;
  run.options.out = dir.path();
  run.validation = 3;
  run.executor.valid_losses = {2, 1};
  run.executor.train_loss = [](std::size_t step) { return static_cast<double>(step); };
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::max_steps);
  CHECK(result.steps == 5);
  CHECK(result.epochs == 1);
  CHECK(result.examples == 18);
  CHECK(result.train.loss == 3.5);  // of the epoch begun
  CHECK(result.valid.value().loss == 1);
  CHECK(result.best_epoch == 2);
  CHECK(run.executor.eval_batches.size() == 2);
  CHECK(Run::saved(dir, "last.safetensors") == 105);
  CHECK(Run::saved(dir, "best.safetensors") == 105);
}

TEST_CASE("max_steps at the end of an epoch is a complete epoch, validated once") {
  Run run;
  run.module.recipe.epochs = 5;
  run.options.max_steps = 3;
  run.validation = 3;
  run.executor.valid_losses = {2};
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::max_steps);
  CHECK(result.epochs == 1);
  CHECK(run.executor.eval_batches.size() == 1);
  Run last;
  last.module.recipe.epochs = 1;
  last.options.max_steps = 3;
  CHECK(last.train().reason == StopReason::epochs);
}

TEST_CASE("steps end training within an epoch or at its end") {
  Run run;
  run.module.recipe.steps = 4;
  run.validation = 3;
  run.executor.valid_losses = {2};
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::steps);
  CHECK(result.steps == 4);
  CHECK(result.epochs == 1);
  CHECK(run.executor.eval_batches.size() == 2);
  Run whole;
  whole.module.recipe.steps = 6;
  CHECK(whole.train().reason == StopReason::steps);
  CHECK(whole.executor.train_batches.size() == 6);
  Run fewer;
  fewer.module.recipe.steps = 6;
  fewer.options.max_steps = 2;
  CHECK(fewer.train().reason == StopReason::max_steps);
}

TEST_CASE("a loss that is not finite ends training before the next step") {
  for (const double bad : {not_a_number, infinity, -infinity}) {
    for (const std::size_t at : {std::size_t{1}, std::size_t{5}}) {  // within an epoch, at its end
      const TempDirectory dir;
      Run run;
      run.module.recipe.epochs = 5;
      run.options.out = dir.path();
      run.executor.train_loss = [&](std::size_t step) { return step == at ? bad : 1.0; };
      const TrainResult result = run.train();
      CHECK(result.reason == StopReason::diverged);
      CHECK(result.steps == static_cast<std::int64_t>(at) + 1);
      CHECK(result.losses.size() == at + 1);
      CHECK_FALSE(std::isfinite(result.losses.back()));
      CHECK_FALSE(std::isfinite(result.train.loss));
      CHECK(result.epochs == (at == 5 ? 2 : 0));
      CHECK(Run::saved(dir, "last.safetensors") == 101 + static_cast<double>(at));
    }
  }
}

TEST_CASE("a signal ends training after the current step, saved and validated") {
  const TempDirectory dir;
  std::atomic<int> signal{0};
  Run run;
  run.module.recipe.epochs = 5;
  run.options.out = dir.path();
  run.options.signal = &signal;
  run.validation = 3;
  run.executor.valid_losses = {2};
  run.executor.after_step = [&] {
    if (run.executor.train_batches.size() == 2) signal = 15;
  };
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::signal);
  CHECK(result.steps == 2);
  CHECK(result.epochs == 0);
  CHECK(run.executor.eval_batches.size() == 1);
  CHECK(Run::saved(dir, "last.safetensors") == 102);
}

TEST_CASE("a signal during validation ends it at the next batch, without figures") {
  const TempDirectory dir;
  std::atomic<int> signal{0};
  Run run;
  run.module.recipe.epochs = 2;  // the signal comes in the last epoch, and is still why training ended
  run.options.out = dir.path();
  run.options.signal = &signal;
  run.validation = 12;
  run.executor.valid_losses = {2, 1};
  run.executor.after_eval = [&] {
    if (run.executor.eval_batches.size() == 4) signal = 2;
  };
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::signal);
  CHECK(result.epochs == 2);
  CHECK(run.executor.eval_batches.size() == 4);  // of 6
  CHECK_FALSE(result.valid);
  CHECK(result.best_valid_loss == 2);
  CHECK(result.best_epoch == 1);
  CHECK(Run::saved(dir, "last.safetensors") == 106);
  CHECK(Run::saved(dir, "best.safetensors") == 103);
}

TEST_CASE("the best weights of an earlier run are gone, unless training could not begin") {
  const TempDirectory dir;
  dir.write("best.safetensors", "old");
  Run run;
  run.module.recipe.epochs = 1;
  run.options.out = dir.path();
  run.options.init = "/nothing/here.safetensors";
  CHECK_FALSE(runtime::train(run.module, run.executor, numbered(10), std::nullopt, run.options, {}, run.diagnostics));
  CHECK(std::filesystem::exists(dir.path("best.safetensors")));
  run.options.init.clear();
  run.executor.train_loss = [](std::size_t) { return not_a_number; };
  CHECK(run.train().best_epoch == 0);
  CHECK_FALSE(std::filesystem::exists(dir.path("best.safetensors")));
}

TEST_CASE("a signal before the first step saves what there is") {
  const TempDirectory dir;
  const std::atomic<int> signal{2};
  Run run;
  run.module.recipe.epochs = 5;
  run.options.out = dir.path();
  run.options.signal = &signal;
  const TrainResult result = run.train();
  CHECK(result.reason == StopReason::signal);
  CHECK(result.steps == 0);
  CHECK(std::isnan(result.train.loss));
  CHECK(Run::saved(dir, "last.safetensors") == 100);
}

TEST_CASE("only the first thousand losses are kept") {
  Run run;
  run.module.recipe.epochs = 400;
  const TrainResult result = run.train();
  CHECK(result.steps == 1200);
  CHECK(result.losses.size() == 1000);
}

TEST_CASE("only the times of the last steps are kept, where those of the first ones were") {
  static constexpr std::size_t most = runtime::StepTimes::most;
  const auto kept = [](std::size_t steps) {
    runtime::StepTimes times;
    for (std::size_t step = 0; step < steps; ++step) times.add(static_cast<double>(step));
    std::vector<double> seconds = times.take();
    CHECK(seconds.capacity() == most);
    std::ranges::sort(seconds);
    return seconds;
  };
  const auto last = [](std::size_t count, std::size_t steps) {
    std::vector<double> seconds(count);
    std::iota(seconds.begin(), seconds.end(), static_cast<double>(steps - count));
    return seconds;
  };
  CHECK(kept(3) == last(3, 3));
  for (const std::size_t steps : {most, most + 1, 2 * most + 7}) CHECK(kept(steps) == last(most, steps));
}

TEST_CASE("weights from a file replace those of init") {
  const TempDirectory dir;
  Run run;
  run.module.recipe.epochs = 1;
  run.options.init = dir.path("start.safetensors");
  run.options.out = dir.path();
  const ir::Tensor start = ir::Tensor::splat({ir::DType::f32, {}, {}}, 500);
  REQUIRE(runtime::write_safetensors(run.options.init, {{"w", start}}, run.diagnostics) == ir::Status::ok);
  run.train();
  CHECK(Run::saved(dir, "last.safetensors") == 503);
}

TEST_CASE("what makes training impossible is an error before the first step") {
  const auto error = [](Run& run) {
    CHECK_FALSE(runtime::train(run.module, run.executor, numbered(10), std::nullopt, run.options, {}, run.diagnostics));
    CHECK(run.executor.train_batches.empty());
    return run.diagnostics.render();
  };
  Run endless;
  CHECK_THAT(error(endless), Contains("error: training would never end"));
  Run unwritable;
  unwritable.module.recipe.epochs = 1;
  unwritable.options.out = "/proc/nothing";
  CHECK_THAT(error(unwritable), Contains("/proc/nothing: error: cannot make the output directory"));
  const TempDirectory dir;
  for (const std::string name : {"last.safetensors", "best.safetensors"}) {
    Run in_the_way;
    in_the_way.module.recipe.epochs = 1;
    in_the_way.options.out = dir.path(name);
    std::filesystem::create_directories(dir.path(name) + "/" + name);
    CHECK_THAT(error(in_the_way), Contains(name + ": error: expected a file to replace, found a directory"));
  }
  Run strange;
  strange.module.recipe.epochs = 1;
  strange.options.init = "/nothing/here.safetensors";
  CHECK_THAT(error(strange), Contains("/nothing/here.safetensors: error: cannot read it: No such file or directory"));
}

TEST_CASE("a file that cannot be written while training ends it with an error") {
  const TempDirectory dir;
  Run run;
  run.module.recipe.epochs = 3;
  run.options.out = dir.path("out");
  run.executor.after_step = [&] { std::filesystem::remove_all(dir.path("out")); };
  CHECK_FALSE(runtime::train(run.module, run.executor, numbered(10), std::nullopt, run.options, {}, run.diagnostics));
  CHECK(run.executor.train_batches.size() == 3);
  CHECK_THAT(run.diagnostics.render(), Contains("out/last.safetensors: error: cannot write it: No such file"));
}
