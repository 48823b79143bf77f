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
  bool exhausted() const { return stop_ && patience_.epochs_without >= stop_->patience; }

  /// The epoch of the lowest loss and that loss; 0 and infinity before there is one.
  struct Best {
    std::int64_t epoch = 0;
    double loss = std::numeric_limits<double>::infinity();
  };
  const Best& best() const { return best_; }

  /// What the end of training depends on.
  struct Patience {
    double reference = std::numeric_limits<double>::infinity();  // the loss of the last epoch that improved
    std::int64_t epochs_without = 0;
  };
  const Patience& patience() const { return patience_; }

  /// Goes on from where another one was.
  void restore(const Best& best, const Patience& patience) {
    best_ = best;
    patience_ = patience;
  }

 private:
  std::optional<ir::Stop> stop_;
  Best best_;
  Patience patience_;
};

}  // namespace nnc::runtime
