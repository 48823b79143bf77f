// The `train` and `predict` blocks -> graphs.
//
//   loss cross_entropy(scores, label)   ->   result loss, and the epoch's sum and count of it
//   metric accuracy = mean(e)           ->   @metric.train.accuracy.sum and .count; their quotient in `report`
#pragma once

#include "frontend/context.h"

#include <memory>
#include <string>

namespace nnc::frontend {

enum class Phase { train, eval };
std::string_view name(Phase phase);

/// The graph of a phase for batches of `batch` examples. `report`, if not null, gets what turns the accumulators into
/// the phase's loss and metrics.
std::unique_ptr<Target> elaborate_phase(Context& context, Phase phase, std::int64_t batch, Target* report);

/// The `predict` block at the recipe's batch size.
std::unique_ptr<Target> elaborate_predict(Context& context);

/// objective.cpp: adds up the losses, binds the result `loss` and its accumulators.
void add_losses(Context& context, Phase phase, const Objective& objective, Target* report);

/// metrics.cpp: binds the accumulators of one metric.
void add_metric(Context& context, Phase phase, const ast::Metric& metric, const Value& value, Target* report);

/// metrics.cpp: @PATH.sum += sum, @PATH.count += count (both f64[]); gives their quotient in `report`, or the sum alone
/// where `count` has no value. `suffix` tells several apart.
std::optional<ir::Expr> accumulate(Context& context, const std::string& path, const std::string& suffix, ir::Expr sum,
                                   std::optional<ir::Expr> count, const ast::Span& at, Target* report);

/// rules.cpp: update rules, one for the arguments and shape of each parameter that is trained.
void add_updates(Context& context, ir::Module& module);
/// Reports mistakes in the optimizer's name and arguments, where the parameters are not known for mistakes elsewhere.
void check_optimizer(Context& context);

/// clip.cpp: the rule that `clip_norm` asks for.
void add_clipping(Context& context, ir::Module& module);

}  // namespace nnc::frontend
