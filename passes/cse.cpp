#include "passes/cse.h"

#include "ir/op.h"
#include "passes/rebuild.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace nnc::passes {

using ir::Attr;
using ir::Block;
using ir::Op;
using ir::Role;
using ir::Tensor;
using ir::Type;
using ir::ValueId;

namespace {

bool same_attr(const Attr& a, const Attr& b) {
  const double* x = std::get_if<double>(&a);
  const double* y = std::get_if<double>(&b);
  if (x != nullptr && y != nullptr) return std::bit_cast<std::uint64_t>(*x) == std::bit_cast<std::uint64_t>(*y);
  return a == b;
}

bool same_block(const Block& a, const Block& b);

/// Whether two ops compute the same, where value numbers mean the same to both. Results are not looked at: `types` are
/// those that they would have.
bool same_op(const Op& a, const std::vector<Type>& a_types, const Op& b, const std::vector<Type>& b_types) {
  return a.def == b.def && a.operands == b.operands && a_types == b_types &&
         std::equal(a.attrs.begin(), a.attrs.end(), b.attrs.begin(), b.attrs.end(), same_attr) &&
         std::equal(a.regions.begin(), a.regions.end(), b.regions.begin(), b.regions.end(), same_block);
}

bool same_block(const Block& a, const Block& b) {
  const auto same_param = [&](ValueId x, ValueId y) { return x == y && a.type(x) == b.type(y); };
  return a.results == b.results &&
         std::equal(a.params().begin(), a.params().end(), b.params().begin(), b.params().end(), same_param) &&
         std::equal(a.ops().begin(), a.ops().end(), b.ops().begin(), b.ops().end(), [&](const Op& x, const Op& y) {
           return x.results == y.results && same_op(x, result_types(a, x), y, result_types(b, y));
         });
}

std::size_t hash_of(const Op& op) {
  std::size_t hash = std::hash<const void*>{}(op.def);
  const auto mix = [&](std::size_t more) { hash = hash * 0x9e3779b97f4a7c15u + more; };
  for (const ValueId operand : op.operands) mix(static_cast<std::size_t>(operand.index));
  for (const Attr& attr : op.attrs) {
    if (const auto* text = std::get_if<std::string>(&attr)) mix(std::hash<std::string>{}(*text));
    if (const auto* integer = std::get_if<std::int64_t>(&attr)) mix(static_cast<std::size_t>(*integer));
    if (const auto* tensor = std::get_if<Tensor>(&attr)) {
      mix(std::hash<std::string_view>{}(
          {reinterpret_cast<const char*>(tensor->bytes().data()), tensor->bytes().size()}));
    }
  }
  return hash;
}

/// Whether ops of these roles belong to the same part of a step.
bool same_part(const Role& a, const Role& b) {
  const auto part = [](const Role& role) { return std::max(role.kind, Role::Kind::gradient); };
  return part(a) == part(b);
}

// 1. Take the ops in order, operands replaced; a commutative op has them sorted for the comparison.
// 2. If an equal op of the same part was kept, let its results stand for this one's, and give it this one's locations and role.
// 3. Else eliminate within its regions, and keep it.
void eliminate(Block& block) {
  Rebuild next(block);
  std::unordered_multimap<std::size_t, std::size_t> kept;  // hash -> position in the new block
  std::vector<Op> keys;                                    // by position; without results
  for (const Op& op : block.ops()) {
    Op copy = next.mapped(op);
    for (Block& region : copy.regions) eliminate(region);
    Op key = copy;
    if (op.def->commutative) std::sort(key.operands.begin(), key.operands.end());

    const std::size_t hash = hash_of(key);
    const std::vector<Type> types = result_types(block, op);
    const auto [first, last] = kept.equal_range(hash);
    const auto equal = std::find_if(first, last, [&](const auto& entry) {
      const Op& other = next.block().ops()[entry.second];
      return same_part(key.role, other.role) &&
             same_op(key, types, keys[entry.second], result_types(next.block(), other));
    });
    std::vector<ValueId> results;
    if (equal != last) {
      Op& same = next.block().ops()[equal->second];
      same.location = same.location.merged(op.location);
      same.role = merged(same.role, op.role);
      results = same.results;
    } else {
      kept.emplace(hash, keys.size());
      keys.push_back(std::move(key));
      results = next.block().append(std::move(copy), types);
    }
    for (std::size_t i = 0; i < results.size(); ++i) next.replace(op.results[i], results[i]);
  }
  block = next.finish();
}

}  // namespace

ir::Status cse(ir::Module& module, PassContext&) {
  for_each_body(module, [](Block& body) { eliminate(body); });
  return ir::Status::ok;
}

}  // namespace nnc::passes
