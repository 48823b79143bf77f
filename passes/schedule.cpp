#include "passes/schedule.h"

#include "ir/alignment.h"
#include "ir/check.h"
#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/op.h"
#include "ir/philox.h"
#include "passes/kernel_facts.h"
#include "passes/streaming.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <span>
#include <utility>

namespace nnc::passes {

using ir::Access;
using ir::FusedView;
using ir::Schedule;
using ir::ValueId;

// The rules. Inner dimensions are those removed by a reduction whose result the body uses; the others may be parallel.
//
// Vector. The dimension in which most bytes are contiguous, v. If v is shorter than the vector (or is reduced and
// leaves more than a quarter of the lanes empty), and the last of the other parallel dimensions is long, that one is in
// the lanes instead.
//
// Parallel. All that may be, in the order of the largest operand's memory, except
//  * v, where enough rows remain: a row is then a loop of vectors within a position. With a used reduction v has to
//    stay, as its sums belong to one position of v;
//  * without a used reduction, what other reductions remove, the last one first, where enough positions remain: they are
//    loops within a position too, and without any of them parallel no results need partial sums.
// A vector dimension that is parallel is the last one.
//
// Tile. Where what is contiguous along another dimension than v is at least an eighth of the traffic, and the body is
// small: that one of the two along which more is written is in the lanes, as the last parallel dimension, and the other
// one is the tile. Beyond the second cache, a tile of f32 is a line of the cache wide where a vector is less: half a line
// would be fetched twice. Wider elements fill the line as it is.
//
// Tile outside. Where nothing is reduced and what is written at the tile's positions passes the caches by, or is a KiB or
// more apart: caches have few places for addresses that are multiples of as much.
//
// Unroll. 4 vectors a turn in a flat loop; where a row is reduced up to 4, so that independent accumulators hide the
// latency; else up to 2. In a small body that reduces nothing and takes several functions of an element up to 8, as
// their latency is longer than what else a turn has to do, or half as many where there are half as many registers, and
// half of that for more than two operands: the processor's own fetching does not follow so many lines of each.
// As many where a loop reduces another dimension than the vector's: each of its turns is elsewhere in memory, and takes
// several lines there; half of that in larger bodies. Large ones have fewer: their values would not fit the registers.
// A pipeline has 2, as its loop is long by itself.
// Random numbers are drawn in blocks of 64 elements, a turn of the loop.
//
// Pipelined. Where a position has three or four loops over its row, and no others, chunks are long enough for it to be
// full most of the time, and a quarter of the last cache holds all positions, the first cache what is between the first
// and the last of the loops: while the sum of one row is merged there are others to work on. What memory has to bring
// comes earlier in loops of its own, unless elements take functions, and of one operand only; then where writes pass the
// caches by, or rows are no longer than a page.
//
// Split late. Where the caches do not hold all, in rows of two pages or more, or of one that three nests or more are
// over: the first loop over a row waits for memory, the last one has what it reads in a cache, and time for the partial
// results.
//
// Prefetch. Where all positions are more than the second cache holds, and
//  * there is a tile, most of whose turns have one to fetch, for one operand, and writes pass the caches by; or
//  * nothing is reduced, and elements take a function, of one operand, or several, of two: a function takes so many
//    instructions that the processor begins few elements before it is done with the first. In a flat loop also only
//    where writes pass the caches by; or
//  * nothing is reduced, elements take a function, and a position reads parts of rows, as a slice has them: at the end
//    of each the processor's own fetching begins anew; or
//  * nothing is reduced, and rows are looked up in a table that the second cache does not hold; or
//  * it is a pipeline, and a quarter of the last cache does not hold all; or
//  * a position has at least three nests over the row of one operand: in all but one of them memory would wait; or
//  * the caches do not hold all, and
//     - one nest over a wide row takes functions, where rows of several operands and partial results push out of the
//       first cache what the processor itself fetches; or
//     - several nests are over a row of a page or more, at whose end the processor stops, or a wide one of several
//       operands, but no longer one than the first cache holds; or
//     - partial results are late, unless the first cache has no room for them beside the rows, and the body is small and
//       takes no function: then there is so little to do that the processor fetches ahead by itself.
//
// Chunks. By traffic: 16 chunks, but each of 32 to 256 KiB. Where chunks leave partial results at most 32 of them. Where
// the vector dimension is parallel a chunk is whole turns of the loop and whole cache lines. A pipeline, which is not full
// where a chunk begins and ends, has 32 positions at least if that leaves 16 chunks.
//
// Flat loops of an update, and of clipping, have one size of chunks and one unroll, so that parameters of all sizes
// share a kernel.
namespace {

constexpr std::int64_t enough_rows = 16;
constexpr std::int64_t smallest_chunk = 32 << 10, largest_chunk = 256 << 10, chunks_wanted = 16;
constexpr std::int64_t most_partial_chunks = 32;
constexpr std::int64_t small_traffic = 64 << 10;
constexpr std::int64_t parameter_chunk = 16384;
constexpr std::int64_t line_elements = ir::memory_alignment / sizeof(float);  // of f32, in a line of the cache
constexpr int flat_unroll = 4, reduction_unroll = 4, row_unroll = 2, pipeline_unroll = 2;
constexpr int long_unroll_registers = 4;  // of an element of a turn
constexpr std::size_t few_operands = 2;   // that the processor follows while a turn is long
constexpr std::size_t small_body = 16, large_body = 24, huge_body = 48;  // ops
constexpr std::int64_t pipeline_chunk = 32;
constexpr std::int64_t tiled_share = 8;
constexpr std::int64_t page = 4096, wide_row = 8 << 10, long_row = 32 << 10;

class Chooser {
 public:
  Chooser(const Chooser&) = delete;
  Chooser(const ir::Block& block, std::span<const ir::GraphResult> bound, const ir::Op& op, const ir::Target& target)
      : block_(block),
        bound_(bound),
        op_(op),
        l1_bytes_(target.l1_bytes()),
        l2_bytes_(target.l2_bytes()),
        l3_bytes_(target.l3_bytes()),
        facts_(block, op),
        fused_(facts_.fused),
        lanes_(target.lanes()) {}

  Schedule run() {
    Schedule plan;
    plan.lanes = lanes_;
    plan.streamed = streamed_writes(block_, bound_, op_, l3_bytes_);
    if (!choose_tile(plan)) {
      choose_dimensions(plan);
      plan.pipelined = pipelines(plan);
      plan.unroll = unroll(plan);
    }
    plan.chunk = chunk(plan);
    plan.tile_outside = plan.tile >= 0 && takes_tile_outside(plan);
    plan.split_late = splits_late(plan);
    plan.prefetch = prefetches(plan);
    return plan;
  }

 private:
  bool leaves_lanes_empty(int d) const {
    if (facts_.extent(d) < lanes_) return true;
    const std::int64_t filled = (facts_.extent(d) + lanes_ - 1) / lanes_ * lanes_;
    return contains(facts_.inner, d) && 4 * facts_.extent(d) < 3 * filled;
  }

  void choose_dimensions(Schedule& plan) const {
    const int v = facts_.contiguous_dimension();
    std::vector<int> rows;  // what may be parallel, without v
    for (int d = 0; d < fused_.rank(); ++d) {
      if (d != v && !contains(facts_.inner, d)) rows.push_back(d);
    }
    follow_reads(rows, v);
    const bool v_may_be_parallel = !contains(facts_.inner, v);
    const bool free_rows = facts_.inner.empty();

    plan.vector = v;
    plan.parallel = rows;
    if (leaves_lanes_empty(v) && !rows.empty() && facts_.extent(rows.back()) >= 4 * lanes_ &&
        (free_rows || !v_may_be_parallel)) {
      plan.vector = rows.back();
    } else if (v_may_be_parallel && !(free_rows && has_enough(rows))) {
      plan.parallel.push_back(v);
    }
    if (!free_rows) return;
    const std::vector<int> candidates(plan.parallel.rbegin(), plan.parallel.rend());
    for (const int d : candidates) {
      if (d == plan.vector || !contains(facts_.summed, d)) continue;
      std::vector<int> rest = plan.parallel;
      std::erase(rest, d);
      if (facts_.positions(rest) >= enough_rows) plan.parallel = std::move(rest);
    }
  }

  /// In the order of the largest operand's memory, which the processor then fetches ahead. Stores need no order, as
  /// long as no line of the cache belongs to two positions.
  void follow_reads(std::vector<int>& rows, int vector) const {
    if (facts_.extent(vector) < line_elements) return;
    const Access* largest = nullptr;
    std::int64_t most = 0;
    for (std::size_t i = 0; i < fused_.reads.size(); ++i) {
      if (fused_.reads[i].index >= 0 || facts_.view.operands[i].bytes() <= most) continue;
      most = facts_.view.operands[i].bytes();
      largest = &fused_.reads[i];
    }
    const auto stride = [&](int d) { return std::abs(largest->strides[static_cast<std::size_t>(d)]); };
    if (largest == nullptr || std::ranges::any_of(rows, [&](int d) { return stride(d) == 0; })) return;
    std::ranges::stable_sort(rows, std::greater{}, stride);
  }

  bool choose_tile(Schedule& plan) const {
    if (fused_.body.ops().size() > small_body) return false;
    const int v = facts_.contiguous_dimension();
    int other = -1;
    std::int64_t most = 0;
    for (int d = 0; d < fused_.rank(); ++d) {
      if (d == v || facts_.extent(d) < lanes_) continue;
      const std::int64_t bytes = facts_.bytes_along(d, v, false);
      if (bytes > most) {
        most = bytes;
        other = d;
      }
    }
    if (most * tiled_share < facts_.traffic() || facts_.extent(v) < lanes_) return false;
    plan.vector = v;
    plan.tile = other;
    const bool swap = facts_.bytes_along(other, v, true) > facts_.bytes_along(v, other, true);
    if (contains(facts_.inner, v) || (swap && !contains(facts_.inner, other))) std::swap(plan.vector, plan.tile);
    if (contains(facts_.inner, plan.vector)) {
      plan.tile = -1;
      return false;
    }
    if (facts_.traffic() > l2_bytes_ && facts_.widest_element() == sizeof(float) &&
        std::min(facts_.extent(v), facts_.extent(other)) >= line_elements)
      plan.lanes = std::max(lanes_, static_cast<int>(line_elements));
    for (int d = 0; d < fused_.rank(); ++d) {
      if (d != plan.vector && d != plan.tile && !contains(facts_.inner, d)) plan.parallel.push_back(d);
    }
    follow_reads(plan.parallel, plan.vector);
    plan.parallel.push_back(plan.vector);
    return true;
  }

  /// Whether these positions keep the threads busy, or there is nothing to keep them busy with.
  bool has_enough(const std::vector<int>& rows) const {
    return facts_.positions(rows) >= enough_rows || (!rows.empty() && facts_.traffic() <= small_traffic);
  }

  bool is_flat() const { return fused_.rank() == 1 && !facts_.reduces; }

  /// A loop over a parameter, a state or a gradient as one dimension.
  bool is_for_all_parameters() const {
    const ir::Role::Kind kind = op_.role.kind;
    return (kind == ir::Role::Kind::update && is_flat()) || (kind == ir::Role::Kind::clip && fused_.rank() == 1);
  }

  int unroll(const Schedule& plan) const {
    const std::size_t ops = fused_.body.ops().size();
    if (facts_.draws_random() && facts_.extent(plan.vector) >= ir::random_group) return ir::random_group / lanes_;
    if (is_for_all_parameters()) return flat_unroll;
    int most = facts_.reduces && !contains(plan.parallel, plan.vector) ? reduction_unroll : row_unroll;
    if (fused_.rank() == 1) most = flat_unroll;
    if (plan.pipelined) most = pipeline_unroll;
    const int longest = ir::vector_registers(lanes_) / long_unroll_registers;
    if (facts_.reduces && contains(plan.parallel, plan.vector) && has_loops(plan) && ops <= large_body)
      most = ops <= small_body ? longest : longest / 2;
    if (!facts_.reduces && ops <= small_body && facts_.functions(plan.vector) > 1)
      most = facts_.row_reads(plan.parallel, plan.vector) <= few_operands ? longest : longest / 2;
    if (is_flat()) return most;
    if (ops > huge_body) most = 1;
    if (ops > large_body) most = std::min(most, facts_.reduces && contains(plan.parallel, plan.vector) ? 1 : 2);
    const std::int64_t turns = (facts_.extent(plan.vector) + lanes_ - 1) / lanes_;
    int unroll = 1;
    while (2 * unroll <= most && 2 * unroll <= turns) unroll *= 2;
    return unroll;
  }

  /// Within a position, beside that of the vectors.
  bool has_loops(const Schedule& plan) const {
    for (int d = 0; d < fused_.rank(); ++d)
      if (d != plan.vector && !contains(plan.parallel, d) && facts_.extent(d) > 1) return true;
    return false;
  }

  /// Whether a position has loops over its row that are better one.
  bool pipelines(Schedule plan) const {
    constexpr std::ptrdiff_t enough_loops = 3, most_loops = 4;
    constexpr std::int64_t full_turns = 4;  // of the chunk, for each in which the pipeline fills, or drains
    if (facts_.inner.empty()) return false;
    plan.pipelined = true;
    plan.unroll = pipeline_unroll;
    plan.chunk = chunk(plan);
    const ir::Op planned = with(plan);
    const FusedView fused(planned);
    if (!ir::may_be_pipelined(fused)) return false;
    const ir::KernelLayout layout = ir::kernel_layout(fused);
    const std::ptrdiff_t loops =
        std::ranges::count_if(layout.nests, [](const auto& nest) { return !nest.loops.empty(); });
    if (loops < enough_loops || loops > most_loops || plan.chunk < full_turns * (loops - 1)) return false;
    if (facts_.traffic() <= held_bytes()) return layout.position_bytes <= l1_bytes_;
    return facts_.functions(plan.vector) > 0 && layout.fetch.operands.size() == 1 &&
           (!plan.streamed.empty() || layout.fetch.row_bytes <= page);
  }

  /// What the last cache holds for sure, beside what others have in it.
  std::int64_t held_bytes() const { return l3_bytes_ / 4; }

  bool takes_tile_outside(const Schedule& plan) const {
    const ir::Op planned = with(plan);
    return ir::tile_may_be_outside(FusedView(planned)) && (!plan.streamed.empty() || writes_apart(plan));
  }

  /// Whether the pieces that vectors store at a tile's positions are so far apart that few of them fit the first cache.
  bool writes_apart(const Schedule& plan) const {
    constexpr std::int64_t far = 1024;  // bytes
    const auto stride = [&](const Access& access, int d) { return access.strides[static_cast<std::size_t>(d)]; };
    for (std::size_t i = 0; i < fused_.writes.size(); ++i) {
      const std::int64_t element = ir::size_of(facts_.view.results[fused_.result_of(i)].dtype);
      if (stride(fused_.writes[i], plan.vector) == 1 && element * std::abs(stride(fused_.writes[i], plan.tile)) >= far)
        return true;
    }
    return false;
  }

  /// Whether a wide row has split reductions that can wait for its last loop.
  bool splits_late(Schedule plan) const {
    if (plan.pipelined || !leaves_partial_results(plan) || facts_.traffic() <= l3_bytes_) return false;
    const ir::Op early = with(plan);
    plan.split_late = true;
    const ir::Op late = with(plan);
    const ir::KernelLayout first = ir::kernel_layout(FusedView(early)), last = ir::kernel_layout(FusedView(late));
    return last.nests != first.nests && first.fetch.row_bytes >= (first.fetch.row_nests > 2 ? page : wide_row);
  }

  ir::Op with(const Schedule& plan) const {
    ir::Op planned = op_;
    for (ir::Attr& attr : planned.attrs)
      if (auto* schedule = std::get_if<Schedule>(&attr)) *schedule = plan;
    return planned;
  }

  /// Whether to fetch ahead pays.
  bool prefetches(const Schedule& plan) const {
    if (facts_.traffic() <= l2_bytes_) return false;
    const ir::Op planned = with(plan);
    const ir::KernelLayout layout = ir::kernel_layout(FusedView(planned));
    const ir::KernelFetch& fetch = layout.fetch;
    const std::size_t operands = fetch.operands.size();
    if (operands == 0) return false;
    if (plan.pipelined) return facts_.traffic() > held_bytes();
    if (plan.tile >= 0) return operands == 1 && !plan.streamed.empty() && facts_.extent(plan.tile) > 2 * fetch.step;
    const std::ptrdiff_t functions = facts_.functions(plan.vector);
    const bool waits = functions > 0 && operands <= (functions > 1 ? few_operands : 1);
    if (contains(plan.parallel, plan.vector)) return waits && !plan.streamed.empty();
    if (operands == 1 && fetch.row_nests > 2) return true;
    if (fetch.row_nests == 1 && !facts_.reduces &&
        (waits || looks_up_rows(fetch) || (functions > 0 && has_rows_apart(plan, fetch))))
      return true;
    if (facts_.traffic() <= l3_bytes_) return false;
    if (fetch.row_nests == 1) return fetch.row_bytes >= wide_row && functions > 0;
    if (plan.split_late)
      return functions > 0 || fused_.body.ops().size() > large_body || layout.position_bytes <= l1_bytes_;
    return fetch.row_bytes >= (operands == 1 ? page : wide_row) && fetch.row_bytes <= long_row;
  }

  /// In a table that the second cache does not hold.
  bool looks_up_rows(const ir::KernelFetch& fetch) const {
    return std::ranges::any_of(fetch.operands, [&](int operand) {
      const auto r = static_cast<std::size_t>(operand);
      return fused_.reads[r].index >= 0 && facts_.view.operands[r].bytes() > l2_bytes_;
    });
  }

  /// Whether what a position reads of an operand does not begin where that of the position before it ends.
  bool has_rows_apart(const Schedule& plan, const ir::KernelFetch& fetch) const {
    return std::ranges::any_of(fetch.operands, [&](int operand) {
      if (fused_.reads[static_cast<std::size_t>(operand)].index >= 0) return false;
      const std::vector<std::int64_t>& strides = fused_.reads[static_cast<std::size_t>(operand)].strides;
      std::int64_t row = 1;
      for (int d = 0; d < fused_.rank(); ++d)
        if (!contains(plan.parallel, d) && strides[static_cast<std::size_t>(d)] != 0) row *= facts_.extent(d);
      return strides[static_cast<std::size_t>(fetch.along)] != row;
    });
  }

  bool leaves_partial_results(const Schedule& plan) const {
    return std::ranges::any_of(facts_.summed, [&](int d) { return contains(plan.parallel, d); });
  }

  std::int64_t chunk(const Schedule& plan) const {
    if (is_for_all_parameters()) return parameter_chunk;
    const std::int64_t bytes = facts_.traffic();
    const std::int64_t chunk_bytes = std::clamp(bytes / chunks_wanted, smallest_chunk, largest_chunk);
    std::int64_t chunks = std::max<std::int64_t>(1, (bytes + chunk_bytes - 1) / chunk_bytes);
    if (leaves_partial_results(plan)) chunks = std::clamp<std::int64_t>(bytes / smallest_chunk, 1, most_partial_chunks);
    std::int64_t size = (facts_.positions(plan.parallel) + chunks - 1) / chunks;
    if (contains(plan.parallel, plan.vector)) {
      const std::int64_t granule = std::max<std::int64_t>(ir::chunk_granule, std::int64_t{plan.lanes} * plan.unroll);
      size = (size + granule - 1) / granule * granule;
    }
    if (plan.pipelined)
      size = std::max(size, std::min(pipeline_chunk, facts_.positions(plan.parallel) / chunks_wanted));
    return size;
  }

  const ir::Block& block_;
  std::span<const ir::GraphResult> bound_;
  const ir::Op& op_;
  std::int64_t l1_bytes_, l2_bytes_, l3_bytes_;
  KernelFacts facts_;
  const FusedView& fused_;
  int lanes_;
};

/// The fused ops of a block, and of the regions within it; `bound` is what the block's results are, none in a region.
void schedule_block(ir::Block& block, std::span<const ir::GraphResult> bound, const ir::Target& target) {
  for (ir::Op& op : block.ops()) {
    if (!ir::is_fused(op)) {
      for (ir::Block& region : op.regions) schedule_block(region, {}, target);
      continue;
    }
    const FusedView fused(op);
    if (fused.schedule.chosen() || fused.domain.empty()) continue;
    Schedule chosen = Chooser(block, bound, op, target).run();
    for (ir::Attr& attr : op.attrs) {
      if (auto* plan = std::get_if<Schedule>(&attr)) *plan = std::move(chosen);
    }
  }
}

}  // namespace

ir::Status schedule(ir::Module& module, PassContext& context) {
  NNC_CHECK(context.target != nullptr, "schedules are chosen for a target, and there is none");
  for (ir::Graph& rule : module.rules) schedule_block(rule.body, rule.results, *context.target);
  for (ir::Graph& graph : module.graphs) schedule_block(graph.body, graph.results, *context.target);
  return ir::Status::ok;
}

}  // namespace nnc::passes
