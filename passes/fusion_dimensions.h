// Whether a group of ops is one loop nest, and over what: its values as elements at positions of common dimensions.
//
//   %1 = sum %x {axis = [1]} : f32[128]
//   %2 = reshape %1 : f32[128,1]              x reads at (i, j); the sum has (i), and removes j;
//   %3 = div %x, %2 : f32[128,10]      ->     the quotient has (i, j), and is written at 10*i + j
//
// Ops tie the dimensions of their operands and results: elementwise ops those that do not broadcast, reductions those
// they keep, movements those they rename. What then is not tied is apart. A concatenation of what the group makes is no
// value of it: it is a result in parts, each written by an access of its own. Dimensions are atoms (fusion_atoms.h),
// numbered from 0; accesses here have a stride for each atom.
#pragma once

#include "ir/fused.h"
#include "passes/fusion_block.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace nnc::passes {

/// A set of atoms: bit a is atom a.
using AtomSet = std::uint64_t;
inline constexpr int max_atoms = ir::max_kernel_dimensions;

/// A value in the body of the fused op to be: an operand read by an access, the result of an op, or a constant.
struct FusionSource {
  enum class Kind : std::uint8_t { read, op, constant };
  Kind kind;
  ir::ValueId value;    // of the block: the root that is read, the op's result, the constant
  AtomSet varies = 0;   // the atoms along which it varies
  ir::Access access;    // of a read
  bool number = false;  // a read of a value without dimensions, which has none in the body either

  bool operator==(const FusionSource&) const = default;
};

/// An op of the body.
struct FusionMember {
  int op;                     // of the block
  std::vector<int> operands;  // sources
  std::vector<int> results;   // sources
  AtomSet removed = 0;        // by a reduction
  std::vector<std::vector<int>>
      dims;  // atoms of each dimension that has to keep its meaning: of the result where the op asks
             // for coordinates (one of all atoms where it asks for the position), the removed ones of a reduction;
             // else empty
};

/// A value that others need, or a part of one: those of one value are next to each other.
struct FusionResult {
  ir::ValueId value;
  int source;
  ir::Access access;
};

struct FusionGroup {
  std::vector<std::int64_t> extents;  // of the atoms
  std::vector<FusionSource> sources;  // those of reads in the order of their first use
  std::vector<FusionMember> members;  // in the order of the block
  std::vector<FusionResult> results;

  const FusionSource& source(int index) const { return sources[static_cast<std::size_t>(index)]; }
  std::int64_t positions(AtomSet atoms) const;
};

/// The group that these ops (positions in the block, ascending) are, or why they are none.
std::variant<FusionGroup, std::string> unify_dimensions(const FusionBlock& block, const std::vector<int>& ops);

}  // namespace nnc::passes
