// Appends ops to a block, with their types inferred.
//
// Gradient rules and passes write arithmetic on `Expr` as they would on paper:
//
//   g.accumulate(0, g.dy() * g.operand(1));      // d(a * b)/da = b
#pragma once

#include "ir/graph.h"
#include "ir/op.h"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nnc::ir {

class Builder;

/// A value together with the builder that appends to its block.
struct Expr {
  Builder* builder = nullptr;
  ValueId value;

  // By value: the block grows, and what it holds moves.
  Type type() const;
  Shape shape() const;
  DType dtype() const;
};

class Builder {
 public:
  explicit Builder(Block& block) : block_(&block) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  /// Stamped on every op appended.
  Location location;
  Role role;

  Block& block() { return *block_; }
  Expr expr(ValueId value) { return {this, value}; }

  /// Appends an op with one result; operands that do not fit are our own mistake.
  Expr op(std::string_view name, const std::vector<Expr>& operands, std::vector<NamedAttr> attrs = {});
  /// The same for any number of results, with regions, and with the reason as text where the operands do not fit.
  std::variant<std::vector<Expr>, std::string> try_op(const OpDef& def, const std::vector<Expr>& operands,
                                                      std::vector<NamedAttr> attrs, std::vector<Block> regions = {});

  Expr constant(Tensor value);
  /// A scalar of that type.
  Expr constant(double value, DType dtype);
  Expr slot(std::string path, const Type& type);
  /// Numbers in [0, 1), f32: a function of key and step (i64[]), the stream's name and the position.
  Expr random(Expr key, Expr step, Shape shape, std::string stream);
  /// 0, 1, ... below `size`, i32, along a dimension before `trailing` ones of extent 1.
  Expr iota(std::int64_t size, std::int64_t trailing = 0);
  Expr cast(Expr x, DType dtype);          // x itself if it has the type
  Expr reshape(Expr x, Shape shape);       // x itself if it has the shape
  Expr broadcast_to(Expr x, Shape shape);  // NumPy's rule; x itself if it has the shape
  Expr sum_to(Expr x, Shape shape);        // the gradient of broadcast_to: sums what was broadcast
  Expr sum(Expr x, std::vector<std::int64_t> axes, bool keepdim = false);
  Expr transpose_last(Expr x);  // swaps the last two dimensions
  Expr permute(Expr x, std::vector<std::int64_t> order);

 private:
  Block* block_;
};

// Elementwise arithmetic; a double takes the type of the other side.
Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator-(Expr a);
Expr operator==(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator&&(Expr a, Expr b);
Expr operator+(Expr a, double b);
Expr operator-(Expr a, double b);
Expr operator-(double a, Expr b);
Expr operator*(Expr a, double b);
Expr operator/(double a, Expr b);
Expr operator/(Expr a, double b);
Expr operator==(Expr a, double b);
Expr operator<(Expr a, double b);
Expr operator>(Expr a, double b);
Expr where(Expr condition, Expr a, Expr b);
Expr where(Expr condition, Expr a, double b);
Expr where(Expr condition, double a, Expr b);
/// An elementwise op of one operand, by name.
Expr apply(std::string_view op, Expr x);

/// What autodiff offers to the rules of ops with regions: itself.
struct Differentiation {
  /// For each value of a block, whether a gradient can flow from it to one of `roots`.
  std::vector<bool> (*flows_to)(const Block& block, const std::vector<ValueId>& roots);
  /// Appends to the builder's block the gradients with respect to `wrt`, given those of `values`; invalid where none
  /// reaches.
  std::vector<ValueId> (*differentiate)(Builder& builder, const std::vector<ValueId>& values,
                                        const std::vector<ValueId>& gradients, const std::vector<ValueId>& wrt);
};

/// What a gradient rule sees of its op.
class GradCtx {
 public:
  /// `op` is a copy of the block's op at `position`; a gradient that is not there is an invalid value.
  GradCtx(Builder& builder, const Op& op, std::size_t position, std::vector<ValueId> dys, std::vector<bool> wanted,
          const Differentiation& differentiation);

  const Op& op() const { return *op_; }
  const OpView& view() const { return view_; }
  Builder& builder() { return *builder_; }
  Expr operand(std::size_t i) const { return operands_[i]; }
  Expr result(std::size_t i = 0) const { return results_[i]; }
  /// The gradient of a result; of the result's type. Zero where the loss does not depend on it.
  Expr dy(std::size_t i = 0) const;
  /// Whether the loss depends on result i.
  bool reached(std::size_t i) const { return dys_[i].valid(); }
  /// Whether anyone needs the gradient of operand i; a rule may skip the work where not.
  bool wants(std::size_t i) const { return wanted_[i]; }
  /// Adds to the gradient of operand i; what the op broadcast is summed away.
  void accumulate(std::size_t i, Expr contribution);
  /// For ops with regions.
  const Differentiation& differentiation() const { return *differentiation_; }
  /// Gives the op a region that does the same and yields further values; gives the further results.
  std::vector<Expr> extend(Block region);

  /// What was accumulated for each operand; invalid values where nothing was.
  const std::vector<ValueId>& contributions() const { return contributions_; }

 private:
  Builder* builder_;
  const Op* op_;
  std::size_t position_;
  OpView view_;
  std::vector<Expr> operands_, results_;
  std::vector<ValueId> dys_;
  const Differentiation* differentiation_;
  std::vector<bool> wanted_;
  std::vector<ValueId> contributions_;
};

/// Appends the ops of `callee` with its parameters replaced by `args`; gives its results. Ops get the builder's role if
/// `set_role`, and keep their own otherwise; locations stay the callee's, behind the builder's where it has one.
std::vector<Expr> inline_block(Builder& builder, const Block& callee, const std::vector<Expr>& args,
                               bool set_role = false);

}  // namespace nnc::ir
