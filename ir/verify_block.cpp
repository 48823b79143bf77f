#include "ir/text.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace nnc::ir {
namespace {

/// No empty dimension, and a layout that is empty or names each dimension once, out of order.
bool well_formed(const Type& type) {
  for (const std::int64_t extent : type.shape) {
    if (extent < 1) return false;
  }
  if (type.layout.empty()) return true;
  const std::set<int> dimensions(type.layout.begin(), type.layout.end());
  return type.layout.size() == type.shape.size() && dimensions.size() == type.layout.size() &&
         *dimensions.begin() == 0 && *dimensions.rbegin() + 1 == type.rank() &&
         !std::equal(dimensions.begin(), dimensions.end(), type.layout.begin());
}

/// Like ==, but a NaN is equal to itself.
bool same(const Attr& a, const Attr& b) {
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  return a == b || (x != nullptr && y != nullptr && std::isnan(*x) && std::isnan(*y));
}

class BlockChecker {
 public:
  BlockChecker(const SlotIndex& slots, const Block& block, Subject subject, const Report& report)
      : slots_(slots),
        block_(block),
        subject_(subject),
        report_(report),
        in_region_(subject.op != nullptr),
        defined_(static_cast<std::size_t>(block.value_count())) {}

  void run(std::size_t& item) {
    const Subject around = subject_;
    for (std::size_t i = 0; i < block_.params().size(); ++i) {
      const ValueId param = block_.params()[i];
      if (!define(param)) {
        subject_.part = Subject::Part::whole;
        report_(subject_, fmt::format("parameter {} is defined twice", i));
      } else if (!well_formed(block_.type(param))) {
        subject_.part = Subject::Part::param;
        subject_.item = i;
        report_(subject_, fmt::format("malformed type {}", to_string(block_.type(param))));
      }
    }
    for (const Op& op : block_.ops()) {
      subject_.part = Subject::Part::op;
      subject_.item = item++;
      subject_.op = &op;
      subject_.block = &block_;
      check_op(op);
      const Subject at_op = subject_;
      for (const Block& region : op.regions) check_block(slots_, region, at_op, item, report_);
      subject_ = at_op;
      for (const ValueId result : op.results) {
        if (!define(result)) report_(subject_, "a result is defined twice");
      }
    }
    for (std::size_t i = 0; i < block_.results.size(); ++i) {
      if (is_defined(block_.results[i])) continue;
      // A region's results belong to its op; a graph's have places of their own.
      Subject subject = around;
      if (around.op == nullptr) {
        subject.part = Subject::Part::result;
        subject.item = i;
      }
      report_(subject, fmt::format("result {} is a value that is not defined", i));
    }
  }

 private:
  void fail(std::string message) { report_(subject_, std::move(message)); }

  bool in_range(ValueId value) const { return value.valid() && value.index < block_.value_count(); }
  bool is_defined(ValueId value) const { return in_range(value) && defined_[static_cast<std::size_t>(value.index)]; }
  bool define(ValueId value) {
    if (!in_range(value) || is_defined(value)) return false;
    defined_[static_cast<std::size_t>(value.index)] = true;
    return true;
  }

  void check_op(const Op& op) {
    if (op.def == nullptr) return fail("an op without a record");
    for (std::size_t i = 0; i < op.operands.size(); ++i) {
      if (!is_defined(op.operands[i])) return fail(fmt::format("operand {} is not defined before its use", i));
    }
    if (!op.def->takes(op.operands.size())) {
      return fail(
          fmt::format("{} takes {} operands, found {}", *op.def->name, op.def->operands->size(), op.operands.size()));
    }
    if (op.regions.size() != static_cast<std::size_t>(op.def->region_count)) {
      return fail(fmt::format("{} has {} regions, found {}", *op.def->name, op.def->region_count, op.regions.size()));
    }
    for (const ValueId result : op.results) {
      if (!in_range(result)) return fail("a result is not a value of the block");
    }
    for (const Block& region : op.regions) {
      for (const ValueId result : region.results) {
        if (!result.valid() || result.index >= region.value_count())
          return fail("a region yields what is no value of it");
      }
    }
    if (in_region_ && op.def->as<SlotRead>() != nullptr) return fail("a region sees its parameters only, and no slot");
    if (!op.role.slot.empty() && slots_.find(op.role.slot) == nullptr) {
      fail(fmt::format("its role names slot '@{}', which the module lacks", op.role.slot));
    }
    const OpView op_view = view(block_, op);
    if (!check_attrs(op, op_view)) return;
    if (const auto fault = check_types({op.def, op_view.operands, op.attrs, op.regions, {}}, op_view.results)) {
      return fail(fault->message);
    }
    check_slot(op, op_view);
  }

  bool check_attrs(const Op& op, const OpView& op_view) {
    if (op.attrs.size() != op.def->attrs.size()) {
      fail(fmt::format("{} has {} attributes, found {}", *op.def->name, op.def->attrs.size(), op.attrs.size()));
      return false;
    }
    std::vector<NamedAttr> given;
    for (std::size_t i = 0; i < op.attrs.size(); ++i) {
      given.push_back({std::string(op.def->attrs[i].name), op.attrs[i]});
    }
    const CompletedAttrs completed = complete_attrs(*op.def, std::move(given), op_view.operands);
    if (!completed.error.empty()) {
      fail(fmt::format("{}: {}", *op.def->name, completed.error));
      return false;
    }
    for (std::size_t i = 0; i < op.attrs.size(); ++i) {
      if (same(op.attrs[i], completed.attrs[i])) continue;
      fail(fmt::format("{}: `{}` is not in the form in which its kind is held", *op.def->name, op.def->attrs[i].name));
      return false;
    }
    return true;
  }

  void check_slot(const Op& op, const OpView& op_view) {
    const std::string* path = slot_of(op);
    if (path == nullptr) return;
    const Slot* slot = slots_.find(*path);
    if (slot == nullptr) {
      fail(fmt::format("unknown slot '@{}'", *path));
    } else if (plain(op_view.results[0]) != plain(slot->type)) {
      fail(fmt::format("slot '@{}' is {}, found {}", *path, to_string(slot->type), to_string(op_view.results[0])));
    }
  }

  const SlotIndex& slots_;
  const Block& block_;
  Subject subject_;
  const Report& report_;
  bool in_region_;
  std::vector<bool> defined_;
};

}  // namespace

Type plain(Type type) {
  type.layout.clear();
  return type;
}

std::optional<OpFault> check_types(const OpView& op, std::span<const Type> results) {
  const Inferred inferred = (*op.def->infer)(op);
  if (!inferred.error.empty()) return OpFault{fmt::format("{}: {}", *op.def->name, inferred.error), {}};
  if (inferred.types.size() != results.size()) {
    return OpFault{fmt::format("{} has {} results, found {}", *op.def->name, inferred.types.size(), results.size()),
                   {}};
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!well_formed(results[i])) return OpFault{fmt::format("malformed type {}", to_string(results[i])), i};
    // Where a value lies in memory is free.
    if (plain(results[i]) == plain(inferred.types[i])) continue;
    return OpFault{fmt::format("expected {}, as {} gives of its operands, found {}",
                               to_string(plain(inferred.types[i])), *op.def->name, to_string(results[i])),
                   i};
  }
  return std::nullopt;
}

void check_block(const SlotIndex& slots, const Block& block, Subject subject, std::size_t& item, const Report& report) {
  BlockChecker(slots, block, subject, report).run(item);
}

}  // namespace nnc::ir
