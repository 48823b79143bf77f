#include "ir/builder.h"

#include "ir/check.h"
#include "ir/value_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace nnc::ir {

Type Expr::type() const { return builder->block().type(value); }
Shape Expr::shape() const { return builder->block().type(value).shape; }
DType Expr::dtype() const { return builder->block().type(value).dtype; }

std::variant<std::vector<Expr>, std::string> Builder::try_op(const OpDef& def, const std::vector<Expr>& operands,
                                                             std::vector<NamedAttr> attrs, std::vector<Block> regions) {
  if (!def.takes(operands.size()))
    return fmt::format("expected {} operands, found {}", def.operands->size(), operands.size());
  OpView view{&def, {}, {}, regions, {}};
  for (const Expr& operand : operands) view.operands.push_back(operand.type());
  CompletedAttrs completed = complete_attrs(def, std::move(attrs), view.operands);
  if (!completed.error.empty()) return std::move(completed.error);
  view.attrs = completed.attrs;
  Inferred inferred = (*def.infer)(view);
  if (!inferred.error.empty()) return std::move(inferred.error);

  Op op{&def, {}, {}, std::move(completed.attrs), std::move(regions), location, role};
  for (const Expr& operand : operands) op.operands.push_back(operand.value);
  std::vector<Expr> results;
  for (ValueId value : block_->append(std::move(op), inferred.types)) results.push_back(expr(value));
  return results;
}

Expr Builder::op(std::string_view name, const std::vector<Expr>& operands, std::vector<NamedAttr> attrs) {
  const OpDef* def = find_op(name);
  NNC_CHECK(def, "no op is called {}", name);
  auto built = try_op(*def, operands, std::move(attrs));
  if (const auto* error = std::get_if<std::string>(&built)) {
    const SourcePoint at = location.point();
    internal_error(__FILE__, __LINE__,
                   fmt::format("{}: {} (from {}:{}:{})", name, *error, at.file, at.line, at.column));
  }
  return std::get<std::vector<Expr>>(built).front();
}

Expr Builder::constant(Tensor value) { return op("constant", {}, {{"value", std::move(value)}}); }
Expr Builder::constant(double value, DType dtype) { return constant(Tensor::splat(Type{dtype, {}, {}}, value)); }
Expr Builder::slot(std::string path, const Type& type) {
  return op("slot", {}, {{"path", std::move(path)}, {"shape", type.shape}, {"dtype", type.dtype}});
}
Expr Builder::random(Expr key, Expr step, Shape shape, std::string stream) {
  return op("random", {key, step}, {{"shape", std::move(shape)}, {"stream", std::move(stream)}});
}

Expr Builder::iota(std::int64_t size, std::int64_t trailing) {
  return op("iota", {}, {{"size", size}, {"trailing", trailing}});
}
Expr Builder::cast(Expr x, DType dtype) { return x.dtype() == dtype ? x : op("cast", {x}, {{"dtype", dtype}}); }
Expr Builder::reshape(Expr x, Shape shape) {
  return x.shape() == shape ? x : op("reshape", {x}, {{"shape", std::move(shape)}});
}
Expr Builder::broadcast_to(Expr x, Shape shape) {
  return x.shape() == shape ? x : op("broadcast", {x}, {{"shape", std::move(shape)}});
}
Expr Builder::sum(Expr x, std::vector<std::int64_t> axes, bool keepdim) {
  return op("sum", {x}, {{"axis", std::move(axes)}, {"keepdim", keepdim}});
}

Expr Builder::sum_to(Expr x, Shape shape) {
  const Shape from = x.shape();
  if (from == shape) return x;
  const std::size_t added = from.size() - shape.size();
  std::vector<std::int64_t> axes;
  for (std::size_t d = 0; d < from.size(); ++d)
    if (d < added || (shape[d - added] == 1 && from[d] != 1)) axes.push_back(static_cast<std::int64_t>(d));
  return reshape(axes.empty() ? x : sum(x, axes), std::move(shape));
}

Expr Builder::permute(Expr x, std::vector<std::int64_t> order) {
  return op("permute", {x}, {{"order", std::move(order)}});
}

Expr Builder::transpose_last(Expr x) {
  std::vector<std::int64_t> order(x.shape().size());
  std::iota(order.begin(), order.end(), 0);
  NNC_CHECK(order.size() >= 2, "the last two dimensions of {}", to_string(x.type()));
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return permute(x, std::move(order));
}

namespace {

Expr binary(std::string_view name, Expr a, Expr b) { return a.builder->op(name, {a, b}); }
Expr like(Expr a, double value) { return a.builder->constant(value, a.dtype()); }

}  // namespace

Expr operator+(Expr a, Expr b) { return binary("add", a, b); }
Expr operator-(Expr a, Expr b) { return binary("sub", a, b); }
Expr operator*(Expr a, Expr b) { return binary("mul", a, b); }
Expr operator/(Expr a, Expr b) { return binary("div", a, b); }
Expr operator-(Expr a) { return apply("neg", a); }
Expr operator==(Expr a, Expr b) { return binary("eq", a, b); }
Expr operator>(Expr a, Expr b) { return binary("gt", a, b); }
Expr operator>=(Expr a, Expr b) { return binary("ge", a, b); }
Expr operator<(Expr a, Expr b) { return binary("lt", a, b); }
Expr operator&&(Expr a, Expr b) { return binary("and", a, b); }
Expr operator+(Expr a, double b) { return a + like(a, b); }
Expr operator-(Expr a, double b) { return a - like(a, b); }
Expr operator-(double a, Expr b) { return like(b, a) - b; }
Expr operator*(Expr a, double b) { return a * like(a, b); }
Expr operator/(double a, Expr b) { return like(b, a) / b; }
Expr operator/(Expr a, double b) { return a / like(a, b); }
Expr operator==(Expr a, double b) { return a == like(a, b); }
Expr operator<(Expr a, double b) { return a < like(a, b); }
Expr operator>(Expr a, double b) { return a > like(a, b); }
Expr where(Expr condition, Expr a, Expr b) { return a.builder->op("where", {condition, a, b}); }
Expr where(Expr condition, Expr a, double b) { return where(condition, a, like(a, b)); }
Expr where(Expr condition, double a, Expr b) { return where(condition, like(b, a), b); }
Expr apply(std::string_view op, Expr x) { return x.builder->op(op, {x}); }

GradCtx::GradCtx(Builder& builder, const Op& op, std::size_t position, std::vector<ValueId> dys,
                 std::vector<bool> wanted, const Differentiation& differentiation)
    : builder_(&builder),
      op_(&op),
      position_(position),
      view_(ir::view(builder.block(), op)),
      dys_(std::move(dys)),
      differentiation_(&differentiation),
      wanted_(std::move(wanted)),
      contributions_(op.operands.size()) {
  for (const ValueId operand : op.operands) operands_.push_back(builder.expr(operand));
  for (const ValueId result : op.results) results_.push_back(builder.expr(result));
}

Expr GradCtx::dy(std::size_t i) const {
  const Type type = results_[i].type();
  if (dys_[i].valid() || !is_float(type.dtype)) return builder_->expr(dys_[i]);
  return builder_->broadcast_to(builder_->constant(0.0, type.dtype), type.shape);
}

std::vector<Expr> GradCtx::extend(Block region) {
  std::vector<Block> regions;
  regions.push_back(std::move(region));
  OpView wider = view_;
  wider.regions = regions;
  const Inferred inferred = (*op_->def->infer)(wider);
  NNC_CHECK_OP(inferred.error.empty(), *op_, "{}", inferred.error);
  const std::vector<Type> further(inferred.types.begin() + static_cast<std::ptrdiff_t>(results_.size()),
                                  inferred.types.end());
  std::vector<Expr> results;
  for (const ValueId value : builder_->block().extend(position_, std::move(regions), further))
    results.push_back(builder_->expr(value));
  return results;
}

void GradCtx::accumulate(std::size_t i, Expr contribution) {
  if (!wanted_[i]) return;
  const Type type = operands_[i].type();
  NNC_CHECK_OP(contribution.dtype() == type.dtype, *op_, "the gradient of operand {} is {}, the operand {}", i,
               to_string(contribution.type()), to_string(type));
  contribution =
      builder_->sum_to(builder_->broadcast_to(contribution, *broadcast(contribution.shape(), type.shape)), type.shape);
  contributions_[i] =
      contributions_[i].valid() ? (builder_->expr(contributions_[i]) + contribution).value : contribution.value;
}

std::vector<Expr> inline_block(Builder& builder, const Block& callee, const std::vector<Expr>& args, bool set_role) {
  NNC_CHECK(args.size() == callee.params().size(), "a block of {} parameters is given {}", callee.params().size(),
            args.size());
  ValueMap map(callee);
  for (std::size_t i = 0; i < args.size(); ++i) {
    NNC_CHECK(args[i].type() == callee.type(callee.params()[i]), "parameter {} is {}, the argument {}", i,
              to_string(callee.type(callee.params()[i])), to_string(args[i].type()));
    map.set(callee.params()[i], args[i].value);
  }
  const CallChain caller = builder.location.empty() ? CallChain{} : builder.location.chains().front();
  for (const Op& op : callee.ops()) {
    Op copy = map.mapped(op);
    if (set_role) copy.role = builder.role;
    if (!caller.empty()) {
      std::vector<CallChain> chains;
      for (const CallChain& chain : op.location.chains()) {
        chains.push_back(caller);
        chains.back().insert(chains.back().end(), chain.begin(), chain.end());
      }
      copy.location = chains.empty() ? builder.location : Location(std::move(chains));
    }
    map.append(builder.block(), op, std::move(copy));
  }
  std::vector<Expr> results;
  for (ValueId result : callee.results) results.push_back(builder.expr(map[result]));
  return results;
}

}  // namespace nnc::ir
