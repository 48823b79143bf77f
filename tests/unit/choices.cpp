#include "tests/unit/choices.h"

#include <cstddef>
#include <utility>

namespace nnc::tests {

int Choices::below(int n) {
  if (draws_) values_.push_back(static_cast<std::uint32_t>(random_() % static_cast<std::uint64_t>(n)));
  if (next_ >= values_.size()) return 0;
  return static_cast<int>(values_[next_++] % static_cast<std::uint32_t>(n));
}

// Leave out shorter and shorter stretches, then make single choices smaller.
std::vector<std::uint32_t> shrink(std::vector<std::uint32_t> choices,
                                  const std::function<bool(const std::vector<std::uint32_t>&)>& fails) {
  const auto try_to = [&](std::vector<std::uint32_t> simpler) {
    if (!fails(simpler)) return false;
    choices = std::move(simpler);
    return true;
  };
  for (std::size_t length = choices.size() / 2; length > 0; length /= 2) {
    for (std::size_t at = 0; at + length <= choices.size();) {
      std::vector<std::uint32_t> shorter = choices;
      const auto first = shorter.begin() + static_cast<std::ptrdiff_t>(at);
      shorter.erase(first, first + static_cast<std::ptrdiff_t>(length));
      if (!try_to(std::move(shorter))) at += length;
    }
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    for (const std::uint32_t smaller : {0U, choices[i] / 2}) {
      if (smaller >= choices[i]) continue;
      std::vector<std::uint32_t> simpler = choices;
      simpler[i] = smaller;
      if (try_to(std::move(simpler))) break;
    }
  }
  return choices;
}

}  // namespace nnc::tests
