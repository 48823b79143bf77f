// Random training programs as `.nn` text: data, layers, losses, metrics, an optimizer, groups, clipping.
//
// A text is made of choices, numbers that are drawn from a seed and noted. The same choices give the same text; choices
// left out or made smaller give a simpler one, which is how a failing program is shrunk.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace nnc::tests {

class Choices {
 public:
  explicit Choices(std::uint64_t seed) : random_(seed), draws_(true) {}
  explicit Choices(std::vector<std::uint32_t> given) : values_(std::move(given)) {}

  /// One of 0 to n - 1; 0, the simplest, where the given choices have ended.
  int below(int n);
  bool chance(int of) { return below(of) == of - 1; }

  const std::vector<std::uint32_t>& values() const { return values_; }

 private:
  std::vector<std::uint32_t> values_;
  std::size_t next_ = 0;
  std::mt19937_64 random_;
  bool draws_ = false;
};

struct RandomTraining {
  std::string source;
  std::int64_t batch = 0, last_batch = 0;  // of an epoch
};

/// Losses and gradients are well conditioned: f32 in another order gives nearly the same.
RandomTraining random_training(Choices& choices);

/// The choices with which `fails` still holds and no part can be left out.
std::vector<std::uint32_t> shrink(std::vector<std::uint32_t> choices,
                                  const std::function<bool(const std::vector<std::uint32_t>&)>& fails);

}  // namespace nnc::tests
