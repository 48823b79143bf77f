#include "passes/lookups.h"

#include "ir/builder.h"
#include "ir/check.h"
#include "ir/op.h"
#include "ir/ops/gather.h"
#include "ir/ops/movement.h"
#include "passes/rebuild.h"
#include "passes/rows.h"

#include <algorithm>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::passes {

using ir::Block;
using ir::Expr;
using ir::Op;
using ir::Shape;
using ir::ValueId;

namespace {

struct Transposed {
  bool a = false, b = false;
};

/// Rows of a matrix at the positions of a column, both in the block that is written.
struct Lookup {
  Expr table, index;
  ir::Location location;
  bool computed;  // the table, by this pass
};

class Lookups {
 public:
  Lookups(const Block& old, const ir::Target& target)
      : old_(old), target_(target), next_(old), builder_(next_.block()) {
    uses_.resize(static_cast<std::size_t>(old.value_count()));
    const auto count = [&](ValueId value) { ++uses_[static_cast<std::size_t>(value.index)]; };
    for (const Op& op : old.ops()) std::ranges::for_each(std::set(op.operands.begin(), op.operands.end()), count);
    std::ranges::for_each(old.results, count);
  }

  /// The block with work done on tables; nothing where there is none to do.
  std::optional<Block> run() {
    bool changed = false;
    for (const Op& op : old_.ops()) {
      builder_.location = op.location;
      builder_.role = op.role;
      if (const std::optional<Expr> value = by_table(op)) {
        next_.replace(op.results[0], value->value);
        changed = true;
      } else {
        next_.copy(op);
      }
    }
    if (!changed) return std::nullopt;
    return next_.finish();
  }

 private:
  const Shape& shape(ValueId value) const { return old_.type(value).shape; }

  std::optional<Expr> by_table(const Op& op) {
    if (is(op, "matmul")) return product(op);
    if (is(op, "scatter_add")) return sum(op);
    return op.def->as<ir::Elementwise>() != nullptr ? each(op) : std::nullopt;
  }

  Rows rows_of(ValueId value) const {
    return passes::rows_of(old_, value, [&](ValueId v) { return made_.contains(v); });
  }

  /// Where a value's rows are whole rows of a matrix, looked up.
  std::optional<Lookup> lookup(const Rows& rows) {
    if (const auto made = made_.find(rows.source); made != made_.end()) return made->second;
    const Op* const op = old_.definer(rows.source);
    if (op == nullptr || !is(*op, "gather") || !names_rows_of_matrix(*op)) return std::nullopt;
    return Lookup{now(op->operands[0]), now(op->operands[1]), op->location, false};
  }
  bool names_rows_of_matrix(const Op& op) const {
    const ir::OpView view = ir::view(old_, op);
    return view.operands[0].rank() == 2 && view.integer("axis") == 0 && ir::names_rows(view);
  }

  /// Whether multiplying `size` rows instead of `rows`, each of `width` numbers by `length` columns, saves more time
  /// than moving `rows` rows of `length` takes.
  bool pays(std::int64_t rows, std::int64_t size, std::int64_t width, std::int64_t length, const ir::Type& type) const {
    using Kind = ir::Work::Kind;
    if (rows <= size) return false;
    const ir::Work saved{Kind::contraction, 0, 2 * (rows - size) * width * length};
    const ir::Work moved{Kind::kernel, rows * length * ir::size_of(type.dtype), 0};
    return target_.microseconds(saved) > target_.microseconds(moved);
  }

  /// Rows are added up in their own type: not where a product is asked to sum in a wider one, as in bf16.
  static bool is_summable(const ir::OpView& product) {
    const ir::DType type = product.results[0].dtype;
    return ir::is_float(type) && ir::size_of(product.get<ir::DType>("accumulate")) <= ir::size_of(type);
  }

  std::optional<Expr> product(const Op& op) {
    const ir::OpView view = ir::view(old_, op);
    if (!is_summable(view) || view.operands[1].rank() != 2) return std::nullopt;
    if (!view.flag("transpose_a")) return product_of_rows(op, view.flag("transpose_b"));
    if (view.operands[0].rank() != 2 || view.flag("transpose_b")) return std::nullopt;
    for (const std::size_t side : {0, 1}) {
      if (std::optional<Expr> value = gradient_of_weight(op, side)) return value;
    }
    return std::nullopt;
  }

  /// gather(E, i) W -> gather(E W, i). What else reads the rows goes on doing so.
  std::optional<Expr> product_of_rows(const Op& op, bool transpose_b) {
    const Rows rows = rows_of(op.operands[0]);
    const std::optional<Lookup> lookup = this->lookup(rows);
    if (!lookup) return std::nullopt;
    const ir::Type& result = old_.type(op.results[0]);
    const std::int64_t length = result.shape.back(), count = result.elements() / length;
    const Shape table = lookup->table.shape();
    if (!pays(count, table[0], table[1], length, result)) return std::nullopt;
    return looked_up(op, multiply(lookup->table, now(op.operands[1]), {.b = transpose_b}), rows, *lookup);
  }

  /// f(gather(E, i), c) -> gather(f(E, c), i) of an elementwise f, where c is the same for all rows. It goes on from a
  /// product: by itself it would write a table so that a kernel reads that one instead, and where others read the rows
  /// as well, two.
  std::optional<Expr> each(const Op& op) {
    if (op.results.size() != 1 || ir::uses_coordinates(ir::view(old_, op))) return std::nullopt;
    const ir::Type& result = old_.type(op.results[0]);
    std::optional<ValueId> varies;
    for (const ValueId operand : op.operands) {
      if (is_one_row(operand)) continue;
      if (varies.value_or(operand) != operand) return std::nullopt;
      varies = operand;
    }
    if (!varies || shape(*varies) != result.shape) return std::nullopt;
    const Rows rows = rows_of(*varies);
    const std::optional<Lookup> lookup = this->lookup(rows);
    if (!lookup || !lookup->computed || !serves_once(rows, *varies)) return std::nullopt;
    const Shape table = lookup->table.shape();
    if (2 * table[0] > result.elements() / table[1]) return std::nullopt;  // read and written
    Op small{op};
    small.results.clear();
    for (ValueId& operand : small.operands) operand = operand == *varies ? lookup->table.value : one_row(operand).value;
    const ValueId made = next_.block().append(std::move(small), {{result.dtype, table, {}}})[0];
    return looked_up(op, builder_.expr(made), rows, *lookup);
  }

  bool is_one_row(ValueId value) const {
    const ir::Type& type = old_.type(value);
    return type.elements() == (type.rank() == 0 ? 1 : type.shape.back());
  }
  Expr one_row(ValueId value) {
    const Shape& all = shape(value);
    return builder_.reshape(now(value), all.empty() ? all : Shape{all.back()});
  }

  /// The result of an op as rows of another table at the same positions, moved as before.
  Expr looked_up(const Op& op, Expr table, const Rows& rows, const Lookup& before) {
    builder_.location = op.location.merged(before.location);
    const Expr index = column(moved(builder_, old_, rows, before.index));
    made_[op.results[0]] = {table, index, builder_.location, true};
    return builder_.reshape(builder_.op("gather", {table, index}), shape(op.results[0]));
  }

  /// With `side` 0 gather(E, i)^T D -> E^T scatter_add(D, i), with 1 D^T gather(E, i) -> scatter_add(D, i)^T E
  std::optional<Expr> gradient_of_weight(const Op& op, std::size_t side) {
    const Rows rows = rows_of(op.operands[side]);
    const std::optional<Lookup> lookup = this->lookup(rows);
    if (!lookup) return std::nullopt;
    const ValueId other = op.operands[1 - side];
    if (shape(other)[0] > ir::highest(ir::DType::i32)) return std::nullopt;  // scatter_add takes no more
    const Shape table = lookup->table.shape();
    if (!pays(shape(other)[0], table[0], table[1], shape(other)[1], old_.type(other))) return std::nullopt;
    builder_.location = op.location.merged(lookup->location);
    const Expr sums = add_up(now(other), column(moved(builder_, old_, rows, lookup->index)), table[0]);
    Expr sides[] = {lookup->table, sums};
    if (side == 1) std::swap(sides[0], sides[1]);
    return multiply(sides[0], sides[1], {.a = true});
  }

  /// scatter_add(D W, i) -> scatter_add(D, i) W, where nothing else needs D W, which would be another product.
  std::optional<Expr> sum(const Op& op) {
    if (!names_rows_of_matrix(op)) return std::nullopt;
    Rows rows = rows_of(op.operands[0]);
    const Op* const product = old_.definer(rows.source);
    if (product == nullptr || !is(*product, "matmul")) return std::nullopt;
    if (std::ranges::any_of(rows.moves, [](const Op* move) { return is(*move, "slice"); })) return std::nullopt;
    const ir::OpView view = ir::view(old_, *product);
    if (!is_summable(view) || view.flag("transpose_a") || view.operands[1].rank() != 2) return std::nullopt;
    if (!serves_once(rows, op.operands[0])) return std::nullopt;
    const std::int64_t count = shape(op.operands[0])[0], size = shape(op.results[0])[0];
    const std::int64_t width = shape(op.results[0])[1], length = view.operands[0].shape.back();
    if (!pays(count, size, width, length, view.operands[0])) return std::nullopt;
    builder_.location = op.location.merged(product->location);
    const Expr index = column(moved_back(rows, now(op.operands[1])));
    const Expr sums = add_up(builder_.reshape(now(product->operands[0]), {count, length}), index, size);
    return multiply(sums, now(product->operands[1]), {.b = view.flag("transpose_b")});
  }

  /// One position for each of the rows as moved, as the rows were before.
  Expr moved_back(const Rows& rows, Expr index) {
    for (const Op* move : rows.moves | std::views::reverse) {
      if (is(*move, "permute")) {
        index = builder_.permute(index, ir::inverse_order(order_of(old_, *move)));
      } else {
        index = builder_.reshape(index, with_one_column(shape(move->operands[0])));
      }
    }
    return index;
  }

  Expr column(Expr index) { return builder_.reshape(index, {index.type().elements(), 1}); }
  Expr now(ValueId value) { return builder_.expr(next_[value]); }
  Expr add_up(Expr rows, Expr index, std::int64_t size) {
    return builder_.op("scatter_add", {rows, index}, {{"size", size}});
  }
  Expr multiply(Expr a, Expr b, Transposed transposed) {
    return builder_.op("matmul", {a, b}, {{"transpose_a", transposed.a}, {"transpose_b", transposed.b}});
  }

  /// Whether nothing but one op reads a value, nor what its rows come through.
  bool serves_once(const Rows& rows, ValueId value) const {
    const auto once = [&](ValueId v) { return uses_[static_cast<std::size_t>(v.index)] == 1; };
    return once(value) && std::ranges::all_of(rows.passed, once);
  }

  const Block& old_;
  const ir::Target& target_;
  Rebuild next_;
  ir::Builder builder_;
  std::vector<int> uses_;           // ops that read a value, and results
  std::map<ValueId, Lookup> made_;  // what now stands for values
};

void work_on_tables(Block& block, const ir::Target& target) {
  for (Op& op : block.ops())
    for (Block& region : op.regions) work_on_tables(region, target);
  if (std::optional<Block> changed = Lookups(block, target).run()) block = *std::move(changed);
}

}  // namespace

ir::Status lookups(ir::Module& module, PassContext& context) {
  NNC_CHECK(context.target != nullptr, "no target to choose for");
  for_each_body(module, [&](Block& block) { work_on_tables(block, *context.target); });
  return ir::Status::ok;
}

}  // namespace nnc::passes
