// The whole middle of the compiler, in the order in which it runs.
#include "passes/autodiff.h"
#include "passes/check_indices.h"
#include "passes/cse.h"
#include "passes/dce.h"
#include "passes/expand.h"
#include "passes/fold_constants.h"
#include "passes/fuse.h"
#include "passes/hoist.h"
#include "passes/layout.h"
#include "passes/lookups.h"
#include "passes/lower.h"
#include "passes/pack.h"
#include "passes/pass.h"
#include "passes/plan_memory.h"
#include "passes/schedule.h"
#include "passes/simplify.h"
#include "passes/sink.h"
#include "passes/sink_rows.h"
#include "passes/updates.h"
#include "passes/winograd.h"

#include <array>

namespace nnc::passes {

namespace {

constexpr bool required = false, optional = true;

constexpr std::array table{
    // The training step: `nnc --emit=step`.
    Pass{"autodiff", "append the backward graph of the loss to `train`", autodiff, Stage::step, required},
    Pass{"updates", "clip the gradients and update the parameters with them", updates, Stage::step, required},
    Pass{"check-indices", "check indices that might be outside while running", check_indices, Stage::step, required},

    // The optimized step: `nnc --emit=optimized`. Folding comes first, so that rules meet constants as such, and what
    // loops repeat leaves them, so that they meet large products; then rules, and work on tables: both make
    // ops equal that were not; what all of these left unused goes before layout and kernels are chosen.
    Pass{"fold-constants", "compute ops of constants", fold_constants, Stage::optimized, optional},
    Pass{"hoist", "take out of loops what can be done once for all steps", hoist, Stage::optimized, optional},
    Pass{"simplify", "apply the rewrite rules of the op records", simplify, Stage::optimized, optional},
    Pass{"lookups", "compute with tables instead of the rows looked up in them", lookups, Stage::optimized, optional},
    Pass{"cse", "keep one of equal ops", cse, Stage::optimized, optional},
    Pass{"dce", "drop ops that no result needs", dce, Stage::optimized, optional},
    Pass{"sink", "compute parts of what is only read in parts", sink, Stage::optimized, optional},
    Pass{"sink-rows", "look rows up in the steps of the loops that read them", sink_rows, Stage::optimized, optional},
    Pass{"layout", "store images with their channels last", layout, Stage::optimized, optional},
    Pass{"winograd", "compute convolutions of small windows by tiles where that is less work", winograd,
         Stage::optimized, optional},
    Pass{"pack", "put weights that many products share in the order in which these read them", pack, Stage::optimized,
         optional},
    Pass{"expand", "write ops as others that kernels hold, or that are cheaper there", expand, Stage::optimized,
         optional},
    Pass{"fuse", "make kernels of elementwise ops, reductions and movements", fuse, Stage::optimized, optional},
    Pass{"schedule", "choose how the loops of kernels run on the target", schedule, Stage::optimized, optional},

    // The programs: `nnc --emit=program`.
    Pass{"lower", "make programs of the graphs", lower, Stage::program, required},
    Pass{"plan-memory", "place the transient buffers of programs", plan_memory, Stage::program, required},
};

}  // namespace

std::span<const Pass> all_passes() { return table; }

const Pass* find_pass(std::string_view name) {
  for (const Pass& pass : table) {
    if (pass.name == name) return &pass;
  }
  return nullptr;
}

std::vector<const Pass*> pipeline_to(Stage stage) { return passes_between(Stage::graph, stage); }

std::vector<const Pass*> passes_between(Stage from, Stage to) {
  std::vector<const Pass*> passes;
  for (const Pass& pass : table) {
    if (pass.stage > from && pass.stage <= to) passes.push_back(&pass);
  }
  return passes;
}

}  // namespace nnc::passes
