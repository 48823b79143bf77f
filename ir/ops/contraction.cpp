#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/multiply_rows.h"
#include "ir/ops/transpose.h"
#include "ir/samples.h"
#include "ir/simplify.h"
#include "ir/steps.h"

#include <algorithm>
#include <string_view>

namespace nnc::ir {

namespace {

/// Extents of a product: a is [batch.., m, k], b is [batch.., k, n], after the transposes.
struct Product {
  Shape batch;  // broadcast
  std::int64_t m, k, n;
  std::int64_t k_of_b;
};

Shape batch_of(const Type& type) { return {type.shape.begin(), type.shape.end() - 2}; }

std::optional<Product> product_of(const OpView& op) {
  const Shape& a = op.operands[0].shape;
  const Shape& b = op.operands[1].shape;
  const bool ta = op.flag("transpose_a"), tb = op.flag("transpose_b");
  const auto batch = broadcast(batch_of(op.operands[0]), batch_of(op.operands[1]));
  if (!batch) return std::nullopt;
  const std::size_t i = a.size(), j = b.size();
  return Product{*batch, a[i - (ta ? 1 : 2)], a[i - (ta ? 2 : 1)], b[j - (tb ? 2 : 1)], b[j - (tb ? 1 : 2)]};
}

Inferred infer_matmul(const OpView& op) {
  const Type &a = op.operands[0], &b = op.operands[1];
  if (!is_float(a.dtype) || a.dtype != b.dtype)
    return Inferred::fail(
        fmt::format("expected two float tensors of one element type, found {} and {}", to_string(a), to_string(b)));
  if (a.rank() < 2 || b.rank() < 2)
    return Inferred::fail(fmt::format(
        "expected at least 2 dimensions, found {} and {}; a vector `v` is the column `v[:, none]` or the row `v[none]`",
        to_string(a), to_string(b)));
  const auto p = product_of(op);
  if (!p)
    return Inferred::fail(
        fmt::format("the leading dimensions of {} and {} do not broadcast", to_string(a), to_string(b)));
  if (p->k != p->k_of_b) {
    const std::string_view mend = p->k == p->n        ? "; the second one transposed, `.mT`, fits"
                                  : p->m == p->k_of_b ? "; the first one transposed, `.mT`, fits"
                                                      : "";
    return Inferred::fail(fmt::format("the inner dimensions differ: {} and {}, of {} and {}{}", p->k, p->k_of_b,
                                      to_string(a), to_string(b), mend));
  }
  const auto accumulate = op.get<DType>("accumulate");
  if (!is_float(accumulate) || accumulate == DType::bf16)
    return Inferred::fail(fmt::format("`accumulate` must be f32 or f64, found {}", name(accumulate)));
  Type result{a.dtype, p->batch, {}};
  result.shape.insert(result.shape.end(), {p->m, p->n});
  return {{result}, {}};
}

/// Row-major f64 copy of one matrix of a batch, transposed if asked.
void load_matrix(const Tensor& from, std::int64_t offset, std::int64_t rows, std::int64_t columns, bool transposed,
                 std::vector<double>& to) {
  to.resize(static_cast<std::size_t>(rows * columns));
  visit_dtype(from.type().dtype, [&]<class T>() {
    const T* source = from.as<T>().data() + offset;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        to[static_cast<std::size_t>(r * columns + c)] =
            static_cast<double>(source[transposed ? c * rows + r : r * columns + c]);
  });
}

constexpr std::int64_t block_rows = 8;

/// Sums are accumulated in f64 whatever the attribute says: this is the reference for any accumulation type.
std::vector<Tensor> evaluate_matmul(const EvalArgs& args) {
  const OpView& op = *args.op;
  const Product p = *product_of(op);
  const bool ta = op.flag("transpose_a"), tb = op.flag("transpose_b");
  Tensor result(op.results[0]);
  std::vector<double> a, b, sums(static_cast<std::size_t>(block_rows * p.n));

  // Which matrix of an operand belongs to a position of the batch.
  const auto strides = [&](std::size_t i) {
    const Shape own = batch_of(op.operands[i]);
    const std::vector<std::int64_t> dense = row_major_strides(own);
    std::vector<std::int64_t> s(p.batch.size(), 0);
    for (std::size_t d = 0; d < own.size(); ++d)
      if (own[d] != 1) s[p.batch.size() - own.size() + d] = dense[d];
    return s;
  };
  const auto sa = strides(0), sb = strides(1);
  std::int64_t last_a = -1, last_b = -1;
  for (std::int64_t i = 0; i < element_count(p.batch); ++i) {
    std::int64_t at_a = 0, at_b = 0, rest = i;
    for (std::size_t d = p.batch.size(); d-- > 0; rest /= p.batch[d]) {
      at_a += rest % p.batch[d] * sa[d];
      at_b += rest % p.batch[d] * sb[d];
    }
    if (at_a != last_a) load_matrix(*args.operands[0], at_a * p.m * p.k, p.m, p.k, ta, a);
    if (at_b != last_b) load_matrix(*args.operands[1], at_b * p.k * p.n, p.k, p.n, tb, b);
    last_a = at_a;
    last_b = at_b;
    for (std::int64_t m = 0; m < p.m; m += block_rows) {
      const std::int64_t count = std::min(block_rows, p.m - m);
      multiply_rows(a.data() + m * p.k, b.data(), count, p.k, p.n, sums.data());
      visit_dtype(result.type().dtype, [&]<class T>() {
        std::transform(sums.begin(), sums.begin() + count * p.n, result.as<T>().begin() + (i * p.m + m) * p.n,
                       [](double x) { return static_cast<T>(x); });
      });
    }
  }
  return {std::move(result)};
}

/// The attributes of the op, transposed as given.
std::vector<NamedAttr> attrs_of(const OpView& op, bool transpose_a, bool transpose_b) {
  return {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}, {"accumulate", op.get<DType>("accumulate")}};
}

/// a @ b with the given transposes, in g's accumulation type.
Expr product(GradCtx& g, Expr a, Expr b, bool transpose_a, bool transpose_b) {
  return g.builder().op("matmul", {a, b}, attrs_of(g.view(), transpose_a, transpose_b));
}

/// With C = A B: dA = dC B^T and dB = A^T dC; a transposed operand swaps the sides. Rows that share one b are one long
/// matrix, so that db is one product and not a sum of many.
void matmul_gradient(GradCtx& g) {
  const bool ta = g.view().flag("transpose_a"), tb = g.view().flag("transpose_b");
  Expr a = g.operand(0), b = g.operand(1), dc = g.dy();
  const bool one_matrix = b.type().rank() == 2 && a.type().rank() > 2 && !ta;
  if (one_matrix) {
    const auto rows = [&](Expr x) {
      const std::int64_t columns = x.shape().back();
      return g.builder().reshape(x, {x.type().elements() / columns, columns});
    };
    a = rows(a);
    dc = rows(dc);
  }
  if (g.wants(0)) {
    const Expr da = ta ? product(g, b, dc, tb, true) : product(g, dc, b, false, !tb);
    g.accumulate(0, one_matrix ? g.builder().reshape(da, g.operand(0).shape()) : da);
  }
  if (g.wants(1)) g.accumulate(1, tb ? product(g, dc, a, true, ta) : product(g, a, dc, !ta, false));
}

/// matmul(permute(a), b) -> matmul(a, b) {transpose_a}; likewise for b.
std::optional<ValueId> absorb_transposes(SimplifyCtx& c) {
  std::vector<Expr> operands{c.operand(0), c.operand(1)};
  std::vector<bool> transposed{c.view().flag("transpose_a"), c.view().flag("transpose_b")};
  bool changed = false;
  for (std::size_t i = 0; i < 2; ++i)
    if (const Op* inner = c.definer(i, "permute");
        inner && swaps_last(std::get<std::vector<std::int64_t>>(inner->attrs[0]))) {
      operands[i] = c.builder().expr(inner->operands[0]);
      transposed[i] = !transposed[i];
      changed = true;
    }
  if (!changed) return std::nullopt;
  return c.builder().op("matmul", operands, attrs_of(c.view(), transposed[0], transposed[1])).value;
}

/// A product with a dimension of 1 is a multiplication, and a sum where that dimension is not the inner one: kernels hold
/// both, with what is around them.
std::vector<Expr> expand_matmul(SimplifyCtx& c) {
  const Product p = *product_of(c.view());
  if (p.m != 1 && p.n != 1 && p.k != 1) return {};
  if (p.k != 1 && c.view().get<DType>("accumulate") != c.view().results[0].dtype) return {};
  const Expr a = c.view().flag("transpose_a") ? c.builder().transpose_last(c.operand(0)) : c.operand(0);
  const Expr b = c.view().flag("transpose_b") ? c.builder().transpose_last(c.operand(1)) : c.operand(1);
  if (p.k == 1) return {a * b};
  // [.., m, k] times [.., 1, k], or [.., k, 1] times [.., k, n], as many dimensions as the result has
  const Expr products = p.n == 1 ? a * c.builder().transpose_last(b) : c.builder().transpose_last(a) * b;
  const std::int64_t rank = products.type().rank();
  return {c.builder().sum(products, {p.n == 1 ? rank - 1 : rank - 2}, true)};
}

/// The steps are a leading dimension like any other, where they come before all that the result has.
std::optional<Expr> matmul_of_all_steps(const StepsCtx& c) {
  for (std::size_t i = 0; i < 2; ++i)
    if (c.stacked[i] && c.op.operands[i].rank() != c.op.results[0].rank()) return std::nullopt;
  if (!c.stacked[0] && !c.stacked[1]) return std::nullopt;
  return c.builder.op("matmul", c.operands, attrs_of(c.op, c.op.flag("transpose_a"), c.op.flag("transpose_b")));
}

/// The sum over the steps of A^T B is A^T B of the matrices whose rows are those of all steps.
std::optional<Expr> sum_of_products(const StepsCtx& c) {
  const bool rows_inside = c.op.flag("transpose_a") && !c.op.flag("transpose_b") && c.op.results[0].rank() == 2;
  if (!rows_inside || !c.stacked[0] || !c.stacked[1]) return std::nullopt;
  std::vector<Expr> rows;
  for (const Expr& x : c.operands) rows.push_back(c.builder.reshape(x, {x.shape()[0] * x.shape()[1], x.shape()[2]}));
  return c.builder.op("matmul", rows, attrs_of(c.op, true, false));
}

}  // namespace

std::span<const OpDef> contraction_ops() {
  static const OpDef ops[] = {
      {.name = "matmul",
       .doc = "The matrix product over the last two dimensions; leading dimensions broadcast by NumPy's rule. Products "
              "are summed in the wider of `accumulate` and the operands' element type.",
       .operands = {{"a"}, {"b"}},
       .attrs = {{"transpose_a", AttrKind::boolean, Attr(false)},
                 {"transpose_b", AttrKind::boolean, Attr(false)},
                 {"accumulate", AttrKind::dtype, Attr(DType::f32)}},
       .infer = infer_matmul,
       .kernel = Contraction{.evaluate = evaluate_matmul},
       .grad = matmul_gradient,
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             const Product p = *product_of(o.op());
             const auto element = [&](std::size_t i, std::int64_t row, std::int64_t column, bool transposed) {
               const Shape& shape = o.op().operands[i].shape;
               std::vector<std::int64_t> at(shape.size());
               for (std::size_t d = 0; d + 2 < shape.size(); ++d)
                 at[d] = shape[d] == 1 ? 0 : o.at()[o.at().size() - shape.size() + d];
               at[shape.size() - 2] = transposed ? column : row;
               at[shape.size() - 1] = transposed ? row : column;
               return o.operand(i, at);
             };
             double sum = 0;
             for (std::int64_t k = 0; k < p.k; ++k)
               sum += element(0, o.at()[o.at().size() - 2], k, o.op().flag("transpose_a")) *
                      element(1, k, o.at().back(), o.op().flag("transpose_b"));
             return sum;
           },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 4}), f32({4, 5})});
             s.add({f32({4, 3}), f32({4, 5})}, {{"transpose_a", true}});
             s.add({f32({3, 4}), f32({5, 4})}, {{"transpose_b", true}});
             s.add({f32({4, 3}), f32({5, 4})}, {{"transpose_a", true}, {"transpose_b", true}});
             s.add({f32({2, 3, 4}), f32({4, 5})});
             s.add({f32({2, 3, 4}), f32({5, 4})}, {{"transpose_b", true}});
             s.add({f32({2, 1, 3, 4}), f32({3, 4, 2})});
             s.add({f32({3, 4}), f32({2, 4, 5})}, {{"accumulate", DType::f64}});
             s.add({f32({2, 4, 3}), f32({4, 5})}, {{"transpose_a", true}});
             s.add({f32({2, 4, 3}), f32({5, 4})}, {{"transpose_a", true}, {"transpose_b", true}});
             s.add({f32({2, 1, 4, 3}), f32({3, 4, 2})}, {{"transpose_a", true}});
             s.add({f32({3, 4}), f32({2, 5, 4})}, {{"transpose_b", true}});
             s.add({f32({1, 4, 3}), f32({2, 5, 4})}, {{"transpose_a", true}, {"transpose_b", true}});
             // A dimension of 1.
             s.add({f32({1, 4}), f32({4, 5})});
             s.add({f32({4, 1}), f32({2, 5, 4})}, {{"transpose_a", true}, {"transpose_b", true}});
             s.add({f32({2, 3, 4}), f32({4, 1})});
             s.add({f32({4, 3}), f32({2, 1, 4})}, {{"transpose_a", true}, {"transpose_b", true}});
             s.add({f32({3, 1}), f32({1, 5})});
             s.add({f32({2, 1, 3}), f32({5, 1})}, {{"transpose_a", true}, {"transpose_b", true}});
             s.add({f32({1, 4}), f32({4, 1})});
             s.add({f32({1, 4}), f32({4, 5})}, {{"accumulate", DType::f64}});
           },
       .flops =
           [](const OpView& op) {
             const Product p = *product_of(op);
             return 2 * element_count(p.batch) * p.m * p.k * p.n;
           },
       .symbol = "@",
       .elsewhere = {"bmm", "mm", "dot"},
       .promotion = Promotion::real,
       .simplify = absorb_transposes,
       .expand = expand_matmul,
       .all_steps = matmul_of_all_steps,
       .sum_of_steps = sum_of_products},
  };
  return ops;
}

}  // namespace nnc::ir
