#include "runtime/stop_rule.h"

namespace nnc::runtime {

bool StopRule::add(std::int64_t epoch, double loss) {
  if (loss < patience_.reference - (stop_ ? stop_->min_delta : 0)) {
    patience_ = {loss, 0};
  } else {
    ++patience_.epochs_without;
  }
  if (!(loss < best_.loss)) return false;
  best_ = {epoch, loss};
  return true;
}

}  // namespace nnc::runtime
