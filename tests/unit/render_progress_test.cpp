#include "tools/render_progress.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <iostream>
#include <limits>
#include <sstream>

using namespace nnc;

TEST_CASE("the figures of an epoch; a NaN has no sign") {
  const double negative_nan = std::copysign(std::numeric_limits<double>::quiet_NaN(), -1.0);
  ir::Recipe recipe;
  recipe.epochs = 3;
  const runtime::Watcher watcher = tools::progress_watcher(recipe, /*quiet=*/false);
  runtime::Progress progress;
  progress.epoch = 2;
  progress.seconds = 1.5;
  std::ostringstream text;
  std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
  watcher.epoch(progress, {0.25, {{"accuracy", negative_nan}}}, runtime::Report{negative_nan, {{"accuracy", 0.5}}},
                /*improved=*/false);
  std::cerr.rdbuf(before);
  CHECK_THAT(text.str(),
             Catch::EndsWith("epoch 2/3  1.5 s  loss 0.2500  accuracy nan  valid loss nan  accuracy 0.5000\n"));
}
