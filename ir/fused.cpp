#include "ir/fused.h"

#include "ir/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace nnc::ir {
namespace {

constexpr std::string_view domain_attr = "domain", reads_attr = "reads", writes_attr = "writes", into_attr = "into",
                           schedule_attr = "schedule", results_attr = "results";

const Attr& attr_of(const OpDef& def, std::span<const Attr> attrs, std::string_view wanted) {
  for (std::size_t i = 0; i < def.attrs.size(); ++i)
    if (def.attrs[i].name == wanted) return attrs[i];
  internal_error(__FILE__, __LINE__, fmt::format("{} has no attribute {}", *def.name, wanted));
}

std::string dimension_name(int dimension) { return std::string(1, static_cast<char>('i' + dimension)); }

/// Aligned with the domain's last dimension, each extent is 1 or the domain's.
bool fits_frame(const Type& type, const Shape& domain) {
  if (type.shape.size() > domain.size()) return false;
  const std::size_t missing = domain.size() - type.shape.size();
  for (std::size_t d = 0; d < type.shape.size(); ++d)
    if (type.shape[d] != 1 && type.shape[d] != domain[missing + d]) return false;
  return true;
}

using Wide = __int128;

/// The checks of check_fused; each gives what is wrong, or nothing.
class Checker {
 public:
  explicit Checker(const OpView& op) : op_(op), fused_(op) {}

  std::string run() const {
    if (fused_.rank() > max_domain_rank) return fmt::format("a domain has at most {} dimensions", max_domain_rank);
    for (const auto check : {&Checker::counts, &Checker::body, &Checker::reads, &Checker::writes, &Checker::schedule})
      if (std::string fault = (this->*check)(); !fault.empty()) return fault;
    return "";
  }

 private:
  std::string counts() const {
    const std::size_t operands = op_.operands.size(), params = fused_.body.params().size();
    if (fused_.reads.size() != operands || params != operands)
      return fmt::format("{} operands, {} `reads` and {} parameters of the region do not go together", operands,
                         fused_.reads.size(), params);
    const std::size_t values = fused_.body.results.size();
    if (fused_.writes.size() != values || (fused_.into.empty() && fused_.results.size() != values))
      return fmt::format("{} results, {} `writes` and {} values that the region yields do not go together",
                         fused_.results.size(), fused_.writes.size(), values);
    if (std::string fault = parts(); !fault.empty()) return fault;
    for (const auto* accesses : {&fused_.reads, &fused_.writes})
      for (const Access& access : *accesses)
        if (access.strides.size() != fused_.domain.size() ||
            (!access.bounds.empty() && access.bounds.size() != fused_.domain.size()))
          return fmt::format("an access names dimensions that a domain of {} has not", fused_.domain.size());
    return "";
  }

  /// `into` names each result, in ascending order, and more than one part of some.
  std::string parts() const {
    if (fused_.into.empty()) return "";
    std::int64_t last = -1;
    for (const std::int64_t result : fused_.into) {
      if (result < 0 || (result != last && result != last + 1))
        return "`into` does not name the results in their order";
      last = result;
    }
    if (fused_.into.size() != fused_.writes.size() || last + 1 != std::ssize(fused_.results))
      return fmt::format("`into` names {} results for {} writes, found {} results for {}", last + 1, fused_.into.size(),
                         fused_.results.size(), fused_.writes.size());
    return last + 1 == std::ssize(fused_.into) ? "`into` is for results of several parts" : "";
  }

  std::string body() const {
    for (const Op& op : fused_.body.ops()) {
      if (op.def == nullptr) return "the region has an op without a record";
      const bool computes = op.def->as<Elementwise>() || op.def->as<Reduction>();
      const bool number =
          op.def->as<Whole>() && op.operands.empty() && op.regions.empty() &&
          std::ranges::all_of(op.results, [&](ValueId v) { return fused_.body.type(v).elements() == 1; });
      if (!computes && !number) return fmt::format("{} cannot stand in a fused op", *op.def->name);
      if (op.def->as<Reduction>())
        for (const ValueId result : op.results)
          if (fused_.body.type(result).rank() != fused_.body.type(op.operands[0]).rank())
            return fmt::format("{} in a fused op has to keep its dimensions", *op.def->name);
    }
    for (int value = 0; value < fused_.body.value_count(); ++value)
      if (const Type& type = fused_.body.type({value}); !fits_frame(type, fused_.domain))
        return fmt::format("{} does not fit the domain {}", to_string(type), to_string(fused_.domain));
    return "";
  }

  /// Whether the access moves along the dimensions its value varies along, and no others.
  std::string strides_fit(const Access& access, ValueId value, const std::string& what) const {
    for (int d = 0; d < fused_.rank(); ++d) {
      const auto at = static_cast<std::size_t>(d);
      const bool bounded = access.is_bounded(at);
      if (!fused_.varies(value, d) && (access.strides[at] != 0 || bounded))
        return fmt::format("{} moves along {}, along which its value does not vary", what, dimension_name(d));
      if (bounded && (access.bounds[at].first < 0 || access.bounds[at].second > fused_.domain[at] ||
                      access.bounds[at].first >= access.bounds[at].second))
        return fmt::format("{} has bounds outside of {}", what, dimension_name(d));
    }
    return "";
  }

  /// First and last position that the access reaches within the bounds; what text says may be beyond 64 bits.
  std::pair<Wide, Wide> reach(const Access& access) const {
    Wide low = access.offset, high = access.offset;
    for (std::size_t d = 0; d < fused_.domain.size(); ++d) {
      const bool bounded = access.is_bounded(d);
      const std::int64_t first = bounded ? access.bounds[d].first : 0;
      const std::int64_t last = (bounded ? access.bounds[d].second : fused_.domain[d]) - 1;
      const Wide stride = access.strides[d];
      low += std::min(stride * first, stride * last);
      high += std::max(stride * first, stride * last);
    }
    if (access.index >= 0) high += Wide{access.index_extent - 1} * access.index_stride;
    return {low, high};
  }

  std::string reads() const {
    for (std::size_t i = 0; i < fused_.reads.size(); ++i) {
      const Access& access = fused_.reads[i];
      const ValueId param = fused_.body.params()[i];
      const std::string what = fmt::format("read {}", i);
      if (fused_.body.type(param).dtype != op_.operands[i].dtype)
        return fmt::format("parameter {} of the region is {}, operand {} is {}", i, to_string(fused_.body.type(param)),
                           i, to_string(op_.operands[i]));
      if (std::string fault = strides_fit(access, param, what); !fault.empty()) return fault;
      if (std::string fault = index_fits(access, param, what); !fault.empty()) return fault;
      if (const auto [low, high] = reach(access); low < 0 || high >= op_.operands[i].elements())
        return fmt::format("{} reaches from {} to {}, outside of {}", what, low, high, to_string(op_.operands[i]));
    }
    return "";
  }

  std::string index_fits(const Access& access, ValueId param, const std::string& what) const {
    if (access.index < 0) return "";
    const auto index = static_cast<std::size_t>(access.index);
    if (index >= fused_.reads.size() || fused_.reads[index].index >= 0 || !is_integer(op_.operands[index].dtype))
      return fmt::format("{} has an index that is no operand of integers read without an index", what);
    if (access.index_stride < 1 || access.index_extent < 1)
      return fmt::format("{} has an index without positions", what);
    for (int d = 0; d < fused_.rank(); ++d)
      if (fused_.varies(fused_.body.params()[index], d) && !fused_.varies(param, d))
        return fmt::format("{} has an index that varies along {}, and its value does not", what, dimension_name(d));
    return "";
  }

  /// The elements of a result that a write reaches: `length` next to each other from `begin` on in each of its blocks of
  /// `period`.
  struct Runs {
    std::int64_t begin, length, period;
  };

  /// Sorted by stride, each stride is the product of the extents below it, until a longer one makes the blocks; those
  /// follow each other to the end of the result.
  std::optional<Runs> runs_of(std::size_t write) const {
    const Access& access = fused_.writes[write];
    const std::int64_t all = fused_.results[fused_.result_of(write)].elements();
    std::vector<std::pair<std::int64_t, std::int64_t>> steps;
    for (std::size_t d = 0; d < fused_.domain.size(); ++d)
      if (fused_.varies(fused_.body.results[write], static_cast<int>(d)))
        steps.emplace_back(access.strides[d], fused_.domain[d]);
    std::ranges::sort(steps);
    std::int64_t length = 1, expected = 1;
    std::optional<std::int64_t> period;
    for (const auto& [stride, extent] : steps) {
      if (stride < expected || (stride > expected && period) || extent > all / stride) return {};
      if (stride > expected) period = stride;
      if (!period) length *= extent;
      expected = stride * extent;
    }
    if (period && expected != all) return {};
    const Runs runs{access.offset, length, period.value_or(all)};
    const bool fits = runs.begin >= 0 && runs.length <= runs.period && runs.begin <= runs.period - runs.length;
    return fits && access.bounds.empty() && access.index < 0 ? std::optional(runs) : std::nullopt;
  }

  /// Each element of a result is written once: the runs of its parts follow each other in its blocks.
  std::string writes() const {
    std::vector<std::vector<Runs>> runs(fused_.results.size());
    for (std::size_t i = 0; i < fused_.writes.size(); ++i) {
      const ValueId value = fused_.body.results[i];
      const std::string what = fmt::format("write {}", i);
      if (!value.valid() || value.index >= fused_.body.value_count()) return "the region yields what is no value of it";
      const Type &type = fused_.body.type(value), &result = fused_.results[fused_.result_of(i)];
      if (type.dtype != result.dtype || (fused_.is_whole(i) && type.elements() != result.elements()))
        return fmt::format("result {} is {}, the region yields {}", fused_.result_of(i), to_string(result),
                           to_string(type));
      if (std::string fault = strides_fit(fused_.writes[i], value, what); !fault.empty()) return fault;
      const std::optional<Runs> found = runs_of(i);
      if (!found || (fused_.is_whole(i) && found->length != result.elements()))
        return fmt::format("{} does not write each element of {} once", what, to_string(result));
      runs[fused_.result_of(i)].push_back(*found);
    }
    for (std::size_t r = 0; r < runs.size(); ++r) {
      std::ranges::sort(runs[r], {}, &Runs::begin);
      const std::int64_t period = runs[r].front().period;
      std::int64_t reached = 0;
      for (const Runs& part : runs[r])
        reached = part.begin == reached && part.period == period ? reached + part.length : -1;
      if (reached != period)
        return fmt::format("the parts of result {} are not {}, one after the other", r, to_string(fused_.results[r]));
    }
    return "";
  }

  std::string schedule() const {
    const Schedule& schedule = fused_.schedule;
    if (!schedule.chosen()) return "";
    std::vector<int> seen;
    for (const int d : schedule.parallel) {
      if (d < 0 || d >= fused_.rank() || std::ranges::find(seen, d) != seen.end())
        return "`schedule` has a parallel dimension that the domain has not, or has it twice";
      seen.push_back(d);
    }
    if (schedule.vector >= fused_.rank()) return "`schedule` has a vector dimension that the domain has not";
    if (schedule.vector >= 0 && fused_.is_parallel(schedule.vector) && schedule.parallel.back() != schedule.vector)
      return "`schedule` has a vector dimension that is parallel, but not the last one";
    if (schedule.vector >= 0 && (schedule.lanes < 1 || schedule.unroll < 1)) return "`schedule` has no lanes";
    if (schedule.lanes > 1 && (schedule.lanes & (schedule.lanes - 1)) != 0)
      return "`schedule` has lanes that are no power of 2";
    if (schedule.tile >= 0) {
      if (schedule.tile >= fused_.rank()) return "`schedule` has a tile dimension that the domain has not";
      if (schedule.vector < 0 || schedule.unroll != 1 || schedule.tile == schedule.vector ||
          fused_.is_parallel(schedule.tile))
        return "`schedule` has a tile that is no inner dimension beside the vectors of a turn of one";
    }
    if (schedule.tile_outside && !tile_may_be_outside(fused_))
      return "`schedule` has a tile outside that is not the only loop within a position, for all that is written";
    if (schedule.pipelined && !may_be_pipelined(fused_))
      return "`schedule` pipelines loops that are not all over one row of vectors";
    if (schedule.split_late && (schedule.vector < 0 || !has_split()))
      return "`schedule` has late split reductions, but no reduction in vectors is split";
    for (std::size_t i = 0; i < schedule.streamed.size(); ++i)
      if (schedule.streamed[i] < 0 || schedule.streamed[i] >= std::ssize(fused_.writes) ||
          (i > 0 && schedule.streamed[i] <= schedule.streamed[i - 1]))
        return "`schedule` streams what is no write, or not in ascending order";
    for (const Op& op : fused_.body.ops())
      if (op.def->as<Reduction>() && is_used(op))
        for (const int d : reduced_dimensions(fused_, op))
          if (fused_.is_parallel(d))
            return fmt::format("{} over the parallel dimension {} is complete when the kernel ends, but used in it",
                               *op.def->name, dimension_name(d));
    for (std::size_t i = 0; i < fused_.body.results.size(); ++i)
      if (std::string fault = complete(fused_.body.results[i]); !fault.empty())
        return fmt::format("write {} {}", i, fault);
    return "";
  }

  bool has_split() const {
    return std::ranges::any_of(fused_.body.ops(), [&](const Op& op) {
      return op.def->as<Reduction>() != nullptr &&
             std::ranges::any_of(reduced_dimensions(fused_, op), [&](int d) { return fused_.is_parallel(d); });
    });
  }

  bool is_used(const Op& op) const {
    return std::ranges::any_of(fused_.body.ops(), [&](const Op& user) {
      return std::ranges::any_of(user.operands,
                                 [&](ValueId v) { return std::ranges::find(op.results, v) != op.results.end(); });
    });
  }

  std::string complete(ValueId result) const {
    const Op* op = fused_.body.definer(result);
    const bool reduction = op != nullptr && op->def->as<Reduction>() != nullptr;
    const std::vector<int> reduced = reduction ? reduced_dimensions(fused_, *op) : std::vector<int>{};
    for (const int d : fused_.schedule.parallel) {
      if (fused_.domain[static_cast<std::size_t>(d)] == 1 || fused_.varies(result, d)) continue;
      if (std::ranges::find(reduced, d) == reduced.end())
        return fmt::format(
            "is of a value that does not vary along the parallel dimension {}, and is no reduction over it",
            dimension_name(d));
    }
    return "";
  }

  const OpView& op_;
  FusedView fused_;
};

}  // namespace

FusedView::FusedView(const OpView& op)
    : domain(std::get<Shape>(attr_of(*op.def, op.attrs, domain_attr))),
      reads(std::get<std::vector<Access>>(attr_of(*op.def, op.attrs, reads_attr))),
      writes(std::get<std::vector<Access>>(attr_of(*op.def, op.attrs, writes_attr))),
      into(std::get<std::vector<std::int64_t>>(attr_of(*op.def, op.attrs, into_attr))),
      results(std::get<std::vector<Type>>(attr_of(*op.def, op.attrs, results_attr))),
      schedule(std::get<Schedule>(attr_of(*op.def, op.attrs, schedule_attr))),
      body(op.regions[0]) {}

FusedView::FusedView(const Op& op) : FusedView(OpView{op.def, {}, op.attrs, op.regions, {}}) {}

bool FusedView::varies(ValueId value, int dimension) const {
  const Shape& shape = body.type(value).shape;
  const int own = dimension - (rank() - static_cast<int>(shape.size()));
  return own >= 0 && shape[static_cast<std::size_t>(own)] != 1;
}

bool FusedView::is_parallel(int dimension) const {
  return std::ranges::find(schedule.parallel, dimension) != schedule.parallel.end();
}

bool FusedView::is_whole(std::size_t write) const { return into.empty() || std::ranges::count(into, into[write]) == 1; }

bool is_fused(const Op& op) { return op.def != nullptr && *op.def->name == fused_op; }

std::vector<Attr> fused_attrs(Shape domain, std::vector<Access> reads, std::vector<Access> writes, Schedule schedule,
                              std::vector<Type> results, std::vector<std::int64_t> into) {
  return {std::move(domain), std::move(reads),    std::move(writes),
          std::move(into),   std::move(schedule), std::move(results)};
}

void set_yielded_types(Op& fused) {
  const Block& body = fused.regions[0];
  const std::vector<std::int64_t>& into = FusedView(fused).into;
  std::vector<Type> types;
  for (std::size_t i = 0; i < body.results.size(); ++i) {
    const Type& type = body.type(body.results[i]);
    const bool part = i > 0 && into.size() == body.results.size() && into[i] == into[i - 1];
    if (part)
      types.back().shape = {types.back().elements() + type.elements()};
    else
      types.push_back(type);
  }
  for (std::size_t i = 0; i < fused.attrs.size(); ++i)
    if (fused.def->attrs[i].name == results_attr) fused.attrs[i] = std::move(types);
}

std::vector<int> reduced_dimensions(const FusedView& fused, const Op& reduction) {
  std::vector<int> dimensions;
  for (int d = 0; d < fused.rank(); ++d)
    if (fused.varies(reduction.operands[0], d) && !fused.varies(reduction.results[0], d)) dimensions.push_back(d);
  return dimensions;
}

std::string check_fused(const OpView& op) { return Checker(op).run(); }

bool tile_may_be_outside(const FusedView& fused) {
  const Schedule& schedule = fused.schedule;
  if (schedule.tile < 0 || !fused.is_parallel(schedule.vector)) return false;
  for (int d = 0; d < fused.rank(); ++d)
    if (d != schedule.tile && !fused.is_parallel(d) && fused.domain[static_cast<std::size_t>(d)] > 1) return false;
  return std::ranges::none_of(fused.body.ops(), [](const Op& op) { return op.def->as<Reduction>() != nullptr; }) &&
         std::ranges::all_of(fused.body.results, [&](ValueId v) { return fused.varies(v, schedule.tile); });
}

bool may_be_pipelined(const FusedView& fused) {
  const Schedule& schedule = fused.schedule;
  if (schedule.vector < 0 || schedule.lanes == 1 || schedule.tile >= 0 || fused.is_parallel(schedule.vector))
    return false;
  for (int d = 0; d < fused.rank(); ++d)
    if ((d == schedule.vector) != (!fused.is_parallel(d) && fused.domain[static_cast<std::size_t>(d)] > 1))
      return false;
  // A reduction that keeps the row is for all its positions a loop of its own.
  return std::ranges::none_of(fused.body.ops(), [&](const Op& op) {
    return op.def->as<Reduction>() != nullptr && fused.varies(op.results[0], schedule.vector) &&
           std::ranges::none_of(reduced_dimensions(fused, op), [&](int d) { return fused.is_parallel(d); });
  });
}

bool same_place(const FusedView& fused, std::size_t read, std::size_t write) {
  const Access &from = fused.reads[read], &to = fused.writes[write];
  return fused.is_whole(write) && from.offset == to.offset && from.strides == to.strides && !from.is_bounded() &&
         from.index < 0 &&
         size_of(fused.body.type(fused.body.params()[read]).dtype) ==
             size_of(fused.body.type(fused.body.results[write]).dtype);
}

std::int64_t parallel_positions(const FusedView& fused) {
  std::int64_t positions = 1;
  for (const int d : fused.schedule.parallel) positions *= fused.domain[static_cast<std::size_t>(d)];
  return positions;
}

std::int64_t parallel_positions(const FusedView& fused, std::int64_t outer_extent) {
  if (fused.schedule.parallel.empty()) return 1;
  return parallel_positions(fused) / fused.domain[static_cast<std::size_t>(fused.schedule.parallel.front())] *
         outer_extent;
}

std::int64_t chunk_count(const FusedView& fused, std::int64_t positions) {
  NNC_CHECK(fused.schedule.chosen(), "a fused op without a schedule has no chunks");
  return (positions + fused.schedule.chunk - 1) / fused.schedule.chunk;
}

}  // namespace nnc::ir
