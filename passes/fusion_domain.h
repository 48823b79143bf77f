// The domain of a fused op: the atoms of a group in an order, those next to each other joined where nothing tells them
// apart.
//
//   x + y over (n, h, w, c), dense           ->  one dimension
//   x + b, where b has c alone               ->  (n h w, c)
//   mean of x over h and w, written at (n, c)  ->  (n, h w, c)
#pragma once

#include "passes/fusion_dimensions.h"

#include <string>
#include <variant>
#include <vector>

namespace nnc::passes {

struct FusionDomain {
  std::vector<std::vector<int>> dims;  // the atoms of each dimension, outermost first
  ir::Shape extents;

  int rank() const { return static_cast<int>(dims.size()); }
  /// The dimension that has the atom.
  int dimension_of(int atom) const;
  bool has(int dimension, AtomSet atoms) const {
    return (atoms >> dims[static_cast<std::size_t>(dimension)].front() & 1) != 0;
  }
  /// An access with a stride for each dimension instead of each atom.
  ir::Access over_domain(const ir::Access& atoms) const;
};

/// The atoms along which anything varies, in the order of the largest value's memory: of the read or the result with
/// the most bytes whose order leaves coordinates and positions in reductions their meaning. Or why there is no such
/// order.
std::variant<std::vector<int>, std::string> order_atoms(const FusionBlock& block, const FusionGroup& group);

/// Joins atoms that are contiguous in every access, along which values vary and reductions remove both or neither,
/// and that no bound and no coordinate names.
FusionDomain join_atoms(const FusionBlock& block, const FusionGroup& group, const std::vector<int>& order);

}  // namespace nnc::passes
