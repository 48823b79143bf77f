// With c' , y = f(t, c, s, v) at each step, the steps are gone through the other way round:
//
//   dc, ds, dv = f^T(dc', dy)         dc is handed on, ds is yielded, dv is added up
//
// f^T is what autodiff makes of the region. What it reads of f's values is either yielded by the forward loop, row by
// row, or computed again from what is there: where that needs less memory, if it is no contraction, reduction or loop.
#include "ir/ops/scan.h"
#include "ir/value_map.h"

#include <algorithm>
#include <map>

namespace nnc::ir {

namespace {

std::size_t at(ValueId value) { return static_cast<std::size_t>(value.index); }

/// Which values of the forward region the backward region gets, and which it computes again. Ops before `forward_ops`
/// are the region's own.
class Savings {
 public:
  Savings(const Block& block, const ScanParts& parts, std::size_t params, std::size_t forward_ops,
          const std::vector<ValueId>& wanted)
      : block_(block),
        needed_(static_cast<std::size_t>(block.value_count())),
        free_(needed_.size()),
        kept_(needed_.size()),
        same_each_step_(same_each_step(block, {})) {
    // The step's number, the rows and what every step sees are there; a carry's old value is not.
    for (std::size_t i = 0; i < params; ++i) free_[at(block.params()[i])] = i == 0 || i > parts.carries;
    for (std::size_t i = params; i < block.params().size(); ++i) free_[at(block.params()[i])] = true;
    for (const ValueId value : wanted) need(value);
    for (std::size_t i = block.ops().size(); i-- > 0;) {
      const Op& op = block.ops()[i];
      if (!std::ranges::any_of(op.results, [&](ValueId r) { return needed_[at(r)]; })) continue;
      if (i >= forward_ops || is_cheaper(op))
        std::ranges::for_each(op.operands, [&](ValueId operand) { need(operand); });
      else
        for (const ValueId result : op.results) kept_[at(result)] = needed_[at(result)];
    }
    for (std::size_t i = 1; i <= parts.carries; ++i) {
      const ValueId carry = block.params()[i];
      kept_[at(carry)] = needed_[at(carry)];
    }
  }

  bool needed(ValueId value) const { return needed_[at(value)]; }
  /// The backward region gets the value from the forward loop.
  bool kept(ValueId value) const { return kept_[at(value)]; }

 private:
  void need(ValueId value) { needed_[at(value)] = true; }

  /// Of each position more than a sum or a product.
  bool has_function(const Op& op) const {
    if (op.def->as<Elementwise>() == nullptr) return false;
    const ScalarProgram program = scalar_program(view(block_, op));
    return std::ranges::any_of(program.instrs, [](const ScalarInstr& instr) { return is_function(instr.op); });
  }

  bool is_local(const Op& op) const {
    return op.def->as<Elementwise>() != nullptr || op.def->as<Movement>() != nullptr || op.operands.empty();
  }

  /// Bytes that a step has to keep to have the value, in which those kept already do not count.
  std::int64_t cost(ValueId value, int depth) const {
    if (needed_[at(value)] || free_[at(value)]) return 0;
    const std::int64_t own = block_.type(value).bytes();
    const Op* op = block_.definer(value);
    if (op == nullptr || !is_local(*op) || depth == 0) return own;
    std::int64_t sum = 0;
    for (const ValueId operand : op->operands) sum += cost(operand, depth - 1);
    return has_function(*op) && sum > 0 ? own : std::min(own, sum);
  }

  bool is_cheaper(const Op& op) const {
    if (same_each_step_[at(op.results[0])]) return true;
    if (!is_local(op)) return false;
    std::int64_t sum = 0, own = 0;
    for (const ValueId operand : op.operands) sum += cost(operand, 8);
    for (const ValueId result : op.results) own += block_.type(result).bytes();
    return has_function(op) ? sum == 0 : sum <= own;
  }

  const Block& block_;
  std::vector<bool> needed_, free_, kept_;
  std::vector<bool> same_each_step_;  // of constants alone: a product of operands would be computed in each step again
};

class ScanGradient {
 public:
  explicit ScanGradient(GradCtx& g)
      : g_(g), parts_(g.view()), body_(g.op().regions[0]), own_params_(body_.params().size()) {}

  void run() {
    find_active();
    differentiate();
    if (std::ranges::none_of(gradients_, [](const auto& entry) { return entry.second.valid(); })) return;
    std::vector<ValueId> wanted;
    for (const auto& [value, gradient] : gradients_)
      if (gradient.valid()) wanted.push_back(gradient);
    const Savings savings(body_, parts_, own_params_, forward_ops_, wanted);
    const std::vector<std::pair<ValueId, Expr>> kept = extend_forward(savings);
    append_backward(savings, kept);
  }

 private:
  ValueId param(std::size_t operand) const { return body_.params()[operand + 1]; }
  bool is_scanned(std::size_t operand) const {
    return operand >= parts_.carries && operand < parts_.carries + parts_.scanned;
  }

  void find_active() {
    std::vector<bool> wanted;
    for (std::size_t i = 0; i < g_.op().operands.size(); ++i) wanted.push_back(g_.wants(i));
    const std::vector<bool> active = flows_in_body(body_, parts_.carries, wanted, g_.differentiation().flows_to);
    for (std::size_t i = 0; i < parts_.carries; ++i) active_carry_.push_back(active[at(param(i))]);
  }

  /// Appends the backward ops to the body, on parameters that stand for the gradients of the results.
  void differentiate() {
    forward_ops_ = body_.ops().size();
    Builder builder(body_);
    builder.role = g_.builder().role;
    std::vector<ValueId> values, given, wrt;
    for (std::size_t i = 0; i < body_.results.size(); ++i) {
      const Type type = body_.type(body_.results[i]);
      const bool carried = i < parts_.carries;
      if (carried ? !active_carry_[i] : !g_.reached(i) || !is_float(type.dtype)) continue;
      values.push_back(body_.results[i]);
      given.push_back(body_.add_param(type));
      given_.emplace_back(i, given.back());
    }
    std::vector<std::size_t> operands;
    for (std::size_t i = 0; i < g_.op().operands.size(); ++i) {
      if (i < parts_.carries ? !active_carry_[i] : !g_.wants(i)) continue;
      operands.push_back(i);
      wrt.push_back(param(i));
    }
    const std::vector<ValueId> found = g_.differentiation().differentiate(builder, values, given, wrt);
    for (std::size_t i = 0; i < operands.size(); ++i) gradients_[operands[i]] = found[i];
  }

  /// Lets the forward loop yield what the backward one gets; gives the stacked values.
  std::vector<std::pair<ValueId, Expr>> extend_forward(const Savings& savings) {
    // The body without what was appended: not the region as it was, whose loops have been extended since.
    Block forward;
    ValueMap map(body_);
    for (std::size_t i = 0; i < own_params_; ++i) map.add_param(forward, body_.params()[i]);
    for (std::size_t i = 0; i < forward_ops_; ++i) map.copy(forward, body_.ops()[i]);
    for (const ValueId result : body_.results) forward.results.push_back(map[result]);

    std::vector<std::pair<ValueId, Expr>> kept;
    std::vector<ValueId> further;
    for (std::int32_t i = 0; i < body_.value_count(); ++i) {
      const ValueId value{i};
      if (!savings.kept(value)) continue;
      const auto yields = forward.results.begin() + static_cast<std::ptrdiff_t>(parts_.carries);
      const auto known = std::find(yields, forward.results.end(), map[value]);
      if (known != forward.results.end()) {
        kept.emplace_back(value, g_.result(static_cast<std::size_t>(known - forward.results.begin())));
      } else {
        further.push_back(value);
      }
    }
    for (const ValueId value : further) forward.results.push_back(map[value]);
    const std::vector<Expr> results = g_.extend(std::move(forward));
    for (std::size_t i = 0; i < further.size(); ++i) kept.emplace_back(further[i], results[i]);
    return kept;
  }

  /// The parameters of the backward region, in order, with the operands they get.
  class Interface {
   public:
    Interface(Block& region, ValueMap& map) : region_(region), map_(map) {}
    void add(ValueId stands_for, const Type& type, Expr operand) {
      const ValueId param = region_.add_param(type);
      if (stands_for.valid()) map_.set(stands_for, param);
      operands.push_back(operand);
      params.push_back(param);
    }
    std::vector<Expr> operands;
    std::vector<ValueId> params;

   private:
    Block& region_;
    ValueMap& map_;
  };

  void append_backward(const Savings& savings, const std::vector<std::pair<ValueId, Expr>>& kept) {
    Builder& outside = g_.builder();
    const auto zeros = [&](Builder& builder, const Type& type) {
      return builder.broadcast_to(builder.constant(0.0, type.dtype), type.shape);
    };
    Block region;
    ValueMap map(body_);
    map.add_param(region, body_.params()[0]);
    Interface interface(region, map);
    std::vector<std::size_t> carried, summed, yielded;  // operands of the forward loop
    for (const auto& [result, given] : given_) {
      if (result >= parts_.carries) continue;
      carried.push_back(result);
      interface.add(given, body_.type(given), g_.dy(result));
    }
    for (const auto& [operand, gradient] : gradients_) {
      if (operand < parts_.carries || !gradient.valid()) continue;
      if (is_scanned(operand)) {
        yielded.push_back(operand);
        continue;
      }
      summed.push_back(operand);
      const Type type = body_.type(param(operand));
      interface.add({}, type, zeros(outside, type));
    }
    const std::size_t carries = interface.operands.size();
    for (const auto& [result, given] : given_)
      if (result >= parts_.carries) interface.add(given, body_.type(given), g_.dy(result));
    for (const auto& [value, stacked] : kept) interface.add(value, body_.type(value), stacked);
    for (std::size_t i = 0; i < g_.op().operands.size(); ++i)
      if (is_scanned(i) && savings.needed(param(i))) interface.add(param(i), body_.type(param(i)), g_.operand(i));
    const std::size_t scanned = interface.operands.size() - carries;
    for (std::size_t i = parts_.carries + parts_.scanned; i < g_.op().operands.size(); ++i)
      if (savings.needed(param(i))) interface.add(param(i), body_.type(param(i)), g_.operand(i));

    for (const Op& op : body_.ops()) {
      const auto missing = [&](ValueId result) { return savings.needed(result) && !map.has(result); };
      if (std::ranges::any_of(op.results, missing)) map.copy(region, op);
    }
    Builder inside(region);
    inside.location = outside.location;
    inside.role = outside.role;
    for (const std::size_t operand : carried) {
      const ValueId gradient = gradients_.at(operand);
      region.results.push_back(gradient.valid() ? map[gradient] : zeros(inside, body_.type(param(operand))).value);
    }
    for (std::size_t i = 0; i < summed.size(); ++i) {
      const Expr sum = inside.expr(interface.params[carried.size() + i]);
      region.results.push_back((sum + inside.expr(map[gradients_.at(summed[i])])).value);
    }
    for (const std::size_t operand : yielded) region.results.push_back(map[gradients_.at(operand)]);

    const std::vector<Expr> results =
        build_scan(outside, {carries, scanned, parts_.length, !parts_.reverse}, interface.operands, std::move(region));
    std::size_t next = 0;
    for (const auto* operands : {&carried, &summed, &yielded})
      for (const std::size_t operand : *operands) g_.accumulate(operand, results[next++]);
  }

  GradCtx& g_;
  ScanParts parts_;
  Block body_;  // the region, then its backward ops
  std::size_t own_params_, forward_ops_ = 0;
  std::vector<bool> active_carry_;
  std::vector<std::pair<std::size_t, ValueId>> given_;  // (result, parameter that is its gradient)
  std::map<std::size_t, ValueId> gradients_;            // of operands
};

}  // namespace

std::vector<bool> flows_in_body(const Block& body, std::size_t carries, const std::vector<bool>& wanted,
                                std::vector<bool> (*flows_to)(const Block&, const std::vector<ValueId>&)) {
  std::vector<ValueId> roots;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i]) roots.push_back(body.params()[i + 1]);
  for (;;) {
    std::vector<bool> flows = flows_to(body, roots);
    const std::size_t known = roots.size();
    for (std::size_t i = 0; i < carries; ++i) {
      const ValueId carry = body.params()[i + 1];
      if (!flows[at(carry)] && flows[at(body.results[i])]) roots.push_back(carry);
    }
    if (roots.size() == known) return flows;
  }
}

void scan_gradient(GradCtx& g) { ScanGradient(g).run(); }

}  // namespace nnc::ir
