#include "passes/place_blocks.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

namespace nnc::passes {

namespace {

/// Attempts to repair the best placement found.
constexpr int most_repairs = 200;

class Placer {
 public:
  explicit Placer(const std::vector<Block>& blocks) : blocks_(blocks) {}

  // 1. Place the blocks in a few orders, each where it fits best among those placed before: the large and long ones first,
  //    or as they begin, which is better where a few large ones follow each other.
  // 2. Repair the best placement: a block that ends where the region ends is placed earlier; keep what is not worse.
  Placement run() {
    const std::int64_t least = largest_sum(blocks_);
    std::vector<int> best_order;
    Placement best;
    const auto attempt = [&](const std::vector<int>& order) {
      Placement placement = place(order);
      const bool better = best_order.empty() || placement.bytes < best.bytes;
      if (better) {
        best = std::move(placement);
        best_order = order;
      }
      return better;
    };
    for (const auto& key : {area, size, length, none}) {
      attempt(sorted([&](int block) { return std::pair(-key(at(block)), at(block).first); }));
      if (best.bytes == least) return best;
    }
    std::vector<int> order = best_order;
    Placement placement = best;
    for (int i = 0; i < most_repairs && best.bytes > least; ++i) {
      const auto top = std::ranges::find_if(order, [&](int block) {
        return placement.offsets[static_cast<std::size_t>(block)] + at(block).bytes == placement.bytes;
      });
      // To the front, or half the way: the same repair again and again would find nothing new.
      const auto to = i % 2 == 0 ? order.begin() : order.begin() + (top - order.begin()) / 2;
      std::rotate(to, top, top + 1);
      placement = place(order);
      if (placement.bytes < best.bytes) {
        best = placement;
        best_order = order;
      } else if (2 * (placement.bytes - best.bytes) > best.bytes) {
        order = best_order;
      }
    }
    return best;
  }

 private:
  static double size(const Block& block) { return static_cast<double>(block.bytes); }
  static double length(const Block& block) { return static_cast<double>(block.last - block.first + 1); }
  static double none(const Block&) { return 0; }
  static double area(const Block& block) { return size(block) * length(block); }

  const Block& at(int block) const { return blocks_[static_cast<std::size_t>(block)]; }

  template <class Key>
  std::vector<int> sorted(Key key) const {
    std::vector<int> order(blocks_.size());
    std::iota(order.begin(), order.end(), 0);
    std::erase_if(order, [&](int block) { return at(block).bytes == 0; });
    std::ranges::stable_sort(order, {}, key);
    return order;
  }

  struct Placed {
    std::int64_t begin, end;
    int first, last;
  };

  /// Each block in the smallest gap among those placed before that it meets; behind all of them where none fits.
  Placement place(const std::vector<int>& order) const {
    Placement placement{.offsets = std::vector<std::int64_t>(blocks_.size())};
    std::vector<Placed> placed;  // by offset
    placed.reserve(order.size());
    for (const int number : order) {
      const Block& block = at(number);
      const std::int64_t begin = best_fit(placed, block), end = begin + block.bytes;
      const auto behind = std::ranges::upper_bound(placed, begin, {}, &Placed::begin);
      placed.insert(behind, {begin, end, block.first, block.last});
      placement.offsets[static_cast<std::size_t>(number)] = begin;
      placement.bytes = std::max(placement.bytes, end);
    }
    return placement;
  }

  static std::int64_t best_fit(const std::vector<Placed>& placed, const Block& block) {
    std::int64_t reached = 0, best = -1, best_gap = 0;
    for (const Placed& other : placed) {
      if (other.last < block.first || block.last < other.first) continue;
      const std::int64_t gap = other.begin - reached;
      if (gap >= block.bytes && (best < 0 || gap < best_gap)) {
        best = reached;
        best_gap = gap;
      }
      reached = std::max(reached, other.end);
    }
    return best < 0 ? reached : best;
  }

  const std::vector<Block>& blocks_;
};

}  // namespace

Placement place_blocks(const std::vector<Block>& blocks) { return Placer(blocks).run(); }

std::int64_t largest_sum(const std::vector<Block>& blocks) {
  std::map<int, std::int64_t> changes;
  for (const Block& block : blocks) {
    changes[block.first] += block.bytes;
    changes[block.last + 1] -= block.bytes;
  }
  std::int64_t sum = 0, largest = 0;
  for (const auto& [at, change] : changes) largest = std::max(largest, sum += change);
  return largest;
}

}  // namespace nnc::passes
