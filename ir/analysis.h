// Questions about blocks and ops that several stages ask.
#pragma once

#include "ir/module.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace nnc::ir {

/// For each value of the block, whether it depends on one of `roots`.
std::vector<bool> depends_on(const Block& block, const std::vector<ValueId>& roots);
/// For each value of the block, whether `values` depend on it.
std::vector<bool> needed_for(const Block& block, const std::vector<ValueId>& values);

/// What the elements of an integer value are: elements of some of a block's parameters, unchanged, and else numbers from
/// `low` to `high`. Of `chosen` parameters another operand
/// says which elements are taken, as in where(label == 255, 0, label): the others may be anything.
struct Elements {
  std::set<std::size_t> params = {}, chosen = {};
  std::int64_t low = std::numeric_limits<std::int64_t>::max(), high = std::numeric_limits<std::int64_t>::min();

  bool operator==(const Elements&) const = default;
  void add(const Elements& other);
  void add_interval(std::int64_t from, std::int64_t to);
  /// Whether the numbers that are no parameter's are below `count`, and none is negative.
  bool below(std::int64_t count) const { return low > high || (low >= 0 && high < count); }
};

/// An operand that names positions of a dimension of `extent`.
struct IndexUse {
  const Op* op;  // of a block, or of a loop in it; null in a program, and for an elementwise op within a fused one
  std::size_t operand;
  std::int64_t extent;
  Elements elements;  // of the outermost block's parameters
};
/// All that the block, and the loops and fused ops in it, have. Elements are followed through ops that keep values
/// (`OpDef::value_operands`), into loops, and from step to step.
std::vector<IndexUse> index_uses(const Block& block);
/// Those of a program, whose parameters are its first buffers.
std::vector<IndexUse> index_uses(const Module& module, const Program& program);

/// How long the op takes as vector code, in additions of an element (`work_of(ScalarOp)`).
std::int64_t work_of(const OpView& op);

/// How many values each data field may take, by field name: the least extent that the field's elements index. Fields that
/// index nothing are absent, and those that do so only where chosen are there if `chosen` asks for them.
std::map<std::string, std::int64_t> index_ranges(const Module& module, bool chosen = false);

}  // namespace nnc::ir
