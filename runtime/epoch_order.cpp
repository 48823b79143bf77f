#include "runtime/epoch_order.h"

#include "ir/check.h"
#include "runtime/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace nnc::runtime {

namespace {

constexpr std::uint64_t split_stream = 0;  // epochs count from 1

/// Fisher and Yates: every permutation equally likely.
std::vector<std::int64_t> shuffled(std::int64_t examples, Random random) {
  std::vector<std::int64_t> order = file_order(examples);
  for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random.below(left)]);
  return order;
}

}  // namespace

std::vector<std::int64_t> file_order(std::int64_t examples) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(examples));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<std::int64_t> epoch_order(std::int64_t examples, std::uint64_t seed, std::int64_t epoch) {
  return shuffled(examples, Random(seed, static_cast<std::uint64_t>(epoch)));
}

std::vector<std::int64_t> validation_indices(std::int64_t examples, double fraction, std::uint64_t seed) {
  NNC_CHECK(fraction >= 0 && fraction <= 1, "a fraction of {} of the examples", fraction);
  std::vector<std::int64_t> order = shuffled(examples, Random(seed, split_stream));
  order.resize(static_cast<std::size_t>(std::llround(fraction * static_cast<double>(examples))));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace nnc::runtime
