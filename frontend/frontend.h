// From `.nn` text to a module, in two steps, because the last batch of an epoch has a size that only the data tells:
//
//   auto model = frontend::load("mlp.nn", text, options, diagnostics);      // syntax, names, settings, data fields
//   ... open the data with model->recipe().data ...
//   auto module = model->elaborate({.train = {128, 96}, .eval = {128, 16}}, diagnostics);
#pragma once

#include "frontend/ast.h"
#include "ir/diagnostics.h"
#include "ir/module.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::frontend {

/// What the command line says over the file.
struct Options {
  std::vector<std::pair<std::string, std::string>> set;  // --set NAME=VALUE, in order
  std::optional<std::int64_t> batch;
  std::optional<std::int64_t> epochs;
};

/// A step's sizes: one `train` graph and one `eval` graph for each. `predict` is made at the recipe's batch.
struct BatchSizes {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> eval;
};

class Model {
 public:
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const ast::Program& program() const;
  /// Data fields, batch, epochs, steps, stop, metrics, after the options.
  const ir::Recipe& recipe() const;
  /// The module with graphs init, train@.., eval@.., predict@batch (if declared) and report, not yet differentiated.
  std::optional<ir::Module> elaborate(const BatchSizes& sizes, ir::Diagnostics& diagnostics) const;

 private:
  friend std::optional<Model> load(std::string, std::string_view, const Options&, ir::Diagnostics&);
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Parses `text` and the standard library, evaluates hypers and settings. Reports every error it can reach.
std::optional<Model> load(std::string file, std::string_view text, const Options& options,
                          ir::Diagnostics& diagnostics);

}  // namespace nnc::frontend
