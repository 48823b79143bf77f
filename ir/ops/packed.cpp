#include "ir/packed.h"

#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/multiply_rows.h"
#include "ir/samples.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace nnc::ir {

namespace {

/// What a packed weight holds: [n / columns, k / rows, rows, columns].
struct Tiles {
  std::int64_t rows, columns, k, n;

  explicit Tiles(const Type& packed)
      : rows(packed.shape[2]),
        columns(packed.shape[3]),
        k(packed.shape[1] * packed.shape[2]),
        n(packed.shape[0] * packed.shape[3]) {}
  std::int64_t position(std::int64_t i, std::int64_t j) const {
    return ((j / columns * (k / rows) + i / rows) * rows + i % rows) * columns + j % columns;
  }
};

bool is_width(std::int64_t columns) { return std::ranges::count(packed_columns, columns) > 0; }

PackableProduct with_weight(const Type& stored, bool transposed) {
  return {transposed, stored.shape[transposed ? 1 : 0], stored.shape[transposed ? 0 : 1]};
}

Inferred infer_pack(const OpView& op) {
  const Type& weight = op.operands[0];
  const std::int64_t columns = op.integer("columns");
  if (weight.rank() != 2) return Inferred::fail(fmt::format("expected a matrix, found {}", to_string(weight)));
  if (!is_width(columns))
    return Inferred::fail(
        fmt::format("`columns` must be one of {}, found {}", fmt::join(packed_columns, ", "), columns));
  const PackableProduct product = with_weight(weight, op.flag("transpose"));
  if (product.k % packed_rows != 0 || product.n % columns != 0)
    return Inferred::fail(
        fmt::format("{} by {} elements are no whole tiles of {} by {}", product.k, product.n, packed_rows, columns));
  return {{{weight.dtype, packed_shape(product, columns), {}}}, {}};
}

Inferred infer_packed_matmul(const OpView& op) {
  const Type &a = op.operands[0], &packed = op.operands[1];
  if (!is_float(a.dtype) || a.rank() < 2 || packed.dtype != a.dtype)
    return Inferred::fail(
        fmt::format("expected rows and a weight of one float type, found {} and {}", to_string(a), to_string(packed)));
  if (packed.rank() != 4 || packed.shape[2] != packed_rows || !is_width(packed.shape[3]))
    return Inferred::fail(fmt::format("expected a weight in tiles of {} by {}, found {}", packed_rows,
                                      fmt::join(packed_columns, ", "), to_string(packed)));
  const Tiles tiles(packed);
  if (a.shape.back() != tiles.k)
    return Inferred::fail(fmt::format("the inner dimensions differ: {} and {}, of {} and {}", a.shape.back(), tiles.k,
                                      to_string(a), to_string(packed)));
  Type result{a.dtype, a.shape, {}};
  result.shape.back() = tiles.n;
  return {{result}, {}};
}

/// Sums are accumulated in f64, as those of matmul are.
std::vector<Tensor> evaluate_packed_matmul(const EvalArgs& args) {
  const Tiles tiles(args.op->operands[1]);
  const std::int64_t rows = args.op->results[0].elements() / tiles.n;
  Tensor result(args.op->results[0]);
  visit_dtype(result.type().dtype, [&]<class T>() {
    const auto a = args.operands[0]->as<T>(), packed = args.operands[1]->as<T>();
    const std::vector<double> left(a.begin(), a.end());
    std::vector<double> weight(packed.size()), sums(static_cast<std::size_t>(rows * tiles.n));
    for (std::int64_t i = 0; i < tiles.k; ++i)
      for (std::int64_t j = 0; j < tiles.n; ++j)
        weight[static_cast<std::size_t>(i * tiles.n + j)] =
            static_cast<double>(packed[static_cast<std::size_t>(tiles.position(i, j))]);
    multiply_rows(left.data(), weight.data(), rows, tiles.k, tiles.n, sums.data());
    std::ranges::transform(sums, result.as<T>().begin(), [](double sum) { return static_cast<T>(sum); });
  });
  return {std::move(result)};
}

}  // namespace

std::optional<PackableProduct> packable_product(const OpView& op) {
  static const OpDef* const matmul = find_op("matmul");
  if (op.def != matmul || op.flag("transpose_a") || op.get<DType>("accumulate") != DType::f32) return std::nullopt;
  const Type& weight = op.operands[1];
  if (weight.dtype != DType::f32 || weight.rank() != 2) return std::nullopt;
  if (!weight.layout.empty() || !op.operands[0].layout.empty()) return std::nullopt;
  const PackableProduct product = with_weight(weight, op.flag("transpose_b"));
  const auto divides = [&](std::int64_t columns) { return product.n % columns == 0; };
  if (product.k % packed_rows != 0 || std::ranges::none_of(packed_columns, divides)) return std::nullopt;
  return product;
}

Shape packed_shape(const PackableProduct& product, std::int64_t columns) {
  return {product.n / columns, product.k / packed_rows, packed_rows, columns};
}

std::span<const OpDef> packed_ops() {
  static const OpDef ops[] = {
      {.name = pack_name,
       .doc = "A matrix [k, n], or its transpose, in tiles of 16 rows and `columns` columns: element (i, j) at "
              "[j / columns, i / 16, i % 16, j % columns].",
       .operands = {{"weight"}},
       .attrs = {{"columns", AttrKind::integer}, {"transpose", AttrKind::boolean, Attr(false)}},
       .infer = infer_pack,
       .kernel = Movement{.access = [](const OpView& op) -> std::vector<Access> {
         const std::int64_t columns = op.integer("columns"), stored = op.operands[0].shape[1];
         const bool transposed = op.flag("transpose");
         const std::int64_t down = transposed ? 1 : stored, right = transposed ? stored : 1;
         return {{.strides = {columns * right, packed_rows * down, down, right}}};
       }},
       .grad = no_gradient("it is made after autodiff"),
       .precision = Precision::exact,
       .oracle =
           [](const Oracle& o) {
             const auto& at = o.at();
             const std::int64_t i = at[1] * packed_rows + at[2], j = at[0] * o.op().integer("columns") + at[3];
             return o.op().flag("transpose") ? o.operand(0, {j, i}) : o.operand(0, {i, j});
           },
       .samples =
           [](Samples& s) {
             s.add({f32({32, 128})}, {{"columns", std::int64_t{64}}});
             s.add({f32({96, 32})}, {{"columns", std::int64_t{48}}, {"transpose", true}});
             s.add({f32({64, 16})}, {{"columns", std::int64_t{32}}, {"transpose", true}});
             s.add({f32({48, 16})}, {{"columns", std::int64_t{16}}});
           },
       .callable = false,
       .value_operands = {0}},

      {.name = packed_matmul_name,
       .doc = "The product of rows and a matrix that is packed.",
       .operands = {{"a"}, {"packed"}},
       .infer = infer_packed_matmul,
       .kernel = Contraction{.evaluate = evaluate_packed_matmul},
       .grad = no_gradient("it is made after autodiff"),
       .precision = Precision::accumulated,
       .oracle =
           [](const Oracle& o) {
             const Tiles tiles(o.op().operands[1]);
             std::vector<std::int64_t> row = o.at();
             const std::int64_t j = row.back();
             double sum = 0;
             for (std::int64_t i = 0; i < tiles.k; ++i) {
               row.back() = i;
               sum += o.operand(0, row) *
                      o.operand(1, {j / tiles.columns, i / tiles.rows, i % tiles.rows, j % tiles.columns});
             }
             return sum;
           },
       .samples =
           [](Samples& s) {
             s.add({f32({3, 32}), f32({2, 2, 16, 64})});
             s.add({f32({2, 5, 16}), f32({1, 1, 16, 48})});
             s.add({f32({1, 32}), f32({3, 2, 16, 32})});
             s.add({f32({4, 16}), f32({2, 1, 16, 16})});
           },
       .flops = [](const OpView& op) { return 2 * op.results[0].elements() * op.operands[0].shape.back(); },
       .callable = false},
  };
  return ops;
}

}  // namespace nnc::ir
