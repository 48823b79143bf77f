// Passes and the manager that runs them.
//
// A pass is a function from a module to a module, without state. The table in pipeline.cpp has one row a pass: its name
// as typed, one line of doc, the function. The verifier runs after every pass.
#pragma once

#include "ir/diagnostics.h"
#include "ir/location.h"
#include "ir/module.h"
#include "ir/target.h"

#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::passes {

/// Two neighbours that a pass did not make one, and why.
struct Remark {
  struct Part {
    std::vector<std::string_view> ops;
    ir::Location location;
  };
  Part first, second;
  std::string reason;
  std::string graph = {};  // its full name
};

struct PassContext {
  /// For what the user did wrong. What a pass finds wrong in itself goes to `internal_error`.
  ir::Diagnostics& diagnostics;
  /// The machine to compile for; passes that ask nothing of it run without.
  const ir::Target* target = nullptr;
  /// How often each rewrite rule applied, by the rule's text; printed by --time-passes.
  std::vector<std::pair<std::string, int>> rule_counts = {};
  std::vector<Remark>* remarks = nullptr;  // null: nobody asks
  /// Set by a pass that fails through our own mistake: what went wrong.
  std::string internal_error = {};
};

using PassFunction = ir::Status (*)(ir::Module&, PassContext&);

/// The forms of a module, in the order in which passes bring it there.
enum class Stage { graph, step, optimized, program };

struct Pass {
  std::string_view name;
  std::string_view doc;
  PassFunction run;
  Stage stage;    // the first stage whose pipeline has the pass
  bool optional;  // an optimization, which --disable-pass may switch off
};

/// Every pass, in the order of the pipeline.
std::span<const Pass> all_passes();
const Pass* find_pass(std::string_view name);
/// The same for a name that the user gave with `option`; one that no pass has is reported with the near name.
const Pass* find_pass(std::string_view option, const std::string& name, ir::Diagnostics& diagnostics);

/// The passes that bring a module to a stage, in order.
std::vector<const Pass*> pipeline_to(Stage stage);
/// Those that bring a module from one stage to another.
std::vector<const Pass*> passes_between(Stage from, Stage to);

struct RunOptions {
  std::vector<std::string> disabled = {};     // --disable-pass=NAME
  std::vector<std::string> print_after = {};  // --print-after=NAME, or "all"
  bool print_changed = false;
  bool time_passes = false;
  bool verify_roundtrip = false;
  std::optional<std::string> stop_after = {};
  std::optional<int> pass_limit = {};
  bool elide_constants = false;
  /// Where a failing pass leaves its input and the rest of the pipeline; nnc-opt runs that file again.
  std::string reproducer = "nnc-reproducer.ir";
  std::vector<Remark>* remarks = nullptr;  // takes the passes' remarks
  std::ostream* log = nullptr;             // dumps and times; null: std::cerr
  const ir::Target* target = nullptr;      // null: the generic one, single-threaded

  bool operator==(const RunOptions&) const = default;
};

/// Runs the passes in order. Names in the options that no pass has are reported as errors with the near name, and so are
/// those of passes that are not run.
ir::Status run_passes(ir::Module& module, const std::vector<const Pass*>& passes, const RunOptions& options,
                      ir::Diagnostics& diagnostics);

}  // namespace nnc::passes
