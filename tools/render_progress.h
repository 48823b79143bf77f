// What a user watches while training, on stderr: a line an epoch, and on a terminal a moving bar within it.
//
//   epoch  3/30  12.4 s  loss 0.4021  accuracy 0.8544  valid loss 0.4312  accuracy 0.8431  best
//   epoch  4/30  [===========>              ]  211/469  loss 0.3877
#pragma once

#include "ir/module.h"
#include "runtime/trainer.h"

#include <string>

namespace nnc::tools {

/// A watcher that prints; one that does nothing if `quiet`.
runtime::Watcher progress_watcher(const ir::Recipe& recipe, bool quiet);

/// `trained 3283 steps, 7 complete epochs (stop reason: no_improvement); ...`
std::string describe_result(const runtime::TrainResult& result, const std::string& out);

}  // namespace nnc::tools
