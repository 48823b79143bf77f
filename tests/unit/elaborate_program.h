// Small programs through the frontend, for tests of what they mean.
#pragma once

#include "frontend/frontend.h"
#include "ir/diagnostics.h"
#include "ir/text.h"
#include "ir/verify.h"

#include <string>
#include <string_view>

namespace nnc::test {

/// The rest of a `train` block that a test does not care for.
inline constexpr std::string_view training = "\n  optimizer sgd(lr = 0.5)\n  batch = 4\n  epochs = 2\n}\n";

struct Elaborated {
  std::optional<ir::Module> module;
  std::string errors;
};

inline Elaborated elaborate(std::string_view text, const frontend::Options& options = {},
                            const frontend::BatchSizes& sizes = {{4}, {4}}) {
  ir::Diagnostics diagnostics;
  const auto model = frontend::load("test.nn", text, options, diagnostics);
  Elaborated result;
  if (model) result.module = model->elaborate(sizes, diagnostics);
  if (result.module && ir::verify(*result.module, diagnostics) == ir::Status::failed) result.module.reset();
  result.errors = diagnostics.render();
  return result;
}

/// A `train` block with these statements in front of a setting that any program needs.
inline std::string train(std::string_view statements) {
  return "train {\n" + std::string(statements) + std::string(training);
}

}  // namespace nnc::test
