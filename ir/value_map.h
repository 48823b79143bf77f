// Which value of a block stands for which of another one, and copies of ops under that.
//
//   ValueMap map(from);
//   map.add_param(to, from.params()[0]);
//   for (const Op& op : from.ops()) map.copy(to, op);      // operands replaced, results noted
//   to.results.push_back(map[from.results[0]]);
#pragma once

#include "ir/graph.h"

#include <vector>

namespace nnc::ir {

/// The types of an op's results.
std::vector<Type> result_types(const Block& block, const Op& op);

class ValueMap {
 public:
  /// `from` has to outlive this, and gets no further values.
  explicit ValueMap(const Block& from) : from_(&from), map_(static_cast<std::size_t>(from.value_count())) {}

  bool has(ValueId old) const { return map_.at(static_cast<std::size_t>(old.index)).valid(); }
  /// What stands for `old`; that there is none yet is our own mistake.
  ValueId operator[](ValueId old) const;
  /// From now on `value` stands for `old`.
  void set(ValueId old, ValueId value) { map_.at(static_cast<std::size_t>(old.index)) = value; }
  /// Gives `to` a parameter that stands for `old`.
  ValueId add_param(Block& to, ValueId old);
  /// The op with its operands replaced and no results yet.
  Op mapped(const Op& op) const;
  /// Appends what is made of `mapped(op)`; gives its results, which stand for those of `op`.
  std::vector<ValueId> append(Block& to, const Op& op, Op made);
  std::vector<ValueId> copy(Block& to, const Op& op) { return append(to, op, mapped(op)); }

 private:
  const Block* from_;
  std::vector<ValueId> map_;
};

}  // namespace nnc::ir
