#include "ir/value_names.h"

#include "ir/op.h"

#include <fmt/format.h>

namespace nnc::ir {
namespace {

void set_name(std::vector<std::string>& names, ValueId value, std::string name) {
  if (value.valid() && value.index < static_cast<int>(names.size())) {
    names[static_cast<std::size_t>(value.index)] = std::move(name);
  }
}

}  // namespace

std::string claim_name(std::set<std::string>& taken, const std::string& base) {
  std::string name = base;
  for (int suffix = 1; !taken.insert(name).second; ++suffix) name = fmt::format("{}.{}", base, suffix);
  return name;
}

ValueNames::ValueNames(const std::vector<std::string>& param_names, const Block& block) {
  std::set<std::string> taken;
  std::vector<std::string>& names = names_[&block];
  names.resize(static_cast<std::size_t>(block.value_count()));
  for (std::size_t i = 0; i < block.params().size(); ++i) {
    set_name(names, block.params()[i], i < param_names.size() ? claim_name(taken, param_names[i]) : next_number(taken));
  }
  std::set<std::string> read;
  name_ops(block, taken, read);
}

void ValueNames::name_ops(const Block& block, std::set<std::string>& taken, std::set<std::string>& read) {
  for (const Op& op : block.ops()) {
    for (const ValueId result : op.results) {
      const std::string* slot = slot_of(op);
      const bool first = slot != nullptr && read.insert(*slot).second;
      set_name(names_[&block], result, first ? claim_name(taken, *slot) : next_number(taken));
    }
    for (const Block& region : op.regions) {
      names_[&region].resize(static_cast<std::size_t>(region.value_count()));
      for (const ValueId param : region.params()) set_name(names_[&region], param, next_number(taken));
      name_ops(region, taken, read);
    }
  }
}

std::string ValueNames::next_number(std::set<std::string>& taken) {
  std::string name = std::to_string(next_++);
  while (!taken.insert(name).second) name = std::to_string(next_++);
  return name;
}

std::string ValueNames::of(const Block& block, ValueId value) const {
  const auto found = names_.find(&block);
  if (found == names_.end() || !value.valid() || value.index >= static_cast<int>(found->second.size())) return "%?";
  return "%" + found->second[static_cast<std::size_t>(value.index)];
}

std::vector<std::string> param_names(const Module& module, const Graph& graph, bool is_rule) {
  std::vector<std::string> derived;
  if (is_rule && graph.name == clip_rule) {
    for (const Update& update : module.updates) derived.push_back(update.parameter);
  } else if (is_rule) {
    for (const Update& update : module.updates) {
      if (update.rule != graph.name) continue;
      derived = {"param", "grad"};
      for (const std::string& state : update.states) derived.push_back(state.substr(state.rfind('.') + 1));
      break;
    }
  } else if (const std::vector<DataField>* fields = fields_of(module, graph)) {
    for (const DataField& field : *fields) derived.push_back(field.name);
  }
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < graph.body.params().size(); ++i) {
    const std::string declared = i < graph.param_names.size() ? graph.param_names[i] : std::to_string(i);
    names.push_back(claim_name(taken, i < derived.size() ? derived[i] : declared));
  }
  return names;
}

}  // namespace nnc::ir
