// Choices: numbers that are drawn from a seed and noted, of which something random is made. The same choices make the same;
// choices left out or made smaller make something simpler, which is how what fails is shrunk.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
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

/// The choices with which `fails` still holds and no part can be left out.
std::vector<std::uint32_t> shrink(std::vector<std::uint32_t> choices,
                                  const std::function<bool(const std::vector<std::uint32_t>&)>& fails);

}  // namespace nnc::tests
