#include "runtime/epoch_order.h"
#include "runtime/stop_rule.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <set>

using namespace nnc;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

using Order = std::vector<std::int64_t>;

Order sorted(Order order) {
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

TEST_CASE("an epoch's order is a permutation by seed and epoch") {
  const Order all = runtime::file_order(100);
  CHECK(all.front() == 0);
  CHECK(all.back() == 99);
  std::set<Order> orders;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    for (std::int64_t epoch = 1; epoch <= 5; ++epoch) {
      const Order order = runtime::epoch_order(100, seed, epoch);
      CHECK(sorted(order) == all);
      CHECK(order == runtime::epoch_order(100, seed, epoch));
      orders.insert(order);
    }
  }
  CHECK(orders.size() == 25);
  CHECK(runtime::epoch_order(1, 0, 1) == Order{0});
  // These very numbers: a seed means the same run on every machine.
  CHECK(runtime::epoch_order(8, 1, 1) == Order{4, 3, 1, 6, 0, 7, 2, 5});
}

TEST_CASE("every example comes first about equally often") {
  std::vector<int> first(10);
  for (std::int64_t epoch = 1; epoch <= 10000; ++epoch)
    ++first[static_cast<std::size_t>(runtime::epoch_order(10, 3, epoch)[0])];
  for (const int count : first) {
    CHECK(count > 850);
    CHECK(count < 1150);
  }
}

TEST_CASE("validation indices are a random part of the rounded size, ascending") {
  CHECK(runtime::validation_indices(569, 0.2, 0).size() == 114);
  CHECK(runtime::validation_indices(10, 0.25, 0).size() == 3);
  CHECK(runtime::validation_indices(10, 0, 0).empty());
  CHECK(runtime::validation_indices(10, 1, 0) == runtime::file_order(10));
  const Order part = runtime::validation_indices(100, 0.3, 5);
  CHECK(part == sorted(part));
  CHECK(std::set<std::int64_t>(part.begin(), part.end()).size() == 30);
  CHECK(part.back() < 100);
  CHECK(part == runtime::validation_indices(100, 0.3, 5));
  CHECK(part != runtime::validation_indices(100, 0.3, 6));
}

TEST_CASE("the last part of a text is as large as a random one") {
  CHECK(runtime::last_indices(10, 0.26) == std::vector<std::int64_t>{7, 8, 9});
  CHECK(runtime::last_indices(10, 0).empty());
  CHECK(runtime::last_indices(3, 1) == std::vector<std::int64_t>{0, 1, 2});
  CHECK(runtime::last_indices(7, 0.5).size() == runtime::validation_indices(7, 0.5, 1).size());
}

TEST_CASE("the stop rule counts epochs that do not improve by min_delta") {
  runtime::StopRule rule(ir::Stop{2, 0.1});
  CHECK(rule.add(1, 1.0));
  CHECK(rule.add(2, 0.95));  // the lowest, but no improvement
  CHECK_FALSE(rule.exhausted());
  CHECK(rule.add(3, 0.85));  // two small steps add up
  CHECK_FALSE(rule.add(4, not_a_number));
  CHECK_FALSE(rule.exhausted());
  CHECK(rule.add(5, 0.8));
  CHECK(rule.exhausted());
  CHECK(rule.state().best_epoch == 5);
  CHECK(rule.state().best_loss == 0.8);

  runtime::StopRule exact(ir::Stop{1, 0});
  CHECK(exact.add(1, 1.0));
  CHECK_FALSE(exact.add(2, 1.0));
  CHECK(exact.exhausted());
  CHECK(exact.state().best_epoch == 1);

  runtime::StopRule none(std::nullopt);
  for (int epoch = 1; epoch < 10; ++epoch) CHECK(none.add(epoch, 1.0) == (epoch == 1));
  CHECK_FALSE(none.exhausted());
}
