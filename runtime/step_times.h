// What the last steps of a training took, in memory that is taken once, before the first.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace nnc::runtime {

class StepTimes {
 public:
  static constexpr std::size_t most = 10'000;

  StepTimes() { seconds_.reserve(most); }

  /// Takes the place of the oldest once there are `most`.
  void add(double seconds) {
    if (seconds_.size() < most)
      seconds_.push_back(seconds);
    else
      seconds_[oldest_++ % most] = seconds;
  }
  /// In no order; none are left.
  std::vector<double> take() { return std::exchange(seconds_, {}); }

 private:
  std::vector<double> seconds_;
  std::size_t oldest_ = 0;
};

}  // namespace nnc::runtime
