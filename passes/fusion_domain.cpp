#include "passes/fusion_domain.h"

#include "ir/check.h"

#include <algorithm>
#include <cstdlib>

namespace nnc::passes {

using ir::Access;

namespace {

bool in(AtomSet set, int atom) { return (set >> atom & 1) != 0; }

bool asks_coordinates(const FusionBlock& block, const FusionMember& member) {
  const FusionOp& op = block.op(member.op);
  return op.kind != FusionKind::reduction && !op.by_position && !member.dims.empty();
}

/// The atoms of an access, outermost first.
std::vector<int> memory_order(const Access& access) {
  std::vector<int> atoms;
  for (std::size_t a = 0; a < access.strides.size(); ++a) {
    if (access.strides[a] != 0) atoms.push_back(static_cast<int>(a));
  }
  std::ranges::stable_sort(atoms, std::greater<>{},
                           [&](int atom) { return std::abs(access.strides[static_cast<std::size_t>(atom)]); });
  return atoms;
}

/// Orders of atoms, each of some of them, the one that matters most first: of results and reads by bytes, then of what
/// ops ask coordinates for.
std::vector<std::vector<int>> preferred_orders(const FusionBlock& block, const FusionGroup& group) {
  std::vector<std::pair<std::int64_t, std::vector<int>>> orders;
  const auto add = [&](ir::ValueId value, AtomSet varies, const Access& access) {
    const std::int64_t element = ir::size_of(block.block().type(value).dtype);
    AtomSet moving = 0;
    for (const int atom : memory_order(access)) moving |= AtomSet{1} << atom;
    orders.emplace_back(group.positions(varies & moving) * element, memory_order(access));
  };
  for (const FusionResult& result : group.results) add(result.value, group.source(result.source).varies, result.access);
  for (const FusionSource& source : group.sources) {
    if (source.kind == FusionSource::Kind::read) add(source.value, source.varies, source.access);
  }
  std::ranges::stable_sort(orders, std::greater<>{}, [](const auto& order) { return order.first; });
  for (const FusionMember& member : group.members) {
    std::vector<int> atoms;
    for (const std::vector<int>& dim : member.dims) atoms.insert(atoms.end(), dim.begin(), dim.end());
    orders.emplace_back(0, std::move(atoms));
  }
  std::vector<std::vector<int>> sorted;
  for (auto& [bytes, order] : orders) sorted.push_back(std::move(order));
  return sorted;
}

/// All atoms: those of orders[first] in its order; outside of them, those that the others add.
std::vector<int> complete_order(const std::vector<std::vector<int>>& orders, std::size_t first, AtomSet all) {
  std::vector<int> atoms;
  const auto add = [&](const std::vector<int>& order) {
    std::vector<int> missing;
    for (const int atom : order) {
      if (in(all, atom) && std::ranges::find(atoms, atom) == atoms.end()) missing.push_back(atom);
    }
    atoms.insert(atoms.begin(), missing.begin(), missing.end());
  };
  if (!orders.empty()) add(orders[first]);
  for (const std::vector<int>& order : orders) add(order);
  std::vector<int> rest;
  for (int atom = 0; atom < max_atoms; ++atom) rest.push_back(atom);
  add(rest);
  return atoms;
}

/// Whether the dimensions that have to keep their meaning do so in this order.
std::string keeps_meaning(const FusionBlock& block, const FusionGroup& group, const std::vector<int>& order) {
  for (const FusionMember& member : group.members) {
    auto last = order.begin();
    for (const std::vector<int>& dim : member.dims) {
      if (asks_coordinates(block, member) && dim.size() > 1) return "a dimension whose coordinate is asked is divided";
      for (const int atom : dim) {
        const auto place = std::ranges::find(order, atom);
        if (place < last) return "positions would be counted in another order";
        last = place;
      }
    }
  }
  return "";
}

class Joining {
 public:
  Joining(const FusionBlock& block, const FusionGroup& group) : group_(group) {
    for (const FusionSource& source : group.sources) {
      together_.push_back(source.varies);
      if (source.kind == FusionSource::Kind::read) accesses_.push_back(&source.access);
    }
    for (const FusionResult& result : group.results) accesses_.push_back(&result.access);
    for (const FusionMember& member : group.members) {
      together_.push_back(member.removed);
      if (!asks_coordinates(block, member)) continue;
      for (const std::vector<int>& dim : member.dims) {
        for (const int atom : dim) named_ |= AtomSet{1} << atom;
      }
    }
    for (const Access* access : accesses_) {
      for (std::size_t a = 0; a < access->bounds.size(); ++a) {
        if (access->is_bounded(a)) named_ |= AtomSet{1} << a;
      }
    }
  }

  bool joins(int outer, int inner) const {
    if (in(named_, outer) || in(named_, inner)) return false;
    for (const AtomSet set : together_) {
      if (in(set, outer) != in(set, inner)) return false;
    }
    return std::ranges::all_of(accesses_, [&](const Access* access) {
      return access->strides[static_cast<std::size_t>(outer)] ==
             access->strides[static_cast<std::size_t>(inner)] * group_.extents[static_cast<std::size_t>(inner)];
    });
  }

 private:
  const FusionGroup& group_;
  std::vector<AtomSet> together_;
  std::vector<const Access*> accesses_;
  AtomSet named_ = 0;
};

}  // namespace

int FusionDomain::dimension_of(int atom) const {
  for (int d = 0; d < rank(); ++d) {
    if (std::ranges::find(dims[static_cast<std::size_t>(d)], atom) != dims[static_cast<std::size_t>(d)].end()) return d;
  }
  ir::internal_error(__FILE__, __LINE__, "an atom is in no dimension of its domain");
}

Access FusionDomain::over_domain(const Access& atoms) const {
  Access access{.offset = atoms.offset,
                .strides = {},
                .fill = atoms.fill,
                .index = atoms.index,
                .index_stride = atoms.index_stride,
                .index_extent = atoms.index_extent};
  for (const std::vector<int>& dim : dims) {
    access.strides.push_back(atoms.strides[static_cast<std::size_t>(dim.back())]);
    if (!atoms.bounds.empty()) access.bounds.push_back(atoms.bounds[static_cast<std::size_t>(dim.back())]);
  }
  return access;
}

std::variant<std::vector<int>, std::string> order_atoms(const FusionBlock& block, const FusionGroup& group) {
  AtomSet all = 0;
  for (const FusionSource& source : group.sources) all |= source.varies;
  const std::vector<std::vector<int>> orders = preferred_orders(block, group);
  std::string reason;
  for (std::size_t first = 0; first < std::max<std::size_t>(orders.size(), 1); ++first) {
    std::vector<int> order = complete_order(orders, first, all);
    std::string fault = keeps_meaning(block, group, order);
    if (fault.empty()) return order;
    if (reason.empty()) reason = std::move(fault);
  }
  return reason;
}

FusionDomain join_atoms(const FusionBlock& block, const FusionGroup& group, const std::vector<int>& order) {
  const Joining joining(block, group);
  FusionDomain domain;
  for (const int atom : order) {
    const std::int64_t extent = group.extents[static_cast<std::size_t>(atom)];
    if (!domain.dims.empty() && joining.joins(domain.dims.back().back(), atom)) {
      domain.dims.back().push_back(atom);
      domain.extents.back() *= extent;
    } else {
      domain.dims.push_back({atom});
      domain.extents.push_back(extent);
    }
  }
  return domain;
}

}  // namespace nnc::passes
