// Augmentation: what std/augment.nn makes of images, seen as the gradient of a weight by which they are multiplied. Pixels
// have a number of their own each, so that an image says from where its pixels came.
#include "passes/pass.h"
#include "runtime/executor.h"
#include "tests/unit/elaborate_program.h"
#include "tools/machine.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <map>

namespace {

using namespace nnc;

enum class Execution { reference, compiled };

constexpr std::int64_t images = 2000, height = 5, width = 4;
const ir::Type data_type{ir::DType::f32, {1, images, 2, height, width}, {}};

/// Pixel (y, x) of channel c is 1 + (c * height + y) * width + x.
double pixel(std::int64_t c, std::int64_t y, std::int64_t x) {
  return 1 + static_cast<double>((c * height + y) * width + x);
}

ir::Tensor data() {
  ir::Tensor x(data_type);
  for (std::int64_t i = 0; i < x.elements(); ++i) x.set_real(i, 1 + static_cast<double>(i % (2 * height * width)));
  return x;
}

/// One example is a batch of images. `evaluated` is what a prediction gives.
std::string program(const std::string& changed, std::int64_t h = height, std::int64_t w = width) {
  const std::string extents = std::to_string(h) + ", " + std::to_string(w);
  const std::string field = "  data x: f32[" + std::to_string(images) + ", 2, 5, 4]\n";
  return "layer weighed(x: f32[N, 2, " + extents + "]) {\n  param weight: f32[N, 2, " + extents +
         "] = ones()\n  return x * weight\n}\n" + "train {\n" + field + "  loss sum(weighed(" + changed + ") as w)\n" +
         "  optimizer sgd(lr = 1)\n  batch = 1\n  epochs = 1\n}\npredict {\n" + field + "  return y = " + changed +
         "\n}\n";
}

class Run {
 public:
  explicit Run(const std::string& text, Execution execution = Execution::compiled, std::int64_t seed = 1) {
    auto elaborated = test::elaborate(text, {}, {{1}, {1}});
    INFO(text);
    INFO(elaborated.errors);
    REQUIRE(elaborated.module);
    module_ = std::move(*elaborated.module);
    const tools::Machine machine = tools::Machine::native(2);
    const auto stage = execution == Execution::compiled ? passes::Stage::program : passes::Stage::step;
    ir::Diagnostics diagnostics;
    const auto status =
        passes::run_passes(module_, passes::pipeline_to(stage), {.target = &machine.target()}, diagnostics);
    INFO(diagnostics.render());
    REQUIRE(status == ir::Status::ok);
    executor_ = execution == Execution::compiled ? machine.load(module_) : runtime::make_reference_executor(module_);
    if (module_.find_slot(ir::key_slot))
      executor_->set_slot(ir::key_slot, ir::Tensor::splat_integer({ir::DType::i64, {}, {}}, seed));
    executor_->run("init", 0, {});
  }

  /// The images of a step of training: how the weight changes.
  std::vector<double> train() {
    const ir::Tensor before = executor_->slot("w.weight");
    executor_->run("train", 1, {data()});
    const ir::Tensor after = executor_->slot("w.weight");
    std::vector<double> seen;
    for (std::int64_t i = 0; i < after.elements(); ++i) seen.push_back(before.real(i) - after.real(i));
    return seen;
  }
  ir::Tensor predict() { return executor_->run("predict", 1, {data()})[0].value; }

 private:
  ir::Module module_;
  std::unique_ptr<runtime::Executor> executor_;
};

bool draws(const std::string& text, std::string_view graph) {
  const auto elaborated = test::elaborate(text, {}, {{1}, {1}});
  INFO(elaborated.errors);
  REQUIRE(elaborated.module);
  return std::ranges::any_of(elaborated.module->find_graph(graph, 1)->body.ops(),
                             [](const ir::Op& op) { return *op.def->name == "random"; });
}

using Place = std::pair<std::int64_t, std::int64_t>;

/// Where the windows of h x w begin in an image with `padding` around it, one for each image; each pixel is checked.
std::vector<Place> places(const std::vector<double>& seen, std::int64_t h, std::int64_t w, std::int64_t padding,
                          double fill) {
  std::vector<Place> found;
  const std::int64_t size = 2 * h * w;
  REQUIRE(static_cast<std::int64_t>(seen.size()) == images * size);
  for (std::int64_t i = 0; i < images; ++i) {
    const auto at = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
      return seen[static_cast<std::size_t>(i * size + (c * h + y) * w + x)];
    };
    std::vector<Place> fitting;
    for (std::int64_t top = -padding; top <= height + padding - h; ++top) {
      for (std::int64_t left = -padding; left <= width + padding - w; ++left) {
        bool fits = true;
        for (std::int64_t c = 0; c < 2; ++c) {
          for (std::int64_t y = 0; y < h; ++y) {
            for (std::int64_t x = 0; x < w; ++x) {
              const bool within = top + y >= 0 && top + y < height && left + x >= 0 && left + x < width;
              fits = fits && at(c, y, x) == (within ? pixel(c, top + y, left + x) : fill);
            }
          }
        }
        if (fits) fitting.emplace_back(top, left);
      }
    }
    REQUIRE(fitting.size() == 1);
    found.push_back(fitting[0]);
  }
  return found;
}

/// The square of the deviation from equal numbers, over its expectation: 1 on average.
double unevenness(const std::vector<Place>& found, std::size_t kinds) {
  std::map<Place, double> counts;
  for (const Place& place : found) ++counts[place];
  CHECK(counts.size() == kinds);
  const double expected = static_cast<double>(found.size()) / static_cast<double>(kinds);
  double sum = 0;
  for (const auto& [place, count] : counts) sum += (count - expected) * (count - expected) / expected;
  return sum / static_cast<double>(kinds - 1);
}

/// Which images are mirrored; the others are as they were.
std::vector<bool> mirrored(const std::vector<double>& seen) {
  std::vector<bool> found;
  for (std::int64_t i = 0; i < images; ++i) {
    int plain = 0, other = 0;
    for (std::int64_t j = 0; j < 2 * height * width; ++j) {
      const double value = seen[static_cast<std::size_t>(i * 2 * height * width + j)];
      plain += value == 1 + static_cast<double>(j);
      other += value == 1 + static_cast<double>(j / width * width + width - 1 - j % width);
    }
    REQUIRE(std::max(plain, other) == 2 * height * width);
    found.push_back(other > plain);
  }
  return found;
}

double share(const std::vector<bool>& found) {
  return static_cast<double>(std::ranges::count(found, true)) / static_cast<double>(found.size());
}

std::vector<double> elements(const ir::Tensor& tensor) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) values.push_back(tensor.real(i));
  return values;
}

}  // namespace

TEST_CASE("random_crop: each image has a window of its own within the padded image, all of them as often") {
  Run run(program("random_crop(x[0], padding = 2, fill = -3)"));
  const auto first = places(run.train(), height, width, 2, -3), second = places(run.train(), height, width, 2, -3);
  CHECK(unevenness(first, 5 * 5) < 2);
  CHECK(unevenness(second, 5 * 5) < 2);
  std::vector<Place> both;
  int equal = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    both.emplace_back(first[i].first, second[i].first);
    equal += first[i] == second[i];
  }
  CHECK(unevenness(both, 5 * 5) < 2);
  CHECK(equal < images / 25 * 2);
}

TEST_CASE("random_crop: windows of another size, of both dimensions or of one number") {
  Run wide(program("random_crop(x[0], size = [3, 2])", 3, 2));
  CHECK(unevenness(places(wide.train(), 3, 2, 0, 0), 3 * 3) < 2.5);
  Run square(program("random_crop(x[0], size = 3, padding = 1)", 3, 3));
  CHECK(unevenness(places(square.train(), 3, 3, 1, 0), 5 * 4) < 2);
}

TEST_CASE("random_crop: what evaluates takes the middle, and draws nothing") {
  const std::string kept = program("random_crop(x[0], padding = 2)");
  CHECK(draws(kept, "train"));
  CHECK_FALSE(draws(kept, "eval"));
  CHECK_FALSE(draws(kept, "predict"));
  CHECK(elements(Run(kept).predict()) == elements(data()));
  const auto found = places(elements(Run(program("random_crop(x[0], size = [4, 2])", 4, 2)).predict()), 4, 2, 0, 0);
  CHECK(std::ranges::count(found, Place{0, 1}) == images);
}

TEST_CASE("random_horizontal_flip: whole images, each by itself, with the probability asked for") {
  const std::string text = program("random_horizontal_flip(x[0])");
  Run half(text);
  const std::vector<bool> first = mirrored(half.train()), second = mirrored(half.train());
  CHECK(share(first) == Approx(0.5).margin(0.04));
  CHECK(share(second) == Approx(0.5).margin(0.04));
  std::vector<bool> changed, next;
  for (std::size_t i = 0; i < first.size(); ++i) changed.push_back(first[i] != second[i]);
  for (std::size_t i = 1; i < first.size(); ++i) next.push_back(first[i] != first[i - 1]);
  CHECK(share(changed) == Approx(0.5).margin(0.04));
  CHECK(share(next) == Approx(0.5).margin(0.04));
  CHECK(share(mirrored(Run(program("random_horizontal_flip(x[0], p = 0.2)")).train())) == Approx(0.2).margin(0.03));
  CHECK(share(mirrored(Run(program("random_horizontal_flip(x[0], p = 1)")).train())) == 1);
  CHECK(elements(Run(text).predict()) == elements(data()));
  CHECK_FALSE(draws(text, "eval"));
  CHECK_FALSE(draws(program("random_horizontal_flip(x[0], p = 0)"), "train"));
}

TEST_CASE("random_horizontal_flip: a flip of a flip is the image itself") {
  Run run(program("random_horizontal_flip(random_horizontal_flip(x[0], p = 1), p = 1)"));
  CHECK(run.train() == elements(data()));
}

TEST_CASE("normalize: each channel by its mean and deviation, whether training or not") {
  Run channels(program("normalize(x[0], [3, 20], [2, 4])")), all(program("normalize(x[0], 3, 2)"));
  const std::vector<double> trained = channels.train(), together = all.train();
  CHECK(elements(channels.predict()) == trained);
  for (std::size_t i = 0; i < trained.size(); ++i) {
    const double x = 1 + static_cast<double>(i % (2 * height * width));
    const bool second = i / (height * width) % 2 == 1;
    REQUIRE(trained[i] == (second ? (x - 20) / 4 : (x - 3) / 2));
    REQUIRE(together[i] == (x - 3) / 2);
  }
}

TEST_CASE("augmentation: a seed gives the same images, compiled and by the reference, and another seed others") {
  const std::string text =
      program("normalize(random_horizontal_flip(random_crop(x[0], size = [4, 4], padding = 1)), 16, 4)", 4, 4);
  const auto three_steps = [&](Execution execution, std::int64_t seed) {
    Run run(text, execution, seed);
    std::array<std::vector<double>, 3> steps;
    for (auto& step : steps) step = run.train();
    return steps;
  };
  const auto compiled = three_steps(Execution::compiled, 7);
  CHECK(compiled == three_steps(Execution::compiled, 7));
  CHECK(compiled == three_steps(Execution::reference, 7));
  CHECK(compiled[0] != compiled[1]);
  CHECK(compiled[0] != three_steps(Execution::compiled, 8)[0]);
}
