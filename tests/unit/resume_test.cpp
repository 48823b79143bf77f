// A run that is resumed is as if it had never ended, wherever it was cut.
#include "runtime/checkpoint.h"
#include "runtime/run_state.h"
#include "runtime/trainer.h"
#include "tests/unit/temp_directory.h"
#include "tests/unit/training_run.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

using namespace nnc;
using Catch::Contains;
using runtime::StopReason;
using runtime::TrainResult;
using test::Batch;
using test::numbered;
using test::Run;
using test::TempDirectory;

namespace {

constexpr std::int64_t steps_per_epoch = 3;

/// Four epochs of three steps into a directory, from a step on; the losses depend on the step and the epoch alone.
class Story {
 public:
  explicit Story(const TempDirectory& dir, std::int64_t done = 0) {
    run.module.recipe.epochs = 4;
    run.validation = 6;
    run.options.out = dir.path();
    run.options.resume = done > 0;
    run.options.seed = 7;
    run.executor.train_loss = [done](std::size_t step) {
      return 8 - 0.5 * (static_cast<double>(done) + static_cast<double>(step));
    };
    const std::vector<double> losses{5, 4, 4.5, 3};
    // The epoch that the cut is in, or at the end of, is validated again.
    run.executor.valid_losses = {losses.begin() + (done > 0 ? (done - 1) / steps_per_epoch : 0), losses.end()};
  }

  Run run;
};

/// What a run leaves.
std::map<std::string, std::string> files(const TempDirectory& dir) {
  std::map<std::string, std::string> all;
  for (const std::string_view name : {runtime::last_weights, runtime::best_weights, runtime::run_file})
    all[std::string(name)] = dir.read(name);
  return all;
}

void check_same(const TrainResult& a, const TrainResult& b) {
  CHECK(a.reason == b.reason);
  CHECK(a.steps == b.steps);
  CHECK(a.epochs == b.epochs);
  CHECK(a.train.loss == b.train.loss);
  CHECK(a.valid.value().loss == b.valid.value().loss);
  CHECK(a.best_epoch == b.best_epoch);
  CHECK(a.best_valid_loss == b.best_valid_loss);
}

/// The batches of a run that was cut after so many steps, behind those of the whole.
void check_resumed(const TempDirectory& dir, std::int64_t cut, const TempDirectory& whole_dir, const TrainResult& whole,
                   const std::vector<Batch>& batches) {
  Story rest(dir, cut);
  check_same(rest.run.train(), whole);
  CHECK(rest.run.executor.train_batches == std::vector<Batch>(batches.begin() + cut, batches.end()));
  CHECK(files(dir) == files(whole_dir));
}

struct PowerCut {};

}  // namespace

TEST_CASE("a run that ended is resumed as if it had not, after any step") {
  const TempDirectory whole_dir;
  Story whole(whole_dir);
  const TrainResult result = whole.run.train();
  REQUIRE(result.steps == 12);
  for (std::int64_t cut = 1; cut <= result.steps; ++cut) {
    INFO("cut after step " << cut);
    const TempDirectory dir;
    Story first(dir);
    first.run.options.max_steps = cut;
    // A part of an epoch is validated as well, and is better than all that follows.
    if (cut % steps_per_epoch != 0) {
      first.run.executor.valid_losses[static_cast<std::size_t>(cut / steps_per_epoch)] = 0.5;
      CHECK(first.run.train().best_valid_loss == 0.5);
      CHECK(Run::saved(dir, runtime::best_weights) == 100 + static_cast<double>(cut));
    } else {
      first.run.train();
    }
    check_resumed(dir, cut, whole_dir, result, whole.run.executor.train_batches);
  }
}

TEST_CASE("a run whose power failed is resumed from the last state it saved") {
  const TempDirectory whole_dir;
  Story whole(whole_dir);
  const TrainResult result = whole.run.train();
  for (std::int64_t failing = 2; failing <= result.steps; ++failing) {
    INFO("in step " << failing);
    const TempDirectory dir;
    Story first(dir);
    first.run.options.save_seconds = 0;
    first.run.executor.after_step = [&] {
      if (static_cast<std::int64_t>(first.run.executor.train_batches.size()) == failing) throw PowerCut();
    };
    CHECK_THROWS_AS(first.run.train(), PowerCut);
    check_resumed(dir, failing - 1, whole_dir, result, whole.run.executor.train_batches);
  }
  // Within validation: the epoch's steps are saved.
  const TempDirectory dir;
  Story first(dir);
  first.run.executor.after_eval = [&] {
    if (first.run.executor.train_batches.size() == 6) throw PowerCut();
  };
  CHECK_THROWS_AS(first.run.train(), PowerCut);
  check_resumed(dir, 6, whole_dir, result, whole.run.executor.train_batches);
}

TEST_CASE("without time for it no state is saved within an epoch") {
  const TempDirectory dir;
  Story first(dir);
  first.run.executor.after_step = [&] {
    if (first.run.executor.train_batches.size() == 6) throw PowerCut();
  };
  CHECK_THROWS_AS(first.run.train(), PowerCut);
  ir::Diagnostics unused;
  CHECK(runtime::read_run_state(dir.path(), unused).value().steps == 3);
}

TEST_CASE("patience counts over the cut") {
  const auto losses = [](std::size_t) { return 1.0; };
  for (std::int64_t cut = 1; cut <= 9; ++cut) {
    INFO("cut after step " << cut);
    const TempDirectory dir;
    Run first;
    first.module.recipe.stop = ir::Stop{2, 0.1};
    first.options.out = dir.path();
    first.options.max_steps = cut;
    first.executor.train_loss = losses;
    first.train();
    Run rest;
    rest.module.recipe.stop = first.module.recipe.stop;
    rest.options.out = dir.path();
    rest.options.resume = true;
    const TrainResult result = rest.train();
    CHECK(result.reason == StopReason::no_improvement);
    CHECK(result.epochs == 3);
    CHECK(result.best_epoch == 1);
  }
}

TEST_CASE("a run that is over ends at once, and is resumed if the recipe says more") {
  const TempDirectory dir;
  Story first(dir);
  const TrainResult result = first.run.train();
  Story again(dir, 12);
  check_same(again.run.train(), result);
  CHECK(again.run.executor.train_batches.empty());
  Story more(dir, 12);
  more.run.module.recipe.epochs = 5;
  more.run.executor.valid_losses.push_back(2);
  const TrainResult longer = more.run.train();
  CHECK(longer.steps == 15);
  CHECK(longer.best_epoch == 5);
  CHECK(more.run.executor.slot(ir::total_steps_slot).integer(0) == 15);
  CHECK(Run::saved(dir, runtime::last_weights) == 115);
}

TEST_CASE("steps end a run that is resumed within an epoch") {
  const TempDirectory dir;
  for (const bool resume : {false, true}) {
    Run run;
    run.module.recipe.steps = 4;
    run.options.out = dir.path();
    run.options.resume = resume;
    const TrainResult result = run.train();
    CHECK(result.reason == StopReason::steps);
    CHECK(result.steps == 4);
    CHECK(result.epochs == 1);
    CHECK(result.train.loss == 1.0);
    CHECK(run.executor.train_batches.size() == (resume ? 0 : 4));
  }
}

TEST_CASE("a loss that is not finite leaves the state from which another try can be made") {
  const TempDirectory dir;
  Story first(dir);
  first.run.executor.train_loss = [](std::size_t step) {
    return step == 4 ? std::numeric_limits<double>::quiet_NaN() : 1.0;
  };
  CHECK(first.run.train().reason == StopReason::diverged);
  CHECK(Run::saved(dir, runtime::last_weights) == 105);
  Story rest(dir, 3);
  CHECK(rest.run.train().steps == 12);
}

TEST_CASE("an update that leaves numbers that are not finite leaves the state before it") {
  const TempDirectory dir;
  Story first(dir);
  first.run.executor.after_step = [&] {
    if (first.run.executor.train_batches.size() == 6)
      first.run.executor.set_slot("w",
                                  ir::Tensor::splat({ir::DType::f32, {}, {}}, std::numeric_limits<double>::infinity()));
  };
  first.run.options.max_steps = 6;
  CHECK(first.run.train().train.loss == 6.1);
  Story rest(dir, 3);
  CHECK(rest.run.train().steps == 12);
}

TEST_CASE("the best weights are again those of the best epoch where no later one is better") {
  for (const std::int64_t cut : {2, 5}) {
    const TempDirectory dir, whole_dir;
    const auto rising = [](Story& story, std::int64_t done) {
      const std::vector<double> losses{2, 3, 4, 5};
      story.run.executor.valid_losses = {losses.begin() + (done > 0 ? (done - 1) / steps_per_epoch : 0), losses.end()};
    };
    Story whole(whole_dir);
    rising(whole, 0);
    const TrainResult result = whole.run.train();
    CHECK(result.best_epoch == 1);
    Story first(dir);
    first.run.executor.valid_losses = cut < steps_per_epoch ? std::vector<double>{1} : std::vector<double>{2, 1};
    first.run.options.max_steps = cut;
    first.run.train();
    Story rest(dir, cut);
    rising(rest, cut);
    check_same(rest.run.train(), result);
    CHECK(files(dir) == files(whole_dir));
    CHECK_FALSE(std::filesystem::exists(dir.path(runtime::best_epoch_weights)));
  }
}

TEST_CASE("without validation data a part of an epoch is not what epochs are measured by") {
  const TempDirectory dir;
  Story first(dir);
  first.run.validation = 0;
  first.run.options.max_steps = 5;
  first.run.executor.train_loss = [](std::size_t step) { return step < 3 ? 5 : 0.5; };
  CHECK(first.run.train().best_epoch == 2);
  CHECK(Run::saved(dir, runtime::best_weights) == 105);
  Story rest(dir, 5);
  rest.run.validation = 0;
  rest.run.executor.train_loss = [](std::size_t) { return 100.0; };
  CHECK(rest.run.train().best_epoch == 1);
  CHECK(Run::saved(dir, runtime::best_weights) == 103);
}

TEST_CASE("a run that begins anew puts its files in the place of an earlier one's once it has some") {
  const TempDirectory dir;
  Story(dir).run.train();
  const std::map<std::string, std::string> earlier = files(dir);
  Story again(dir);
  again.run.executor.after_step = [] { throw PowerCut(); };
  CHECK_THROWS_AS(again.run.train(), PowerCut);
  CHECK(files(dir) == earlier);
  Story third(dir);
  third.run.executor.after_eval = [] { throw PowerCut(); };
  CHECK_THROWS_AS(third.run.train(), PowerCut);
  ir::Diagnostics unused;
  CHECK(runtime::read_run_state(dir.path(), unused).value().steps == 3);
  CHECK_FALSE(std::filesystem::exists(dir.path(runtime::best_weights)));
}

TEST_CASE("a run that is resumed with fewer epochs ends") {
  const TempDirectory dir;
  Story first(dir);
  first.run.options.max_steps = 8;
  first.run.train();
  Story rest(dir, 8);
  rest.run.module.recipe.epochs = 2;
  const TrainResult result = rest.run.train();
  CHECK(result.reason == StopReason::epochs);
  CHECK(result.steps == 8);
}

TEST_CASE("a run is resumed with what it began with") {
  const TempDirectory dir;
  Story first(dir);
  first.run.options.max_steps = 4;
  first.run.train();
  const auto problem = [&](const auto& change) {
    Story rest(dir, 4);
    change(rest.run);
    std::optional<runtime::Dataset> validation;
    if (rest.run.validation > 0) validation = numbered(rest.run.validation);
    CHECK_FALSE(runtime::train(rest.run.module, rest.run.executor, numbered(rest.run.examples), validation,
                               rest.run.options, {}, rest.run.diagnostics));
    CHECK(rest.run.executor.train_batches.empty());
    return rest.run.diagnostics.render();
  };
  CHECK_THAT(problem([](Run& run) { run.options.seed = 8; }),
             Contains("error: its run has seed 7, this one has seed 8: leave out --seed"));
  CHECK_THAT(
      problem([](Run& run) { run.options.shuffle = false; }),
      Contains("error: its run has a shuffled order, this one has the order of the file: leave out --no-shuffle"));
  CHECK_THAT(problem([](Run& run) { run.module.recipe.batch = 5; }),
             Contains("error: its run has batches of 4, this one has batches of 5"));
  CHECK_THAT(problem([](Run& run) { run.examples = 11; }),
             Contains("error: its run has epochs of 10 examples, this one has epochs of 11 examples"));
  CHECK_THAT(problem([](Run& run) { run.validation = 5; }),
             Contains("error: its run has validation on 6 examples, this one has validation on 5 examples"));
  CHECK_THAT(problem([](Run& run) { run.validation = 0; }),
             Contains("error: its run has validation on 6 examples, this one has no validation data"));
  CHECK_THAT(
      problem([](Run& run) { run.module.slots[0].path = "v"; }),
      Contains("error: its run is of another model or optimizer: no tensor `v`, which is a slot f32[], and 1 more"));
  CHECK_THAT(
      problem([](Run& run) { run.module.slots[0].type.dtype = ir::DType::f64; }),
      Contains("error: its run is of another model or optimizer: tensor `w`: the model has f64[], the file f32[]\n"));
}

TEST_CASE("metadata of a run is read as it was written, and nothing else is") {
  const TempDirectory dir;
  Story first(dir);
  first.run.options.max_steps = 5;
  first.run.train();
  ir::Diagnostics unused;
  const std::string path = dir.path(runtime::run_file);
  const runtime::RunState state = runtime::read_run_state(dir.path(), unused).value();
  const runtime::Metadata metadata = runtime::to_metadata(state);
  CHECK(state.settings.seed == 7);
  CHECK(state.settings.shuffle);
  CHECK(state.settings.examples == 10);
  CHECK(state.settings.batch == 4);
  CHECK(state.steps == 5);
  CHECK(state.epochs() == 1);
  CHECK(state.step_in_epoch() == 2);
  CHECK(state.settings.validation == 6);
  CHECK(state.stop.best_epoch == 1);
  CHECK(state.stop.best_loss == 5);
  CHECK(state.stop.reference == 5);
  CHECK(state.stop.epochs_without == 0);
  REQUIRE(metadata.size() == 10);

  const auto problem = [&](const runtime::Metadata& changed) {
    REQUIRE(runtime::write_safetensors(path, {}, unused, changed) == ir::Status::ok);
    ir::Diagnostics diagnostics;
    CHECK_FALSE(runtime::read_run_state(dir.path(), diagnostics));
    return diagnostics.render();
  };
  for (const auto& [key, text] : metadata) {
    INFO(key);
    runtime::Metadata changed = metadata;
    changed.erase(key);
    CHECK_THAT(problem(changed),
               Contains("error: its metadata has no `" + key + "`: it holds no run that could be resumed"));
    for (const std::string wrong : {"", "x", "5x", " 5", "nan", "-1e999"}) {
      changed[key] = wrong;
      CHECK_THAT(problem(changed), Contains("error: its metadata's `" + key + "`: expected a number from ") &&
                                       Contains(", found `" + wrong + "`"));
    }
  }
  // One more, or less, than what there can be.
  for (const auto& [key, text] : runtime::Metadata{{"nnc.seed", "18446744073709551616"},
                                                   {"nnc.shuffle", "2"},
                                                   {"nnc.examples", "0"},
                                                   {"nnc.batch", "0"},
                                                   {"nnc.validation", "-1"},
                                                   {"nnc.steps", "0"},
                                                   {"nnc.best_epoch", "-1"},
                                                   {"nnc.stop.epochs_without", "-1"}}) {
    runtime::Metadata changed = metadata;
    changed[key] = text;
    CHECK_THAT(problem(changed), Contains("`" + key + "`: expected a number from "));
  }
  runtime::Metadata greatest = metadata;
  greatest["nnc.seed"] = "18446744073709551615";
  greatest["nnc.stop.reference"] = "inf";
  REQUIRE(runtime::write_safetensors(path, {}, unused, greatest) == ir::Status::ok);
  CHECK(runtime::to_metadata(runtime::read_run_state(dir.path(), unused).value()) == greatest);
}
