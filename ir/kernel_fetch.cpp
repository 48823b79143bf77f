#include "ir/kernel_fetch.h"

#include "ir/alignment.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace nnc::ir {
namespace {

/// Of rows at least `fetched_bytes` ahead are fetched: the next but one while two of them leave half of a first cache to
/// what is worked on, unless it is a pipeline. Of tiles it is the next but one.
constexpr std::int64_t most_fetched_bytes = std::int64_t{24} * 1024;
constexpr std::int64_t fetched_tiles = 2;

class FetchPlanner {
 public:
  FetchPlanner(const FusedView& fused, KernelLayout& layout) : fused_(fused), layout_(layout) {}

  void plan_fetch() {
    KernelFetch fetch;
    if (layout_.tile >= 0) {
      fetch.along = layout_.tile;
      fetch.step = fetched_tiles * layout_.lanes;
      if (fetch.step >= extent(layout_.tile)) return;
    } else if (layout_.vector_is_parallel) {
      if (layout_.inner != 0) return;
      fetch.along = layout_.vector;
    } else {
      for (const int d : fused_.schedule.parallel)
        if (extent(d) > 1) fetch.along = d;
      if (layout_.vector < 0 || fetch.along < 0) return;
    }
    choose_fetching_nest(fetch);
    if (fetch.nest < 0) return;
    for (std::size_t r = 0; r < fused_.reads.size(); ++r) {
      if (!can_fetch(r, fetch)) continue;
      fetch.operands.push_back(static_cast<int>(r));
      fetch.row_bytes = std::max(fetch.row_bytes, row_bytes(param(r)));
    }
    if (fetch.operands.empty()) return;
    if (fused_.schedule.pipelined)
      fetch.step = (fetched_bytes + fetch.row_bytes - 1) / fetch.row_bytes;
    else if (layout_.tile < 0 && 2 * fetch.row_bytes <= most_fetched_bytes)
      fetch.step = std::max<std::int64_t>(2, (fetched_bytes + fetch.row_bytes - 1) / fetch.row_bytes);
    layout_.fetch = std::move(fetch);
  }

  void measure_position() {
    layout_.position_bytes = layout_.scratch.row_bytes + layout_.scratch.partial_bytes;
    for (std::size_t r = 0; r < fused_.reads.size(); ++r) {
      std::optional<int> first;
      int last = 0;
      for (const KernelNest& nest : layout_.nests) {
        if (std::ranges::find(nest.needed, param(r)) == nest.needed.end()) continue;
        if (!first) first = nest.lag;
        last = nest.lag;
      }
      const bool is_of_position = (moves_of(param(r)) & ~layout_.inner) != 0;
      layout_.position_bytes += row_bytes(param(r)) * (first && is_of_position ? last - *first + 1 : 1);
    }
    for (const KernelNest& nest : layout_.nests)
      for (const int write : nest.writes)
        if (std::ranges::find(fused_.schedule.streamed, write) == fused_.schedule.streamed.end())
          layout_.position_bytes += row_bytes(fused_.body.results[static_cast<std::size_t>(write)]);
  }

 private:
  std::int64_t extent(int d) const { return fused_.domain[static_cast<std::size_t>(d)]; }
  ValueId param(std::size_t operand) const { return fused_.body.params()[operand]; }
  DimensionSet moves_of(ValueId value) const { return layout_.moves[static_cast<std::size_t>(value.index)]; }

  DimensionSet loops_of(std::size_t nest) const {
    DimensionSet loops = 0;
    for (const int d : layout_.nests[nest].loops) loops |= bit(d);
    return loops;
  }

  void choose_fetching_nest(KernelFetch& fetch) const {
    std::vector<int> over_row;
    for (std::size_t n = 0; n < layout_.nests.size(); ++n) {
      const DimensionSet loops = loops_of(n);
      if (layout_.tile >= 0 ? has(loops, layout_.tile) : loops == layout_.inner)
        over_row.push_back(static_cast<int>(n));
    }
    fetch.row_nests = static_cast<int>(std::ssize(over_row));
    if (fused_.schedule.pipelined) {
      if (!over_row.empty()) fetch.nest = over_row.front();
      return;
    }
    const bool skips_first = layout_.tile < 0 && over_row.size() > 1;
    for (std::size_t i = skips_first ? 1 : 0; i < over_row.size() && fetch.beside == KernelFetch::Beside::nothing;
         ++i) {
      const KernelNest& nest = layout_.nests[static_cast<std::size_t>(over_row[i])];
      fetch.nest = over_row[i];
      if (!nest.buffered.empty())
        fetch.beside = KernelFetch::Beside::row;
      else if (!nest.writes.empty())
        fetch.beside = KernelFetch::Beside::write;
    }
  }

  bool can_fetch(std::size_t operand, const KernelFetch& fetch) const {
    const Access& access = fused_.reads[operand];
    const auto stride = [&](int d) { return access.strides[static_cast<std::size_t>(d)]; };
    if (access.is_bounded()) return false;
    if (access.index >= 0 ? !is_looked_up_ahead(access, fetch) : stride(fetch.along) == 0) return false;
    const DimensionSet loops = loops_of(static_cast<std::size_t>(fetch.nest));
    if ((moves_of(param(operand)) & layout_.inner & ~loops) != 0) return false;
    const std::int64_t vector_bytes = layout_.lanes * element_bytes(param(operand));
    if (layout_.tile >= 0) return lies_along_tile(layout_, access) && vector_bytes % memory_alignment == 0;
    return stride(layout_.vector) == 1 && fused_.schedule.unroll * vector_bytes % memory_alignment == 0;
  }

  /// Whether an index, read as it lies, says for each position which row to take.
  bool is_looked_up_ahead(const Access& access, const KernelFetch& fetch) const {
    const auto operand = static_cast<std::size_t>(access.index);
    const Access& index = fused_.reads[operand];
    if (layout_.tile >= 0 || layout_.vector_is_parallel || index.index >= 0 || index.is_bounded()) return false;
    if (std::ranges::any_of(index.strides, [](std::int64_t stride) { return stride < 0; })) return false;
    const auto along = static_cast<std::size_t>(fetch.along);
    return (moves_of(param(operand)) & layout_.inner) == 0 && index.strides[along] != 0 && access.strides[along] == 0;
  }

  std::int64_t element_bytes(ValueId value) const { return size_of(fused_.body.type(value).dtype); }

  /// Of what a position has of an operand, or a result.
  std::int64_t row_bytes(ValueId value) const {
    std::int64_t bytes = element_bytes(value);
    for (int d = 0; d < fused_.rank(); ++d)
      if (has(moves_of(value) & layout_.inner, d)) bytes *= extent(d);
    return bytes;
  }

  const FusedView& fused_;
  KernelLayout& layout_;
};

}  // namespace

void plan_fetch(const FusedView& fused, KernelLayout& layout) {
  FetchPlanner planner(fused, layout);
  planner.plan_fetch();
  planner.measure_position();
}

}  // namespace nnc::ir
