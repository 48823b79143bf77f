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

std::size_t part_of(std::int64_t examples, double fraction) {
  NNC_CHECK(fraction >= 0 && fraction <= 1, "a fraction of {} of the examples", fraction);
  return static_cast<std::size_t>(std::llround(fraction * static_cast<double>(examples)));
}

}  // namespace

std::vector<std::int64_t> file_order(std::int64_t examples) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(examples));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::int64_t steps_of_epoch(std::int64_t examples, std::int64_t batch) {
  return examples / batch + (examples % batch != 0);
}

std::vector<std::int64_t> epoch_order(std::int64_t examples, std::uint64_t seed, std::int64_t epoch) {
  return shuffled(examples, Random(seed, static_cast<std::uint64_t>(epoch)));
}

std::vector<std::int64_t> validation_indices(std::int64_t examples, double fraction, std::uint64_t seed) {
  std::vector<std::int64_t> order = shuffled(examples, Random(seed, split_stream));
  order.resize(part_of(examples, fraction));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<std::int64_t> last_indices(std::int64_t examples, double fraction) {
  std::vector<std::int64_t> order(part_of(examples, fraction));
  std::iota(order.begin(), order.end(), examples - static_cast<std::int64_t>(order.size()));
  return order;
}

}  // namespace nnc::runtime
