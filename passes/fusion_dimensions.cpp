#include "passes/fusion_dimensions.h"

#include "ir/check.h"
#include "ir/op.h"
#include "passes/fusion_atoms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace nnc::passes {

using ir::Access;
using ir::Shape;
using ir::Type;
using ir::ValueId;

namespace {

using Dims = std::vector<Atoms>;

/// What of a value is read at positions along which it does not vary: where it is used only to broadcast, nothing;
/// where a kernel writes it or reduces it, each position has to have its element.
enum class Broadcasts : std::uint8_t {
  narrow,       // a broadcast value is the value before
  wide,         // a broadcast of what the kernel reads is a read with stride 0
  wide_splats,  // the same, and constants are read like anything else
};

struct Refused {
  std::string reason;
  bool for_breadth = false;  // a wider reading may help
};

AtomSet set_of(const Atoms& atoms) {
  AtomSet set = 0;
  for (const int atom : atoms) set |= AtomSet{1} << atom;
  return set;
}

/// The operand dimensions that a reduction removes.
std::vector<std::int64_t> reduced_axes(const ir::Op& op) {
  for (std::size_t i = 0; i < op.attrs.size(); ++i) {
    if (op.def->attrs[i].kind == ir::AttrKind::axes) return std::get<std::vector<std::int64_t>>(op.attrs[i]);
  }
  ir::internal_error(__FILE__, __LINE__, op, "a reduction names no axes");
}

class Unifier {
 public:
  Unifier(const FusionBlock& block, const std::vector<int>& ops, Broadcasts broadcasts)
      : block_(block), ops_(ops), broadcasts_(broadcasts) {}

  // 1. Give each dimension of the ops' results and of the leaves they read atoms of its own.
  // 2. Tie what each op ties. A value two of whose dimensions have become one is a diagonal: no group.
  // 3. Tie the uses of one leaf, and parts of one result that have the same shape, where that makes no diagonal.
  // 4. Number the atoms, and describe sources, members and results over them.
  std::variant<FusionGroup, Refused> run() {
    for (const int op : ops_) {
      if (!declare(op)) return refused("the dimensions of a reshape do not divide alike");
    }
    for (const int op : ops_) {
      if (!tie(op)) return refused("their dimensions do not divide alike");
    }
    if (has_diagonal(table_)) return refused("one value is read along two dimensions at once");
    tie_leaves();
    tie_parts();
    if (!number_atoms()) return refused("there are too many dimensions");
    for (const int op : ops_) {
      if (is_movement(op) || collects(op)) continue;
      if (std::optional<Refused> why = add_member(op)) return *why;
    }
    for (const int op : ops_) {
      if (std::optional<Refused> why = collects(op) ? add_parts(op) : add_results(op)) return *why;
    }
    return std::move(group_);
  }

 private:
  static Refused refused(std::string reason) { return {std::move(reason), false}; }

  bool is_member(int op) const { return std::ranges::binary_search(ops_, op); }
  bool is_movement(int op) const { return block_.op(op).kind == FusionKind::movement; }
  bool is_choice(int op) const { return block_.op(op).kind == FusionKind::choice; }
  /// Whether the op reads its operands by accesses of its own, at other positions than its result's.
  bool reads_parts(int op) const { return is_choice(op) || (is_movement(op) && !block_.op(op).tiles); }
  /// Whether the op puts together what the group makes, and the group does not use it.
  bool collects(int op) const {
    if (!block_.op(op).joins) return false;
    const auto is_made = [&](ValueId operand) { return is_member(block_.definer(block_.root(operand))); };
    return std::ranges::all_of(block_.ir_op(op).operands, is_made) &&
           std::ranges::none_of(block_.users(block_.ir_op(op).results[0]), [&](int user) { return is_member(user); });
  }
  const Type& type(ValueId value) const { return block_.block().type(value); }
  /// A constant that stands in the body.
  bool is_number(ValueId root) const { return broadcasts_ != Broadcasts::wide_splats && block_.splat(root) != nullptr; }

  Dims fresh(const Shape& shape) {
    Dims dims(shape.size());
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] != 1) dims[d] = {table_.add(shape[d])};
    }
    return dims;
  }

  /// A view of a value of the group has that value's positions in other dimensions.
  bool declare(int index) {
    const ir::Op& op = block_.ir_op(index);
    for (std::size_t k = 0; k < op.operands.size(); ++k) {
      const ValueId operand = op.operands[k], root = block_.root(operand);
      if (!is_member(block_.definer(root))) {
        leaves_.emplace(std::pair(index, k), fresh(type(operand).shape));
      } else if (!dims_.contains(operand)) {
        const Dims& dims = dims_.emplace(operand, fresh(type(operand).shape)).first->second;
        if (!table_.tie(flat(dims), flat(dims_.at(root)))) return false;
      }
    }
    if (collects(index)) return true;
    for (const ValueId result : op.results) dims_.emplace(result, fresh(type(result).shape));
    return true;
  }

  const Dims& operand_dims(int index, std::size_t k) const {
    const auto leaf = leaves_.find({index, k});
    return leaf != leaves_.end() ? leaf->second : dims_.at(block_.ir_op(index).operands[k]);
  }

  bool tie(int index) {
    if (collects(index)) return true;
    const ir::Op& op = block_.ir_op(index);
    const Dims& result = dims_.at(op.results[0]);
    for (const ValueId other : op.results) {
      if (!table_.tie(flat(result), flat(dims_.at(other)))) return false;
    }
    if (reads_parts(index)) return true;
    if (is_movement(index)) return table_.tie(by_stride(index), flat(operand_dims(index, 0)));
    if (block_.op(index).kind == FusionKind::reduction) {
      return table_.tie(flat(result), flat(kept_dims(op, operand_dims(index, 0))));
    }
    for (std::size_t k = 0; k < op.operands.size(); ++k) {
      if (is_number(block_.root(op.operands[k]))) continue;
      const Dims& operand = operand_dims(index, k);
      const std::size_t missing = result.size() - operand.size();
      for (std::size_t d = 0; d < operand.size(); ++d) {
        if (!operand[d].empty() && !table_.tie(operand[d], result[missing + d])) return false;
      }
    }
    return true;
  }

  /// The atoms of a movement's result that move it along the operand, in the operand's order.
  Atoms by_stride(int index) const {
    const Dims& dims = dims_.at(block_.ir_op(index).results[0]);
    const std::vector<std::int64_t>& strides = block_.op(index).access().strides;
    std::vector<std::size_t> order;
    for (std::size_t d = 0; d < dims.size(); ++d) {
      if (strides[d] != 0) order.push_back(d);
    }
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t d) { return strides[d]; });
    Atoms atoms;
    for (const std::size_t d : order) atoms.insert(atoms.end(), dims[d].begin(), dims[d].end());
    return atoms;
  }

  static Dims kept_dims(const ir::Op& op, Dims dims) {
    for (const std::int64_t axis : reduced_axes(op)) dims[static_cast<std::size_t>(axis)].clear();
    return dims;
  }

  bool has_diagonal(const AtomTable& table) const {
    const auto diagonal = [&](const auto& entry) { return has_twice(table.resolve(flat(entry.second))); };
    return std::ranges::any_of(dims_, diagonal) || std::ranges::any_of(leaves_, diagonal);
  }

  /// Reads of one leaf: as a whole, or of parts of one form, like the thirds of a product that makes queries, keys and
  /// values.
  void tie_leaves() {
    std::map<ValueId, std::vector<const Dims*>> whole;
    std::map<std::tuple<ValueId, Shape, std::vector<std::int64_t>>, std::vector<const Dims*>> parts;
    for (const auto& [place, dims] : leaves_) {
      const auto& [op, k] = place;
      const ValueId root = block_.root(block_.ir_op(op).operands[k]);
      if (reads_parts(op)) {
        const ValueId part = block_.ir_op(op).results[0];
        tie_to_any(parts[{root, type(part).shape, block_.op(op).accesses[k].strides}], dims_.at(part));
      } else if (!is_number(root)) {
        tie_to_any(whole[root], dims);
      }
    }
  }

  void tie_parts() {
    for (const int op : ops_) {
      if (!collects(op)) continue;
      std::map<Shape, std::vector<const Dims*>> parts;
      for (const ValueId operand : block_.ir_op(op).operands) tie_to_any(parts[type(operand).shape], dims_.at(operand));
    }
  }

  void tie_to_any(std::vector<const Dims*>& others, const Dims& dims) {
    for (const Dims* other : others) {
      if (table_.resolve(flat(*other)) == table_.resolve(flat(dims))) break;
      AtomTable trial = table_;
      if (!trial.tie(flat(*other), flat(dims)) || has_diagonal(trial)) continue;
      table_ = std::move(trial);
      break;
    }
    others.push_back(&dims);
  }

  /// From here on atoms are their final numbers.
  bool number_atoms() {
    std::map<int, int> numbers;
    const auto renumber = [&](Dims& dims) {
      for (Atoms& dim : dims) {
        dim = table_.resolve(dim);
        for (int& atom : dim) {
          const auto [entry, added] = numbers.emplace(atom, static_cast<int>(numbers.size()));
          if (added) group_.extents.push_back(table_.extent(atom));
          atom = entry->second;
        }
      }
    };
    for (auto& [value, dims] : dims_) renumber(dims);
    for (auto& [place, dims] : leaves_) {
      if (!is_number(block_.root(block_.ir_op(place.first).operands[place.second]))) renumber(dims);
    }
    return group_.extents.size() <= max_atoms;
  }

  /// Strides over dimensions as strides over their atoms.
  Access over_atoms(const std::vector<std::int64_t>& strides, const Dims& dims) const {
    Access access;
    access.strides.assign(group_.extents.size(), 0);
    for (std::size_t d = 0; d < dims.size(); ++d) {
      std::int64_t stride = strides[d];
      for (auto atom = dims[d].rbegin(); atom != dims[d].rend(); ++atom) {
        access.strides[static_cast<std::size_t>(*atom)] = stride;
        stride *= group_.extents[static_cast<std::size_t>(*atom)];
      }
    }
    return access;
  }
  Access dense(const Shape& shape, const Dims& dims) const { return over_atoms(ir::row_major_strides(shape), dims); }

  int add_source(FusionSource source) {
    const auto found = std::ranges::find(group_.sources, source);
    if (found != group_.sources.end()) return static_cast<int>(found - group_.sources.begin());
    group_.sources.push_back(std::move(source));
    return static_cast<int>(group_.sources.size()) - 1;
  }

  int add_constant(ValueId root) {
    const ir::Tensor& tensor = *block_.splat(root);
    const auto size = static_cast<std::size_t>(ir::size_of(tensor.type().dtype));
    for (std::size_t i = 0; i < group_.sources.size(); ++i) {
      if (group_.sources[i].kind != FusionSource::Kind::constant) continue;
      const ir::Tensor& other = *block_.splat(group_.sources[i].value);
      if (other.type().dtype == tensor.type().dtype &&
          std::memcmp(other.bytes().data(), tensor.bytes().data(), size) == 0) {
        return static_cast<int>(i);
      }
    }
    return add_source({.kind = FusionSource::Kind::constant, .value = root, .access = {}});
  }

  /// The source that operand k of an op reads; `why` is set if there is none.
  int operand_source(int index, std::size_t k, std::optional<Refused>& why) {
    const ValueId operand = block_.ir_op(index).operands[k], root = block_.root(operand);
    if (is_member(block_.definer(root))) return value_source(root, why);
    if (is_number(root)) return add_constant(root);
    const Dims& dims = leaves_.at({index, k});
    return add_source({.kind = FusionSource::Kind::read,
                       .value = root,
                       .varies = set_of(flat(dims)),
                       .access = dense(type(operand).shape, dims),
                       .number = type(operand).rank() == 0});
  }

  /// The source of a value that the group makes.
  int value_source(ValueId value, std::optional<Refused>& why) {
    const int index = block_.definer(value);
    if (!is_movement(index)) return made_.at(value);
    const auto known = made_.find(value);
    if (known != made_.end()) return known->second;
    const int source = moved_source(index, value, why);
    if (!why) made_.emplace(value, source);
    return source;
  }

  int moved_source(int index, ValueId value, std::optional<Refused>& why) {
    const ValueId operand = block_.ir_op(index).operands[0], root = block_.root(operand);
    const Dims& dims = dims_.at(value);
    if (block_.op(index).gathers()) return read_source(index, block_.op(index).accesses, value, why);
    const bool leaf = !is_member(block_.definer(root));
    const bool wide = broadcasts_ != Broadcasts::narrow;
    if (block_.op(index).tiles && !(leaf && wide)) {
      const int source = operand_source(index, 0, why);
      if (why || !wide || group_.source(source).kind != FusionSource::Kind::read) return source;
      FusionSource widened = group_.source(source);
      widened.varies |= set_of(flat(dims));
      return add_source(std::move(widened));
    }
    if (block_.op(index).tiles) {
      const Access& move = block_.op(index).access();
      return add_source({.kind = FusionSource::Kind::read,
                         .value = root,
                         .varies = set_of(flat(dims)),
                         .access = over_atoms(move.strides, dims)});
    }
    if (!leaf && operand == root && is_movement(block_.definer(root))) {
      if (const auto accesses = block_.accesses_through(index))
        return read_source(block_.definer(root), *accesses, value, why);
    }
    return read_source(index, block_.op(index).accesses, value, why);
  }

  /// What a value reads of a movement's operand.
  int read_source(int movement, const std::vector<Access>& accesses, ValueId value, std::optional<Refused>& why) {
    if (accesses.front().index >= 0) return gathered_source(movement, accesses, value, why);
    std::optional<FusionSource> part = read_by(accesses.front(), movement, 0, value, why);
    return part ? add_source(*std::move(part)) : -1;
  }

  /// A row that an index names, or what a value has of it. The index varies along the dimensions that it moves along.
  int gathered_source(int gather, const std::vector<Access>& accesses, ValueId value, std::optional<Refused>& why) {
    const Access& move = accesses.front();
    const auto index = static_cast<std::size_t>(move.index);
    const Dims& dims = dims_.at(value);
    std::optional<FusionSource> row = read_by(accesses[index], gather, index, value, why);
    if (!row) return -1;
    row->varies = 0;
    for (const int atom : flat(dims)) {
      if (row->access.strides[static_cast<std::size_t>(atom)] != 0) row->varies |= AtomSet{1} << atom;
    }
    std::optional<FusionSource> gathered = read_by(move, gather, 0, value, why);
    if (!gathered) return -1;
    gathered->access.index = add_source(*std::move(row));
    gathered->access.index_stride = move.index_stride;
    gathered->access.index_extent = move.index_extent;
    return add_source(*std::move(gathered));
  }

  /// What a value has of operand k of an op, which its positions read by the access.
  std::optional<FusionSource> read_by(const Access& move, int index, std::size_t k, ValueId value,
                                      std::optional<Refused>& why) {
    const Dims& dims = dims_.at(value);
    const ValueId root = block_.root(block_.ir_op(index).operands[k]);
    if (is_member(block_.definer(root))) {
      why = refused("a part of a value that the kernel makes is read at other positions");
      return std::nullopt;
    }
    Access access = over_atoms(move.strides, dims);
    access.offset = move.offset;
    access.fill = move.fill;
    const Shape& shape = type(value).shape;
    for (std::size_t d = 0; d < move.bounds.size(); ++d) {
      const auto [low, high] = move.bounds[d];
      if (low <= 0 && high >= shape[d]) continue;
      if (dims[d].size() != 1) {
        why = refused("a dimension with bounds is divided");
        return std::nullopt;
      }
      access.bounds.resize(group_.extents.size(), Access::everywhere);
      access.bounds[static_cast<std::size_t>(dims[d][0])] = {std::max<std::int64_t>(low, 0), std::min(high, shape[d])};
    }
    if (access.bounds.empty()) access.fill = 0;
    return FusionSource{
        .kind = FusionSource::Kind::read, .value = root, .varies = set_of(flat(dims)), .access = std::move(access)};
  }

  /// What a choice reads its operand k as, and the dimensions whose coordinates say that it does.
  int chosen_source(int index, std::size_t k, Dims& asked, std::optional<Refused>& why) {
    const Dims& dims = dims_.at(block_.ir_op(index).results[0]);
    const ValueId root = block_.root(block_.ir_op(index).operands[k]);
    std::optional<FusionSource> part =
        read_by(block_.op(index).accesses[k], index, k, block_.ir_op(index).results[0], why);
    if (!part) return -1;
    for (std::size_t d = 0; d < dims.size(); ++d) {
      if (dims[d].size() == 1 && part->access.is_bounded(static_cast<std::size_t>(dims[d][0]))) asked[d] = dims[d];
    }
    return is_number(root) ? add_constant(root) : add_source(*std::move(part));
  }

  std::optional<Refused> add_member(int index) {
    const ir::Op& op = block_.ir_op(index);
    FusionMember member{.op = index, .operands = {}, .results = {}, .dims = {}};
    std::optional<Refused> why;
    AtomSet varies = 0;
    if (is_choice(index)) member.dims.resize(dims_.at(op.results[0]).size());
    for (std::size_t k = 0; k < op.operands.size(); ++k) {
      const int source = is_choice(index) ? chosen_source(index, k, member.dims, why) : operand_source(index, k, why);
      if (why) return why;
      member.operands.push_back(source);
      varies |= group_.source(source).varies;
    }
    const Dims& dims = dims_.at(op.results[0]);
    if (block_.op(index).kind == FusionKind::reduction) {
      const Dims& from = operand_dims(index, 0);
      for (const std::int64_t axis : reduced_axes(op)) member.dims.push_back(from[static_cast<std::size_t>(axis)]);
      member.removed = set_of(flat(member.dims));
      if ((member.removed & ~varies) != 0 || is_number(block_.root(op.operands[0]))) {
        return Refused{"a value is reduced along a dimension in which it only repeats", true};
      }
      varies &= ~member.removed;
    } else if (is_choice(index)) {
      varies |= set_of(flat(member.dims));
    } else if (block_.op(index).coordinates) {
      member.dims = block_.op(index).by_position ? Dims{flat(dims)} : dims;
      varies |= set_of(flat(dims));
    }
    for (const ValueId result : op.results) {
      group_.sources.push_back({.kind = FusionSource::Kind::op, .value = result, .varies = varies, .access = {}});
      member.results.push_back(static_cast<int>(group_.sources.size()) - 1);
      made_.emplace(result, member.results.back());
    }
    group_.members.push_back(std::move(member));
    return std::nullopt;
  }

  /// The results of an op that others need.
  std::optional<Refused> add_results(int index) {
    for (const ValueId value : block_.ir_op(index).results) {
      const auto beyond = [&](int user) { return !is_member(user); };
      if (!block_.is_result(value) && std::ranges::none_of(block_.users(value), beyond)) continue;
      if (std::optional<Refused> why = add_result({value, -1, dense(type(value).shape, dims_.at(value))}, value))
        return why;
    }
    return std::nullopt;
  }

  /// Each operand where the result has it.
  std::optional<Refused> add_parts(int index) {
    const ir::Op& op = block_.ir_op(index);
    const std::vector<std::int64_t> strides = ir::row_major_strides(type(op.results[0]).shape);
    for (std::size_t k = 0; k < op.operands.size(); ++k) {
      Access access = over_atoms(strides, dims_.at(op.operands[k]));
      const Access& read = block_.op(index).accesses[k];
      for (std::size_t d = 0; d < strides.size(); ++d)
        if (read.is_bounded(d)) access.offset += strides[d] * read.bounds[d].first;
      if (std::optional<Refused> why = add_result({op.results[0], -1, std::move(access)}, op.operands[k])) return why;
    }
    return std::nullopt;
  }

  /// A result, or a part of one, that is a value of the group or a view of one.
  std::optional<Refused> add_result(FusionResult result, ValueId value) {
    std::optional<Refused> why;
    result.source = value_source(block_.root(value), why);
    if (why) return why;
    const FusionSource& source = group_.source(result.source);
    if (source.kind == FusionSource::Kind::constant || source.varies != set_of(flat(dims_.at(value)))) {
      return Refused{"a result repeats a value that the kernel makes", true};
    }
    group_.results.push_back(std::move(result));
    return std::nullopt;
  }

  const FusionBlock& block_;
  const std::vector<int>& ops_;
  Broadcasts broadcasts_;
  AtomTable table_;
  std::map<ValueId, Dims> dims_;                        // of what the group makes, and of views of it
  std::map<std::pair<int, std::size_t>, Dims> leaves_;  // of what op and operand read from outside
  std::map<ValueId, int> made_;                         // sources
  FusionGroup group_;
};

}  // namespace

std::int64_t FusionGroup::positions(AtomSet atoms) const {
  std::int64_t product = 1;
  for (std::size_t a = 0; a < extents.size(); ++a) {
    if ((atoms >> a & 1) != 0) product *= extents[a];
  }
  return product;
}

std::variant<FusionGroup, std::string> unify_dimensions(const FusionBlock& block, const std::vector<int>& ops) {
  std::string reason;
  for (const Broadcasts broadcasts : {Broadcasts::narrow, Broadcasts::wide, Broadcasts::wide_splats}) {
    std::variant<FusionGroup, Refused> result = Unifier(block, ops, broadcasts).run();
    if (auto* group = std::get_if<FusionGroup>(&result)) return std::move(*group);
    const Refused& refused = std::get<Refused>(result);
    if (reason.empty()) reason = refused.reason;
    if (!refused.for_breadth) break;
  }
  return reason;
}

}  // namespace nnc::passes
