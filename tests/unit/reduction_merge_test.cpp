// Every reduction in parts: what `merge` makes of the accumulators of two or three parts is what one sweep gives.
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/samples.h"
#include "ir/scalar_evaluate.h"
#include "tests/unit/random_values.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <set>

using namespace nnc;
using namespace nnc::ir;

namespace {

constexpr double qnan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

/// A reduction over the elements of a vector, part by part.
class Parts {
 public:
  using Accumulators = std::vector<Tensor>;

  Parts(const Reduction& reduction, DType dtype)
      : programs_(reduction_programs(reduction, dtype)),
        start_(programs_.start),
        step_(programs_.step),
        merge_(programs_.merge),
        finish_(programs_.finish) {}

  /// The accumulators of the elements [begin, end), or of every `stride`th of them.
  Accumulators sweep(const Tensor& x, std::int64_t begin, std::int64_t end, std::int64_t stride = 1) {
    start_.run(1);
    Accumulators accumulators = results(start_);
    const std::size_t k = accumulators.size();
    for (std::int64_t i = begin; i < end; i += stride) {
      give(step_, 0, accumulators);
      give(step_, k, {scalar(x.type().dtype, x, i)});
      give(step_, k + 1, {Tensor::splat_integer(Type{DType::i64, {}, {}}, i)});
      step_.run(1);
      accumulators = results(step_);
    }
    return accumulators;
  }
  Accumulators merge(const Accumulators& a, const Accumulators& b) {
    give(merge_, 0, a);
    give(merge_, a.size(), b);
    merge_.run(1);
    return results(merge_);
  }
  /// A number for each result.
  std::vector<Tensor> finish(const Accumulators& accumulators, std::int64_t count) {
    give(finish_, 0, accumulators);
    give(finish_, accumulators.size(), {Tensor::splat_integer(Type{DType::i64, {}, {}}, count)});
    finish_.run(1);
    return results(finish_);
  }

 private:
  static Tensor scalar(DType dtype, const Tensor& x, std::int64_t position) {
    Tensor element(Type{dtype, {}, {}});
    const auto size = element.bytes().size();
    std::memcpy(element.bytes().data(), x.bytes().data() + static_cast<std::size_t>(position) * size, size);
    return element;
  }
  static void give(ScalarEvaluator& program, std::size_t first, const std::vector<Tensor>& scalars) {
    for (std::size_t i = 0; i < scalars.size(); ++i) {
      std::byte* to = program.input(static_cast<int>(first + i));
      if (to) std::memcpy(to, scalars[i].bytes().data(), scalars[i].bytes().size());
    }
  }
  static std::vector<Tensor> results(const ScalarEvaluator& program, std::size_t count) {
    std::vector<Tensor> scalars;
    for (std::size_t i = 0; i < count; ++i) {
      scalars.emplace_back(Type{program.result_dtype(i), {}, {}});
      std::memcpy(scalars.back().bytes().data(), program.result(i), scalars.back().bytes().size());
    }
    return scalars;
  }
  std::vector<Tensor> results(const ScalarEvaluator& program) const {
    return results(program, &program == &finish_ ? programs_.finish.results.size() : programs_.accumulators.size());
  }

  ReductionPrograms programs_;
  ScalarEvaluator start_, step_, merge_, finish_;
};

Tensor vector_of(DType dtype, const std::vector<double>& numbers) {
  Tensor x(Type{dtype, {static_cast<std::int64_t>(numbers.size())}, {}});
  for (std::size_t i = 0; i < numbers.size(); ++i) x.set_real(static_cast<std::int64_t>(i), numbers[i]);
  return x;
}

/// Random numbers, ties, and for floats NaN and infinities; within each the extremes stand in different parts.
std::vector<Tensor> vectors(DType dtype) {
  tests::Random random(17);
  std::vector<Tensor> all;
  for (const auto& [low, high] : {std::pair{0.0, 9.0}, {1.0, 3.0}, {0.0, 250.0}})
    for (int i = 0; i < 4; ++i) all.push_back(tests::random_tensor(Type{dtype, {9}, {}}, low, high, random));
  const std::vector<std::vector<double>> given{{4, 4, 4, 4, 4, 4}, {1, 5, 2, 5, 1, 5, 1}, {5, 1, 5, 1, 2, 3, 5},
                                               {0, 1, 2, 3, 4},    {4, 3, 2, 1, 0},       {2}};
  for (const auto& numbers : given) all.push_back(vector_of(dtype, numbers));
  if (is_float(dtype)) {
    const std::vector<std::vector<double>> special{
        {qnan, 1, 2, 3, 4},       {1, 2, qnan, 7, 0, 9},   {7, 0, 2, 3, qnan},   {1, qnan, 5, qnan, 0},
        {qnan, qnan, qnan},       {-inf, -inf, -inf},      {inf, inf, inf, inf}, {-3, inf, -inf, 2},
        {-1.5, -2.5, -1.5, -2.5}, {3, qnan, inf, -inf, 3}, {1, 2, inf},          {inf, 1, 2}};
    for (const auto& numbers : special) all.push_back(vector_of(dtype, numbers));
  }
  return all;
}

/// The results of the reduction of all elements at once; none where the record refuses the type.
std::vector<Tensor> whole(const OpDef& def, const Tensor& x) {
  Block block;
  Builder builder(block);
  const Expr operand = builder.expr(block.add_param(x.type()));
  const auto made = builder.try_op(def, {operand}, {});
  if (!std::holds_alternative<std::vector<Expr>>(made)) return {};
  for (const Expr& result : std::get<std::vector<Expr>>(made)) block.results.push_back(result.value);
  return evaluate(block, {x}, nullptr);
}

/// The element types of the samples, and f64.
std::set<DType> sample_dtypes(const OpDef& def) {
  std::set<DType> dtypes{DType::f64};
  Samples samples;
  (*def.samples)(samples);
  for (const Sample& sample : samples.all()) dtypes.insert(sample.operands[0].type.dtype);
  return dtypes;
}

void check(const OpDef& def, DType dtype, const std::vector<Tensor>& merged, const std::vector<Tensor>& expected) {
  REQUIRE(merged.size() == expected.size());
  const bool exact = *def.precision == Precision::exact || !is_float(dtype);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Tensor rounded = merged[i].converted(expected[i].type().dtype);
    INFO("result " << i << " in parts " << rounded.real(0) << ", in one sweep " << expected[i].real(0));
    CHECK(tests::agree(rounded.real(0), expected[i].real(0), exact ? 0 : dtype == DType::f64 ? 1e-13 : 1e-5));
  }
}

}  // namespace

TEST_CASE("a reduction in parts gives what one sweep gives") {
  int reductions = 0, with_several_results = 0;
  for (const OpDef* def : all_ops()) {
    const Reduction* reduction = def->as<Reduction>();
    if (reduction == nullptr) continue;
    ++reductions;
    with_several_results += reduction_programs(*reduction, DType::f64).finish.results.size() > 1;
    for (const DType dtype : sample_dtypes(*def)) {
      Parts parts(*reduction, dtype);
      for (const Tensor& x : vectors(dtype)) {
        std::string elements;
        for (std::int64_t i = 0; i < x.elements(); ++i) elements += std::to_string(x.real(i)) + " ";
        INFO(*def->name << " of " << to_string(x.type()) << ": " << elements);
        const std::vector<Tensor> expected = whole(*def, x);
        REQUIRE_FALSE(expected.empty());
        const std::int64_t n = x.elements();
        check(*def, dtype, parts.finish(parts.sweep(x, 0, n), n), expected);
        for (std::int64_t lanes = 2; lanes < 4; ++lanes) {
          INFO("in " << lanes << " lanes");
          Parts::Accumulators all = parts.sweep(x, 0, n, lanes);
          for (std::int64_t lane = 1; lane < lanes; ++lane) all = parts.merge(parts.sweep(x, lane, n, lanes), all);
          check(*def, dtype, parts.finish(all, n), expected);
        }
        for (std::int64_t i = 0; i <= n; ++i) {
          INFO("parted at " << i);
          check(*def, dtype, parts.finish(parts.merge(parts.sweep(x, 0, i), parts.sweep(x, i, n)), n), expected);
          for (std::int64_t j = i; j <= n; ++j) {
            INFO("and at " << j);
            const auto a = parts.sweep(x, 0, i), b = parts.sweep(x, i, j), c = parts.sweep(x, j, n);
            check(*def, dtype, parts.finish(parts.merge(parts.merge(a, b), c), n), expected);
            check(*def, dtype, parts.finish(parts.merge(a, parts.merge(b, c)), n), expected);
          }
        }
      }
    }
  }
  CHECK(reductions > 0);
  CHECK(with_several_results > 0);
}
