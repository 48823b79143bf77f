// Names of values as text shows them. They are derived, so that text with other numbers comes back the same:
//
//   - a parameter has the name its graph declares; in train, eval and predict that is the field of `data` at its
//     position, in update rules `param`, `grad` and the last component of each state's path
//   - the first read of a slot has the slot's path
//   - anything else a number, in order of appearance, regions included
//
// A name that is taken already gets a suffix: `step.1`.
#pragma once

#include "ir/module.h"

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace nnc::ir {

/// The name, with a suffix where it is taken; takes it.
std::string claim_name(std::set<std::string>& taken, const std::string& base);

class ValueNames {
 public:
  /// Names the values of a block and of the regions in it.
  ValueNames(const std::vector<std::string>& param_names, const Block& block);

  /// With the `%`; "%?" for a value that does not exist.
  std::string of(const Block& block, ValueId value) const;

 private:
  void name_ops(const Block& block, std::set<std::string>& taken, std::set<std::string>& read);
  std::string next_number(std::set<std::string>& taken);

  std::unordered_map<const Block*, std::vector<std::string>> names_;
  int next_ = 0;
};

/// The names of a graph's parameters after the rule above; as declared where the module says nothing about them.
std::vector<std::string> param_names(const Module& module, const Graph& graph, bool is_rule);

}  // namespace nnc::ir
