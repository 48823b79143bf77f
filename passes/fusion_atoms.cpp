#include "passes/fusion_atoms.h"

#include <algorithm>

namespace nnc::passes {

int AtomTable::add(std::int64_t extent) {
  entries_.push_back({extent});
  return static_cast<int>(entries_.size()) - 1;
}

int AtomTable::representative(int atom) const {
  while (entry(atom).same_as >= 0) atom = entry(atom).same_as;
  return atom;
}

int AtomTable::take(Atoms& reversed) const {
  for (;;) {
    const int atom = representative(reversed.back());
    reversed.pop_back();
    if (entry(atom).outer < 0) return atom;
    reversed.insert(reversed.end(), {entry(atom).inner, entry(atom).outer});
  }
}

void AtomTable::divide(int atom, std::int64_t outer_extent, Atoms& reversed) {
  const int outer = add(outer_extent), inner = add(entry(atom).extent / outer_extent);
  entry(atom).outer = outer;
  entry(atom).inner = inner;
  reversed.insert(reversed.end(), {inner, outer});
}

// Takes the outermost atom of each list. Of two with different extents the larger one is divided, so that its outer
// part is as long as the other; two with the same extent become one.
bool AtomTable::tie(const Atoms& a, const Atoms& b) {
  Atoms left(a.rbegin(), a.rend()), right(b.rbegin(), b.rend());
  while (!left.empty() && !right.empty()) {
    const int x = take(left), y = take(right);
    if (x == y) continue;
    const std::int64_t x_extent = entry(x).extent, y_extent = entry(y).extent;
    if (x_extent == y_extent) {
      entry(std::max(x, y)).same_as = std::min(x, y);
    } else if (x_extent % y_extent == 0) {
      divide(x, y_extent, left);
      right.push_back(y);
    } else if (y_extent % x_extent == 0) {
      divide(y, x_extent, right);
      left.push_back(x);
    } else {
      return false;
    }
  }
  return left.empty() && right.empty();
}

Atoms AtomTable::resolve(const Atoms& atoms) const {
  Atoms rest(atoms.rbegin(), atoms.rend()), resolved;
  while (!rest.empty()) resolved.push_back(take(rest));
  return resolved;
}

Atoms flat(const std::vector<Atoms>& dims) {
  Atoms atoms;
  for (const Atoms& dim : dims) atoms.insert(atoms.end(), dim.begin(), dim.end());
  return atoms;
}

bool has_twice(Atoms atoms) {
  std::ranges::sort(atoms);
  return std::ranges::adjacent_find(atoms) != atoms.end();
}

}  // namespace nnc::passes
