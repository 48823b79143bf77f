#include "runtime/stop_rule.h"

namespace nnc::runtime {

bool StopRule::add(std::int64_t epoch, double loss) {
  if (loss < state_.reference - (stop_ ? stop_->min_delta : 0)) {
    state_.reference = loss;
    state_.epochs_without = 0;
  } else {
    ++state_.epochs_without;
  }
  if (!(loss < state_.best_loss)) return false;
  state_.best_loss = loss;
  state_.best_epoch = epoch;
  return true;
}

}  // namespace nnc::runtime
