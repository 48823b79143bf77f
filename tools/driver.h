// Wires frontend, passes and runtime together, the same for every tool. Nothing else knows all of them.
//
//   nnc:        load_model -> compile at the file's batch -> print
//   nnc-train:  prepare = load, open the data, compile for its batch sizes and this machine, check the data -> train
#pragma once

#include "frontend/frontend.h"
#include "ir/diagnostics.h"
#include "ir/module.h"
#include "passes/pass.h"
#include "runtime/ceilings.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"
#include "runtime/profile.h"
#include "tools/text_files.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nnc::tools {

/// Reads and analyses a `.nn` file.
std::optional<frontend::Model> load_model(const std::string& path, const frontend::Options& options,
                                          ir::Diagnostics& diagnostics);
/// The model's module for these batch sizes, brought to a stage.
std::optional<ir::Module> compile(const frontend::Model& model, const frontend::BatchSizes& sizes, passes::Stage stage,
                                  const passes::RunOptions& options, ir::Diagnostics& diagnostics);
/// `batch` for train and eval: what `nnc` compiles, which sees no data.
frontend::BatchSizes sizes_without_data(const ir::Recipe& recipe);

/// The train graph of the full batch; of the largest one there is if the data has no full batch. Null without any.
const ir::Graph* full_train_graph(const ir::Module& module);
std::int64_t flops_of(const ir::Graph& graph);
/// Of a training step of the full batch, lowered or not; nothing without a train graph.
std::optional<std::int64_t> flops_per_step(const ir::Module& module);
/// Elements of all parameters, trained and frozen.
std::int64_t parameter_count(const ir::Module& module);

/// What is to be trained, as the command line says it.
struct TrainRequest {
  std::string file;  // .nn, or a printed module
  frontend::Options options;
  std::string data;  // empty: synthetic
  std::string valid;
  std::optional<double> val_split;
  std::uint64_t seed = 0;
  int threads = 1;
  bool reference = false;    // execute the step as written, by the reference interpreter
  bool profile = false;      // measure instructions; not with `reference`
  std::string kernel_cache;  // the directory of compiled kernels; empty: none
};

/// What instructions took, and what they can be compared with.
struct Profiling {
  runtime::Profile profile;
  runtime::Ceilings ceilings;
};

/// Everything that the first step needs.
struct Prepared {
  ir::Module module;
  runtime::Dataset training;
  std::optional<runtime::Dataset> validation;
  std::unique_ptr<Profiling> profiling;  // if asked for
  std::unique_ptr<runtime::Executor> executor;
  double compile_seconds = 0;  // from parse to ready, without reading data
};
std::optional<Prepared> prepare(const TrainRequest& request, ir::Diagnostics& diagnostics);

}  // namespace nnc::tools
