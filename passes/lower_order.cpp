#include "passes/lower_order.h"

#include "ir/check.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace nnc::passes {

namespace {

// 1. Of the instructions that nothing holds up, take the first of those to run soon, else the first that is not late.
// 2. If all are late, take those of one kernel: of the first kernel all of whose late instructions are ready, else of the
//    first one.
// 3. Instructions next to each other with one kernel, none after another of them, are one.
class Orderer {
 public:
  Orderer(const std::vector<Unordered>& given, const std::vector<Order>& orders)
      : given_(given), waits_(given.size()), before_(given.size()), after_(given.size()) {
    std::map<int, int> index;
    for (std::size_t i = 0; i < given.size(); ++i) index[given[i].op] = static_cast<int>(i);
    std::set<Order> known;
    for (const auto& [first, second] : orders) {
      const int from = index.at(first), to = index.at(second);
      if (!known.emplace(from, to).second) continue;
      at(before_, to).push_back(from);
      at(after_, from).push_back(to);
      ++at(waits_, to);
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (is_late(static_cast<int>(i)) && given[i].kernel >= 0) ++left_[given[i].kernel];
      if (waits_[i] == 0) make_ready(static_cast<int>(i));
    }
  }

  std::vector<std::vector<int>> run() {
    while (!ready(When::soon).empty() || !ready(When::in_order).empty() || !ready(When::late).empty()) {
      if (!ready(When::soon).empty()) {
        take(*ready(When::soon).begin());
      } else if (!ready(When::in_order).empty()) {
        take(*ready(When::in_order).begin());
      } else {
        for (const int chosen : next_late()) take(chosen);
      }
    }
    std::size_t taken = 0;
    for (const std::vector<int>& group : groups_) taken += group.size();
    NNC_CHECK(taken == given_.size(), "{} of {} instructions wait for each other", given_.size() - taken,
              given_.size());
    return std::move(groups_);
  }

 private:
  using When = Unordered::When;

  template <class T>
  static T& at(std::vector<T>& list, int index) {
    return list[static_cast<std::size_t>(index)];
  }
  const Unordered& given(int index) const { return given_[static_cast<std::size_t>(index)]; }

  bool is_late(int index) const { return given(index).when == When::late; }

  std::set<int>& ready(When when) { return ready_[static_cast<std::size_t>(when)]; }
  void make_ready(int index) { ready(given(index).when).insert(index); }

  std::vector<int> next_late() {
    std::map<int, std::vector<int>> of_kernel;
    for (const int index : ready(When::late)) of_kernel[given(index).kernel].push_back(index);
    int first = -1;
    for (const int index : ready(When::late)) {
      const int kernel = given(index).kernel;
      if (kernel < 0) return {index};
      if (first < 0) first = kernel;
      if (static_cast<int>(of_kernel.at(kernel).size()) == left_.at(kernel)) return of_kernel.at(kernel);
    }
    return of_kernel.at(first);
  }

  void take(int index) {
    ready(given(index).when).erase(index);
    if (is_late(index) && given(index).kernel >= 0) --left_[given(index).kernel];
    const bool joins = !groups_.empty() && given(index).kernel >= 0 &&
                       given(groups_.back().front()).kernel == given(index).kernel && !follows(index, groups_.back());
    if (joins) {
      groups_.back().push_back(index);
    } else {
      groups_.push_back({index});
    }
    for (const int next : at(after_, index))
      if (--at(waits_, next) == 0) make_ready(next);
  }

  /// Members of a group are neighbours in the order, so that only direct orders can hold between them.
  bool follows(int index, const std::vector<int>& group) {
    return std::ranges::any_of(at(before_, index),
                               [&](int before) { return std::ranges::find(group, before) != group.end(); });
  }

  const std::vector<Unordered>& given_;
  std::vector<int> waits_;
  std::vector<std::vector<int>> before_, after_;
  std::map<int, int> left_;  // late instructions of a kernel that are not taken yet
  std::array<std::set<int>, 3> ready_;
  std::vector<std::vector<int>> groups_;
};

}  // namespace

std::vector<std::vector<int>> order_instructions(const std::vector<Unordered>& given,
                                                 const std::vector<Order>& orders) {
  return Orderer(given, orders).run();
}

}  // namespace nnc::passes
