#include "runtime/stop_rule.h"

namespace nnc::runtime {

bool StopRule::add(std::int64_t epoch, double loss) {
  if (loss < reference_ - (stop_ ? stop_->min_delta : 0)) {
    reference_ = loss;
    epochs_without_ = 0;
  } else {
    ++epochs_without_;
  }
  if (!(loss < best_loss_)) return false;
  best_loss_ = loss;
  best_epoch_ = epoch;
  return true;
}

}  // namespace nnc::runtime
