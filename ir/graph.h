// Blocks, ops and graphs: purely functional SSA.
//
// A block owns its values and lists its ops in an order in which every operand precedes its use. Values are numbers
// within their block, so a block is plain data: it is copied as a whole, compared, and moved freely. Passes that replace
// ops build a new block from the old one. References to ops and types end where something is appended.
//
//   graph @train@128(%image: u8[128,28,28], %label: u8[128]) {
//     %0 = cast %image : f32[128,28,28]                     loc("mlp.nn":19:16)
//     ...
//     return loss = %9, @model.fc1.weight = %12
//   }
#pragma once

#include "ir/attribute.h"
#include "ir/location.h"
#include "ir/type.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nnc::ir {

struct OpDef;
class Block;

/// A value of one block.
struct ValueId {
  std::int32_t index = -1;

  auto operator<=>(const ValueId&) const = default;
  bool valid() const { return index >= 0; }
};

/// Why an op is there. `slot` is the parameter whose gradient or update it belongs to, if it belongs to one only.
struct Role {
  enum class Kind : std::uint8_t { forward, gradient, clip, update };
  Kind kind = Kind::forward;
  std::string slot;

  bool operator==(const Role&) const = default;
};

/// The role of what serves both: the part of a step that comes first, but an update that clips too is that update.
Role merged(const Role& a, const Role& b);

struct Op {
  const OpDef* def = nullptr;
  std::vector<ValueId> operands;
  std::vector<ValueId> results;
  std::vector<Attr> attrs;  // in the order of def->attrs
  std::vector<Block> regions;
  Location location;
  Role role;
};

/// Ops over values. Also the region of an op: a region sees its parameters only, never values of the block around it.
class Block {
 public:
  ValueId add_param(Type type);
  /// Appends an op whose result types are known to be right; `Builder` infers them.
  std::vector<ValueId> append(Op op, const std::vector<Type>& result_types);

  /// Gives an op other regions and further results behind those it has; every value keeps its number.
  std::vector<ValueId> extend(std::size_t op, std::vector<Block> regions, const std::vector<Type>& further);

  const std::vector<ValueId>& params() const { return params_; }
  const std::vector<Op>& ops() const { return ops_; }
  std::vector<Op>& ops() { return ops_; }
  std::vector<ValueId> results;  // what the block returns or yields

  int value_count() const { return static_cast<int>(types_.size()); }
  const Type& type(ValueId value) const { return types_[static_cast<std::size_t>(value.index)]; }
  /// The op that makes `value`; null for a parameter.
  const Op* definer(ValueId value) const;

 private:
  std::vector<Type> types_;
  std::vector<std::int32_t> definers_;  // index into ops_, -1 for parameters
  std::vector<ValueId> params_;
  std::vector<Op> ops_;
};

/// What one result of a graph is: a named value, the new value of a slot, or the gradient of a parameter (between
/// autodiff and updates only).
struct GraphResult {
  enum class Kind : std::uint8_t { value, slot, gradient };
  Kind kind = Kind::value;
  std::string name;  // a path for slot and gradient

  bool operator==(const GraphResult&) const = default;
};

/// A block with an interface. All reads of a slot (op `slot`) see its value before the graph runs.
struct Graph {
  std::string name;        // "train"; rules: "adam.0"
  std::int64_t batch = 0;  // examples in a step, where the name carries one: train@128
  std::vector<std::string> param_names;
  Block body;
  std::vector<GraphResult> results;  // parallel to body.results

  /// "train@128" or "init".
  std::string full_name() const;
  /// The value of a result, or an invalid id.
  ValueId result(GraphResult::Kind kind, std::string_view name) const;
  void add_result(GraphResult::Kind kind, std::string name, ValueId value);
};

}  // namespace nnc::ir
