// Dimensions of different values that are one dimension of a loop nest.
//
// A dimension is a list of atoms, outermost first, whose extents multiply to its own. Tying two lists says that they
// number the same positions in the same order; atoms are divided until they match:
//
//   tie [6], [2, 3]       the 6 becomes (2, 3), and each part one atom with its counterpart
//   tie [2, 3], [3, 2]    no: position 2 begins a row here and not there
//
// Dimensions of extent 1 have no atoms.
#pragma once

#include <cstdint>
#include <vector>

namespace nnc::passes {

using Atoms = std::vector<int>;

/// The atoms of several dimensions, outermost first.
Atoms flat(const std::vector<Atoms>& dims);
bool has_twice(Atoms atoms);

class AtomTable {
 public:
  int add(std::int64_t extent);
  /// Makes both lists the same positions. False if their extents do not factor; the table is then of no use.
  [[nodiscard]] bool tie(const Atoms& a, const Atoms& b);
  /// What the atoms have become: each by the one that stands for all tied to it, or by its parts.
  Atoms resolve(const Atoms& atoms) const;
  std::int64_t extent(int atom) const { return entries_[static_cast<std::size_t>(atom)].extent; }

 private:
  struct Entry {
    std::int64_t extent;
    int same_as = -1;            // the atom that stands for this one
    int outer = -1, inner = -1;  // its parts
  };

  int representative(int atom) const;
  /// Takes the outermost atom off a list that ends with it.
  int take(Atoms& reversed) const;
  /// Divides an atom; gives the parts back to the list.
  void divide(int atom, std::int64_t outer_extent, Atoms& reversed);
  Entry& entry(int atom) { return entries_[static_cast<std::size_t>(atom)]; }
  const Entry& entry(int atom) const { return entries_[static_cast<std::size_t>(atom)]; }

  std::vector<Entry> entries_;
};

}  // namespace nnc::passes
