#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/samples.h"

#include <cmath>

namespace nnc::ir {

namespace {

/// Gram and Schmidt's process on the columns of [m, n], in place, twice over: what rounding leaves of the columns before
/// is taken off again.
void make_orthonormal(double* columns, std::int64_t m, std::int64_t n) {
  const auto dot = [&](std::int64_t a, std::int64_t b) {
    double sum = 0;
    for (std::int64_t i = 0; i < m; ++i) sum += columns[a * m + i] * columns[b * m + i];
    return sum;
  };
  for (std::int64_t j = 0; j < n; ++j) {
    for (int turn = 0; turn < 2; ++turn)
      for (std::int64_t k = 0; k < j; ++k) {
        const double along = dot(k, j);
        for (std::int64_t i = 0; i < m; ++i) columns[j * m + i] -= along * columns[k * m + i];
      }
    const double length = std::sqrt(dot(j, j));
    for (std::int64_t i = 0; i < m; ++i) columns[j * m + i] /= length;
  }
}

void orthonormalize(const Routine::Args& args, std::int64_t, std::int64_t) {
  const std::int64_t m = args.op->operands[0].shape[0], n = args.op->operands[0].shape[1];
  auto* const columns = static_cast<double*>(args.scratch);
  visit_dtype(args.op->operands[0].dtype, [&]<class T>() {
    for (std::int64_t i = 0; i < m * n; ++i) columns[i % n * m + i / n] = static_cast<double>(args.operand<T>(0)[i]);
    make_orthonormal(columns, m, n);
    for (std::int64_t i = 0; i < m * n; ++i) args.result<T>()[i] = static_cast<T>(columns[i % n * m + i / n]);
  });
}

/// The column minus its projections on the ones before, which are found the same way, divided by its length.
std::vector<double> oracle_column(const Oracle& o, std::int64_t j) {
  const std::int64_t m = o.op().operands[0].shape[0];
  std::vector<double> column;
  for (std::int64_t i = 0; i < m; ++i) column.push_back(o.operand(0, {i, j}));
  const std::vector<double> given = column;
  double square = 0;
  for (std::int64_t k = 0; k < j; ++k) {
    const std::vector<double> before = oracle_column(o, k);
    double along = 0;
    for (std::size_t i = 0; i < given.size(); ++i) along += given[i] * before[i];
    for (std::size_t i = 0; i < given.size(); ++i) column[i] -= along * before[i];
  }
  for (const double x : column) square += x * x;
  for (double& x : column) x /= std::sqrt(square);
  return column;
}

}  // namespace

std::span<const OpDef> linear_algebra_ops() {
  static const OpDef ops[] = {
      {.name = "orthonormalize",
       .doc = "The columns of a matrix, no more than its rows, made orthonormal one after the other: the Q of its QR "
              "decomposition whose R has a positive diagonal.",
       .operands = {{"x"}},
       .infer = [](const OpView& op) -> Inferred {
         const Type& x = op.operands[0];
         if (!is_float(x.dtype) || x.dtype == DType::bf16 || x.rank() != 2 || x.shape[1] > x.shape[0])
           return Inferred::fail(
               fmt::format("expected a matrix of f32 with no more columns than rows, found {}", to_string(x)));
         return {{Type{x.dtype, x.shape, {}}}, {}};
       },
       .kernel = Routine{.parts = [](const OpView&) { return std::int64_t{1}; },
                         .run = orthonormalize,
                         .scratch_bytes =
                             [](const OpView& op) {
                               return op.operands[0].elements() * static_cast<std::int64_t>(sizeof(double));
                             }},
       .grad = no_gradient("it is for initial values"),
       .precision = Precision::accumulated,
       .oracle = [](const Oracle& o) { return oracle_column(o, o.at()[1])[static_cast<std::size_t>(o.at()[0])]; },
       .samples =
           [](Samples& s) {
             s.add({f32({5, 3})});
             s.add({f32({3, 3})});
           },
       .flops = [](const OpView& op) { return 4 * op.operands[0].elements() * op.operands[0].shape[1]; }},
  };
  return ops;
}

}  // namespace nnc::ir
