#include "ir/kernel_layout.h"

#include "ir/alignment.h"
#include "ir/check.h"
#include "ir/kernel_fetch.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace nnc::ir {
namespace {

/// Values are kept rather than computed again while a thread's rows stay within this: a part of a core's L2 cache.
constexpr std::int64_t row_limit = std::int64_t{128} * 1024;

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// What takes longer than reading it back.
bool is_expensive(const ScalarProgram& program) {
  constexpr int reading_back = 6;
  return std::ranges::any_of(program.instrs, [](const ScalarInstr& instr) { return work_of(instr.op) > reading_back; });
}

// 1. Find for each value its stage, and the dimensions along which it moves.
// 2. Give each reduction, split reduction and result that something needs a nest, and order the nests.
// 3. Decide, from the last value to the first, which ones are kept in row buffers.
// 4. Note what each nest needs, and lay out rows and partial results.
class Planner {
 public:
  explicit Planner(const FusedView& fused) : fused_(fused) {
    const Schedule& schedule = fused.schedule;
    NNC_CHECK(schedule.chosen(), "a fused op without a schedule has no kernel");
    if (schedule.vector >= 0 && schedule.lanes > 1 && extent(schedule.vector) > 1) {
      layout_.vector = schedule.vector;
      layout_.lanes = schedule.lanes;
      layout_.vector_is_parallel = fused.is_parallel(schedule.vector);
      if (schedule.tile >= 0 && extent(schedule.tile) > 1) layout_.tile = schedule.tile;
    }
    for (int d = 0; d < fused.rank(); ++d)
      if (!fused.is_parallel(d) && extent(d) > 1) layout_.inner |= bit(d);
  }

  KernelLayout run() {
    find_stages();
    find_live();
    place_reductions();
    place_results();
    order();
    if (fused_.schedule.split_late) defer_splits();
    if (overwrites_early()) {
      for (KernelNest& nest : layout_.nests) nest.writes.clear();
      drop_empty_nests();
      last_stage_ = true;
      place_results();
      order();
      if (fused_.schedule.split_late) defer_splits();
    }
    if (fused_.schedule.pipelined) choose_lags();
    choose_rows();
    note_needs();
    lay_out();
    plan_fetch(fused_, layout_);
    return std::move(layout_);
  }

 private:
  std::int64_t extent(int d) const { return fused_.domain[static_cast<std::size_t>(d)]; }
  const Block& body() const { return fused_.body; }

  DimensionSet frame(ValueId value) const {
    DimensionSet set = 0;
    for (int d = 0; d < fused_.rank(); ++d)
      if (fused_.varies(value, d)) set |= bit(d);
    return set;
  }
  DimensionSet inner(ValueId value) const { return frame(value) & layout_.inner; }

  static bool is_reduction(const Op* op) { return op != nullptr && op->def->as<Reduction>() != nullptr; }

  bool is_split(const Op& op) const {
    const std::vector<int> reduced = reduced_dimensions(fused_, op);
    return is_reduction(&op) && std::ranges::any_of(reduced, [&](int d) { return fused_.is_parallel(d); });
  }

  void find_stages() {
    const auto values = static_cast<std::size_t>(body().value_count());
    layout_.stage.assign(values, 0);
    layout_.moves.assign(values, 0);
    expensive_.assign(values, false);
    known_.assign(values, 0);
    for (std::size_t p = 0; p < body().params().size(); ++p) layout_.moves[at(body().params()[p])] = read_moves(p);
    for (const Op& op : body().ops()) {
      int known = 0;
      DimensionSet moves = 0;
      for (const ValueId operand : op.operands) {
        known = std::max(known, known_[at(operand)]);
        moves |= layout_.moves[at(operand)];
      }
      bool expensive = false;
      if (op.def->as<Elementwise>() != nullptr) {
        const ScalarProgram program = scalar_program(view(body(), op));
        expensive = is_expensive(program);
        const int missing = fused_.rank() - body().type(op.results[0]).rank();
        for (const ScalarInstr& instr : program.instrs)
          if (instr.op == ScalarOp::coordinate) moves |= bit(instr.index + missing) & frame(op.results[0]);
      }
      for (const ValueId result : op.results) {
        layout_.stage[at(result)] = known;
        known_[at(result)] = known + (is_reduction(&op) ? 1 : 0);
        layout_.moves[at(result)] = is_reduction(&op) ? frame(result) : moves;
        expensive_[at(result)] = expensive;
      }
    }
  }

  DimensionSet read_moves(std::size_t p) const {
    const Access& access = fused_.reads[p];
    DimensionSet moves = access.index >= 0 ? read_moves(static_cast<std::size_t>(access.index)) : 0;
    for (int d = 0; d < fused_.rank(); ++d) {
      const auto i = static_cast<std::size_t>(d);
      if (extent(d) > 1 && (access.strides[i] != 0 || access.is_bounded(i))) moves |= bit(d);
    }
    return moves;
  }

  void find_live() {
    live_.assign(static_cast<std::size_t>(body().value_count()), false);
    for (const ValueId result : body().results) live_[at(result)] = true;
    for (std::size_t i = body().ops().size(); i-- > 0;) {
      const Op& op = body().ops()[i];
      if (std::ranges::any_of(op.results, [&](ValueId v) { return live_[at(v)]; }))
        for (const ValueId operand : op.operands) live_[at(operand)] = true;
    }
  }

  /// The loops over `all`, those over `kept` outside; the vector dimension innermost among its kind.
  std::vector<int> loops(DimensionSet all, DimensionSet kept) const {
    std::vector<int> order;
    for (int d = 0; d < fused_.rank(); ++d)
      if (has(all, d)) order.push_back(d);
    std::ranges::stable_sort(order, {}, [&](int d) { return std::pair(!has(kept, d), d == layout_.vector); });
    return order;
  }

  /// The nest of that stage over those dimensions; one with reductions only if they keep `kept`.
  KernelNest& nest(int stage, DimensionSet all, std::optional<DimensionSet> kept) {
    for (std::size_t i = 0; i < layout_.nests.size(); ++i)
      if (layout_.nests[i].stage == stage && dimensions_[i] == all && (!kept || kept_[i] == *kept))
        return layout_.nests[i];
    KernelNest& made = layout_.nests.emplace_back();
    made.stage = stage;
    made.loops = loops(all, kept.value_or(all));
    made.kept = std::popcount(kept.value_or(all));
    dimensions_.push_back(all);
    kept_.push_back(kept.value_or(all));
    return made;
  }

  void place_reductions() {
    const std::vector<Op>& ops = body().ops();
    for (std::size_t i = 0; i < ops.size(); ++i) {
      const Op& op = ops[i];
      if (!is_reduction(&op) || is_split(op)) continue;
      if (std::ranges::none_of(op.results, [&](ValueId v) { return live_[at(v)]; })) continue;
      nest(known_[at(op.operands[0])], inner(op.operands[0]), inner(op.results[0]))
          .reductions.push_back(static_cast<int>(i));
    }
    for (std::size_t i = 0; i < ops.size(); ++i) {
      const Op& op = ops[i];
      if (!is_reduction(&op) || !is_split(op)) continue;
      if (std::ranges::none_of(op.results, [&](ValueId v) { return live_[at(v)]; })) continue;
      nest(known_[at(op.operands[0])], inner(op.operands[0]), std::nullopt)
          .splits.push_back(static_cast<int>(layout_.splits.size()));
      layout_.splits.push_back({.op = static_cast<int>(i), .array = {}, .lanes_apart = false, .offsets = {}});
    }
  }

  /// To the last nest over the same dimensions that needs nothing more for it than what is cheap to compute again.
  void defer_splits() {
    for (std::size_t n = 0; n < layout_.nests.size(); ++n)
      std::erase_if(layout_.nests[n].splits, [&](int split) {
        for (std::size_t later = layout_.nests.size(); later-- > n + 1;) {
          if (dimensions_[later] != dimensions_[n]) continue;
          const std::vector<bool> before = needs(later);
          layout_.nests[later].splits.push_back(split);
          const std::vector<bool> after = needs(later);
          if (!takes_more(before, after)) return true;
          layout_.nests[later].splits.pop_back();
        }
        return false;
      });
    drop_empty_nests();
  }

  /// Whether operands are needed that were not, or what takes long for each element.
  bool takes_more(const std::vector<bool>& before, const std::vector<bool>& after) const {
    for (int v = 0; v < body().value_count(); ++v) {
      const ValueId value{v};
      if (!after[at(value)] || before[at(value)]) continue;
      const bool in_loops = (layout_.moves[at(value)] & layout_.inner) != 0;
      if (in_loops && (body().definer(value) == nullptr || expensive_[at(value)])) return true;
    }
    return false;
  }

  /// Those without anything to do.
  void drop_empty_nests() {
    std::erase_if(layout_.nests, [](const KernelNest& nest) {
      return nest.reductions.empty() && nest.splits.empty() && nest.writes.empty();
    });
    order();
  }

  bool is_written_here(ValueId result) const {
    const Op* op = body().definer(result);
    return !is_reduction(op) || !is_split(*op);
  }

  void place_results() {
    const int last = 1 + std::ranges::max(known_);
    for (std::size_t r = 0; r < body().results.size(); ++r) {
      const ValueId result = body().results[r];
      if (is_written_here(result))
        nest(last_stage_ ? last : known_[at(result)], inner(result), std::nullopt)
            .writes.push_back(static_cast<int>(r));
    }
  }

  /// By stage; then nests with reductions, then those over more dimensions: what may lie over an operand is written
  /// after every other nest of its stage that reads the operand.
  void order() {
    std::ranges::stable_sort(layout_.nests, {}, [](const KernelNest& nest) {
      return std::tuple(nest.stage, nest.reductions.empty(), -static_cast<int>(nest.loops.size()));
    });
    dimensions_.clear();
    kept_.clear();
    for (const KernelNest& nest : layout_.nests) {
      DimensionSet all = 0, kept = 0;
      for (std::size_t i = 0; i < nest.loops.size(); ++i) {
        all |= bit(nest.loops[i]);
        if (static_cast<int>(i) < nest.kept) kept |= bit(nest.loops[i]);
      }
      dimensions_.push_back(all);
      kept_.push_back(kept);
    }
  }

  /// The values that a nest needs. Reductions are complete by then; so are values that an earlier nest keeps.
  std::vector<bool> needs(std::size_t n) const {
    std::vector<bool> needed(static_cast<std::size_t>(body().value_count()), false);
    const KernelNest& nest = layout_.nests[n];
    const auto need_operands = [&](const Op& op) {
      for (const ValueId operand : op.operands) needed[at(operand)] = true;
    };
    for (const int op : nest.reductions) need_operands(body().ops()[static_cast<std::size_t>(op)]);
    for (const int split : nest.splits)
      need_operands(body().ops()[static_cast<std::size_t>(layout_.splits[static_cast<std::size_t>(split)].op)]);
    for (const int write : nest.writes) needed[at(body().results[static_cast<std::size_t>(write)])] = true;
    for (std::size_t i = body().ops().size(); i-- > 0;) {
      const Op& op = body().ops()[i];
      if (is_reduction(&op) || !needed[at(op.results[0])]) continue;
      const auto keeper = keepers_.find(op.results[0]);
      if (keeper == keepers_.end() || keeper->second >= n) need_operands(op);
    }
    // The index of a gathered read is read with it.
    for (std::size_t p = body().params().size(); p-- > 0;)
      if (needed[at(body().params()[p])] && fused_.reads[p].index >= 0)
        needed[at(body().params()[static_cast<std::size_t>(fused_.reads[p].index)])] = true;
    return needed;
  }

  /// Whether a result that may lie over an operand is written before the last nest that reads the operand.
  bool overwrites_early() const {
    std::vector<std::vector<bool>> needed;
    for (std::size_t n = 0; n < layout_.nests.size(); ++n) needed.push_back(needs(n));
    for (std::size_t n = 0; n < layout_.nests.size(); ++n)
      for (const int write : layout_.nests[n].writes)
        for (std::size_t p = 0; p < fused_.reads.size(); ++p) {
          if (!same_place(fused_, p, static_cast<std::size_t>(write))) continue;
          for (std::size_t later = n + 1; later < needed.size(); ++later)
            if (needed[later][at(body().params()[p])]) return true;
        }
    return false;
  }

  KernelArray row_array(ValueId value, DimensionSet dimensions) const {
    const bool blocks = layout_.vector_is_parallel && has(layout_.moves[at(value)], layout_.vector);
    const std::int64_t element = blocks ? std::int64_t{layout_.lanes} * fused_.schedule.unroll : 1;
    return array(loops(dimensions, dimensions), element);
  }
  KernelArray array(std::vector<int> dimensions, std::int64_t element) const {
    KernelArray made{.dimensions = std::move(dimensions), .strides = {}, .elements = element};
    for (std::size_t i = made.dimensions.size(); i-- > 0;) {
      made.strides.insert(made.strides.begin(), made.elements);
      made.elements *= extent(made.dimensions[i]);
      if (element == 1 && i + 1 == made.dimensions.size())
        made.elements = (made.elements + layout_.lanes - 1) / layout_.lanes * layout_.lanes;
    }
    return made;
  }
  std::int64_t bytes(const KernelArray& array, ValueId value) const {
    return aligned(array.elements * size_of(body().type(value).dtype));
  }

  /// A nest is behind all loops over the row that an earlier stage has.
  void choose_lags() {
    for (KernelNest& nest : layout_.nests)
      nest.lag = static_cast<int>(std::ranges::count_if(
          layout_.nests, [&](const KernelNest& other) { return !other.loops.empty() && other.stage < nest.stage; }));
  }

  /// A value is kept where several nests need it, and the first of them runs over exactly its dimensions.
  void choose_rows() {
    layout_.rows.resize(static_cast<std::size_t>(body().value_count()));
    for (const KernelNest& nest : layout_.nests)
      for (const int op : nest.reductions)
        for (const ValueId result : body().ops()[static_cast<std::size_t>(op)].results)
          if (live_[at(result)] && inner(result) != 0) keep(result, row_array(result, inner(result)), 1);
    for (int v = body().value_count(); v-- > 0;) {
      const ValueId value{v};
      if (!expensive_[at(value)] || !live_[at(value)]) continue;
      std::optional<std::size_t> first;
      bool several = false;
      std::int64_t slots = 1;
      for (std::size_t n = 0; n < layout_.nests.size(); ++n) {
        if (!needs(n)[at(value)]) continue;
        several = first.has_value();
        if (!first) first = n;
        slots = std::max<std::int64_t>(slots, layout_.nests[n].lag - layout_.nests[*first].lag);
        if (several && !fused_.schedule.pipelined) break;
      }
      const DimensionSet moves = layout_.moves[at(value)] & layout_.inner;
      if (!several || moves == 0 || moves != dimensions_[*first]) continue;
      const KernelArray array = row_array(value, moves);
      if (layout_.scratch.row_bytes + slots * bytes(array, value) > row_limit) continue;
      keep(value, array, slots);
      keepers_[value] = *first;
      layout_.nests[*first].buffered.push_back(value);
    }
  }

  void keep(ValueId value, const KernelArray& array, std::int64_t slots) {
    layout_.rows[at(value)] = RowBuffer{array, layout_.scratch.row_bytes, slots, bytes(array, value)};
    layout_.scratch.row_bytes += slots * bytes(array, value);
  }

  void note_needs() {
    for (std::size_t n = 0; n < layout_.nests.size(); ++n) {
      const std::vector<bool> needed = needs(n);
      const auto note = [&](ValueId value) {
        if (needed[at(value)]) layout_.nests[n].needed.push_back(value);
      };
      // An index is read before what it indexes.
      for (std::size_t p = 0; p < fused_.reads.size(); ++p)
        if (fused_.reads[p].index < 0) note(body().params()[p]);
      for (std::size_t p = 0; p < fused_.reads.size(); ++p)
        if (fused_.reads[p].index >= 0) note(body().params()[p]);
      for (const Op& op : body().ops())
        for (const ValueId result : op.results) note(result);
    }
  }

  void lay_out() {
    for (SplitReduction& split : layout_.splits) {
      const Op& op = body().ops()[static_cast<std::size_t>(split.op)];
      const DimensionSet kept = frame(op.results[0]);
      split.array = array(loops(kept, kept), 1);
      split.lanes_apart =
          layout_.vector >= 0 && has(frame(op.operands[0]), layout_.vector) && !has(kept, layout_.vector);
      const bool in_registers = kept == 0;
      const std::int64_t element = split.lanes_apart && !in_registers ? layout_.lanes : 1;
      const ReductionPrograms programs =
          reduction_programs(*op.def->as<Reduction>(), body().type(op.operands[0]).dtype);
      for (const DType dtype : programs.accumulators) {
        split.offsets.push_back(layout_.scratch.partial_bytes);
        layout_.scratch.partial_bytes += aligned(split.array.elements * element * size_of(dtype));
      }
    }
  }

  FusedView fused_;
  KernelLayout layout_;
  std::vector<int> known_;  // the first stage in which a value may be used
  std::vector<bool> expensive_, live_;
  std::vector<DimensionSet> dimensions_, kept_;  // of each nest
  std::map<ValueId, std::size_t> keepers_;       // the nests that fill row buffers of elementwise values
  bool last_stage_ = false;                      // results are written in nests after all others
};

}  // namespace

bool lies_along_tile(const KernelLayout& layout, const Access& access) {
  if (layout.tile < 0 || access.index >= 0 || access.is_bounded()) return false;
  const std::int64_t lanes = access.strides[static_cast<std::size_t>(layout.vector)];
  return access.strides[static_cast<std::size_t>(layout.tile)] == 1 && lanes != 0 && lanes != 1;
}

KernelLayout kernel_layout(const FusedView& fused) { return Planner(fused).run(); }

bool fits_any_extent(const FusedView& fused) {
  if (fused.schedule.parallel.empty()) return false;
  const int outer = fused.schedule.parallel.front();
  for (const Op& op : fused.body.ops()) {
    const ValueId result = op.results[0];
    // The formula of a position has the extents of all dimensions but the first.
    const auto is_first = [&](ValueId value) {
      for (int d = 0; d < outer; ++d)
        if (fused.varies(value, d)) return false;
      return true;
    };
    if (op.def->as<Elementwise>() != nullptr && fused.varies(result, outer) && !is_first(result) &&
        uses_coordinates(view(fused.body, op)))
      return false;
    if (const auto* reduction = op.def->as<Reduction>()) {
      const std::vector<int> reduced = reduced_dimensions(fused, op);
      const bool splits = std::ranges::any_of(reduced, [&](int d) { return fused.is_parallel(d); });
      if (splits && fused.varies(result, outer)) return false;
      if (std::ranges::find(reduced, outer) == reduced.end()) continue;
      const ReductionPrograms programs = reduction_programs(*reduction, fused.body.type(op.operands[0]).dtype);
      if (programs.uses_count()) return false;
      if (reduced.front() != outer && programs.uses_index()) return false;
    }
  }
  return true;
}

}  // namespace nnc::ir
