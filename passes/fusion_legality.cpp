#include "passes/fusion_legality.h"

#include "ir/fused.h"
#include "ir/op.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::passes {

namespace {

/// A row is this long at most where it is not contiguous in memory.
constexpr std::int64_t longest_scattered_row = 4096;
/// Fewer rows than this are no parallel loop; such a kernel is allowed while its rows are short.
constexpr std::int64_t fewest_rows = 8, longest_lone_row = 8192;
/// A value of the inner dimensions alone is computed again for each row: no more than so many instructions an element,
/// once the domain is so large that this costs more than a kernel of its own.
constexpr std::int64_t most_repeated_work = 4, free_repetition = 65536;

class Legality {
 public:
  Legality(const FusionBlock& block, const FusionGroup& group, const std::vector<int>& order)
      : block_(block), group_(group), order_(order) {
    for (const FusionSource& source : group.sources) all_ |= source.varies;
    for (const FusionMember& member : group.members) {
      if (is_used(member)) inner_ |= member.removed;
    }
    parallel_ = all_ & ~inner_;
  }

  std::string run() const {
    for (const auto check : {&Legality::buffers, &Legality::one_shape, &Legality::rows_are_whole,
                             &Legality::results_are_complete, &Legality::rows_fit, &Legality::little_is_repeated}) {
      if (std::string reason = (this->*check)(); !reason.empty()) return reason;
    }
    return "";
  }

 private:
  bool is_used(const FusionMember& reduction) const {
    if (block_.op(reduction.op).kind != FusionKind::reduction) return false;
    return std::ranges::any_of(group_.members, [&](const FusionMember& user) {
      return std::ranges::find_first_of(user.operands, reduction.results) != user.operands.end();
    });
  }

  std::string buffers() const {
    std::size_t count = 0;
    for (std::size_t r = 0; r < group_.results.size(); ++r)
      count += r == 0 || group_.results[r].value != group_.results[r - 1].value ? 1 : 0;
    for (const FusionSource& source : group_.sources) count += source.kind == FusionSource::Kind::read ? 1 : 0;
    if (count <= ir::max_kernel_buffers) return "";
    return fmt::format("{} operands and results are more than a kernel takes", count);
  }

  std::string one_shape() const {
    const auto whole = [&](const FusionSource& source) { return source.varies == all_; };
    return std::ranges::any_of(group_.sources, whole) ? "" : "no value has all of their dimensions";
  }

  /// What a reduction keeps stays: else its result would belong to several parallel positions.
  std::string rows_are_whole() const {
    for (const FusionMember& member : group_.members) {
      if (is_used(member) && (group_.source(member.results[0]).varies & inner_) != 0) {
        return "reductions over different dimensions are both used again";
      }
    }
    return "";
  }

  std::string results_are_complete() const {
    for (const FusionResult& result : group_.results) {
      const AtomSet missing = parallel_ & ~group_.source(result.source).varies;
      const auto removes = [&](const FusionMember& member) {
        return std::ranges::find(member.results, result.source) != member.results.end() &&
               (missing & ~member.removed) == 0;
      };
      if (missing != 0 && std::ranges::none_of(group_.members, removes)) {
        return "a result would be written at several parallel positions";
      }
    }
    return "";
  }

  std::string rows_fit() const {
    const std::int64_t row = group_.positions(inner_), rows = group_.positions(parallel_);
    const auto is_parallel = [&](int atom) { return (inner_ >> atom & 1) == 0; };
    const bool contiguous = std::ranges::is_partitioned(order_, is_parallel);
    if (!contiguous && row > longest_scattered_row) {
      return "a reduction over outer dimensions is used again, and is complete only when the kernel ends";
    }
    if (inner_ != 0 && rows < fewest_rows && row > longest_lone_row) {
      return "a reduction is used again that leaves too little to run in parallel";
    }
    return "";
  }

  std::string little_is_repeated() const {
    if (group_.positions(all_) <= free_repetition) return "";
    std::int64_t work = 0;
    for (const FusionMember& member : group_.members) {
      const FusionSource& made = group_.source(member.results[0]);
      if (block_.op(member.op).kind != FusionKind::elementwise || !is_repeated(made.varies)) continue;
      const ir::OpView view = ir::view(block_.block(), block_.ir_op(member.op));
      work += ir::flops(view) / view.results[0].elements();
    }
    return work <= most_repeated_work ? "" : "too much would be computed again for each row";
  }

  /// Whether a value lacks a dimension outside of one that it has.
  bool is_repeated(AtomSet varies) const {
    bool lacks = false;
    for (const int atom : order_) {
      if ((varies >> atom & 1) == 0) {
        lacks = true;
      } else if (lacks) {
        return true;
      }
    }
    return false;
  }

  const FusionBlock& block_;
  const FusionGroup& group_;
  const std::vector<int>& order_;
  AtomSet all_ = 0, inner_ = 0, parallel_ = 0;
};

}  // namespace

std::string refuse_fusion(const FusionBlock& block, const FusionGroup& group, const std::vector<int>& order) {
  return Legality(block, group, order).run();
}

}  // namespace nnc::passes
