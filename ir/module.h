// A module: everything one `.nn` file says, for the batch sizes asked for. Slots hold what lives across steps, graphs
// (programs, once lowered) say what a step does, the recipe says how training goes. One grammar (text.h) and one pass
// signature serve all of it.
#pragma once

#include "ir/graph.h"
#include "ir/program.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::ir {

enum class SlotKind : std::uint8_t {
  parameter,    // trained; saved as weights
  statistic,    // a layer's `state` (running statistics); saved as weights
  optimizer,    // an optimizer's `state`; saved apart
  accumulator,  // sums over an epoch; the runtime zeroes them when one begins
  counter,      // `step`
  setting,      // given by the runtime before the first step: `total_steps`, the random key
};
std::string_view name(SlotKind kind);
std::optional<SlotKind> slot_kind_named(std::string_view name);

/// Slots the runtime knows by name.
inline constexpr std::string_view step_slot = "step";                // i64[], steps done so far
inline constexpr std::string_view total_steps_slot = "total_steps";  // i64[]
inline constexpr std::string_view key_slot = "key";                  // i64[], from --seed

/// Graphs that stages know by name.
inline constexpr std::string_view init_graph = "init";        // gives the slots their first values
inline constexpr std::string_view train_graph = "train";      // a step
inline constexpr std::string_view eval_graph = "eval";        // loss and metrics of a batch
inline constexpr std::string_view predict_graph = "predict";  // what the model answers for a batch
inline constexpr std::string_view report_graph = "report";    // metrics from the accumulators of an epoch

/// What `train` calls the loss of a batch. `report` calls figures by the graph that they are of: `train.loss`,
/// `eval.accuracy`.
inline constexpr std::string_view loss_result = "loss";
std::string reported_result(std::string_view graph, std::string_view figure);

struct Slot {
  std::string path;
  Type type;
  SlotKind kind = SlotKind::parameter;
  bool frozen = false;  // a parameter that keeps its value

  bool operator==(const Slot&) const = default;
};

/// A field of `data`; types describe one example.
struct DataField {
  enum class Source : std::uint8_t { column, chars, tokens };
  std::string name;
  Type type;
  Source source = Source::column;
  std::int64_t vocabulary = 0;  // of chars and tokens
  std::int64_t range = 0;       // values lie in [0, range), since the model indexes something by them; 0: they need not
  std::int64_t drawn =
      0;  // synthetic ones do so too: the model indexes by values that it may leave out; 0: range says it

  bool operator==(const DataField&) const = default;
};

struct Stop {
  std::int64_t patience = 1;
  double min_delta = 0;

  bool operator==(const Stop&) const = default;
};

struct Recipe {
  std::vector<DataField> data;          // parameters of `train` and `eval`, in order
  std::vector<DataField> predict_data;  // parameters of `predict`
  std::int64_t batch = 0;
  std::optional<std::int64_t> epochs;
  std::optional<std::int64_t> steps;
  std::optional<Stop> stop;
  std::vector<std::string> metrics;  // names after `metric`, in order

  bool operator==(const Recipe&) const = default;
};

/// How one parameter is updated: by the rule graph `rule`, whose parameters are the parameter, its gradient and its
/// states, and whose results are the parameter's and the states' new values, in the same order.
struct Update {
  std::string parameter;
  std::string rule;
  std::vector<std::string> states;  // slot paths

  bool operator==(const Update&) const = default;
};

/// Name of the rule graph that maps all gradients (in the order of Module::updates) to those the updates see.
inline constexpr std::string_view clip_rule = "clip";

struct Module {
  Recipe recipe;
  std::vector<Slot> slots;
  std::vector<Update> updates;
  std::vector<Graph> rules;
  std::vector<Graph> graphs;  // init, train@N.., eval@N.., predict@N, report
  // After lowering, in place of the graphs:
  std::string target;  // for which kernels were chosen; empty before
  std::vector<Kernel> kernels;
  std::vector<Program> programs;

  const Slot* find_slot(std::string_view path) const;
  const Graph* find_rule(std::string_view name) const;
  const Graph* find_graph(std::string_view name, std::int64_t batch = 0) const;
  const Program* find_program(std::string_view name, std::int64_t batch = 0) const;
};

/// The data fields that the parameters of the graph (no rule), or of the program of that name, are, in order; null if it
/// takes no data.
const std::vector<DataField>* fields_of(const Module& module, const Graph& graph);
const std::vector<DataField>* fields_of(const Module& module, std::string_view graph_name);

}  // namespace nnc::ir
