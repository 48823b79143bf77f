// `stop patience = P, min_delta = D`: when training has stopped improving significantly, and which epoch was the best.
//
// An epoch improves if its loss is below that of the last epoch that improved, less D; after P epochs in a row without,
// training ends. Many small steps downward thus count as soon as they add up to more than D. The best epoch is the one
// with the lowest loss of all, whatever D says. A loss that is not a number is never better.
#pragma once

#include "ir/module.h"

#include <cstdint>
#include <limits>
#include <optional>

namespace nnc::runtime {

class StopRule {
 public:
  /// Without a rule training never ends by it; the best epoch is tracked all the same.
  explicit StopRule(std::optional<ir::Stop> stop) : stop_(stop) {}

  /// Takes the watched loss of one more epoch; true if it is the lowest so far.
  bool add(std::int64_t epoch, double loss);
  bool exhausted() const { return stop_ && state_.epochs_without >= stop_->patience; }

  struct State {
    // The epoch of the lowest loss and that loss; 0 and infinity before there is one.
    std::int64_t best_epoch = 0;
    double best_loss = std::numeric_limits<double>::infinity();
    // The loss of the last epoch that improved, and the epochs since then.
    double reference = std::numeric_limits<double>::infinity();
    std::int64_t epochs_without = 0;
  };
  const State& state() const { return state_; }
  /// Goes on from where another one was.
  void restore(const State& state) { state_ = state; }

 private:
  std::optional<ir::Stop> stop_;
  State state_;
};

}  // namespace nnc::runtime
