#include "ir/fused.h"

#include "ir/builder.h"
#include "ir/evaluate.h"
#include "ir/ops/families.h"
#include "ir/samples.h"

#include <fmt/format.h>

#include <optional>

namespace nnc::ir {

namespace {

Inferred infer_fused(const OpView& op) {
  if (std::string fault = check_fused(op); !fault.empty()) return Inferred::fail(std::move(fault));
  return {op.get<std::vector<Type>>("results"), {}};
}

/// Calls `f(element, coordinates)` for each element of a value of the frame; coordinates are the domain's.
template <class F>
void for_each_element(const Shape& frame, std::size_t rank, F&& f) {
  std::vector<std::int64_t> at(rank, 0);
  const std::size_t missing = rank - frame.size();
  for (std::int64_t element = 0; element < element_count(frame); ++element) {
    f(element, at);
    for (std::size_t d = rank; d-- > missing;) {
      if (++at[d] < frame[d - missing]) break;
      at[d] = 0;
    }
  }
}

/// The element of a tensor that an access reaches, or nothing outside of its bounds.
std::optional<std::int64_t> element_at(const Access& access, const std::vector<std::int64_t>& at) {
  std::int64_t element = access.offset;
  for (std::size_t d = 0; d < at.size(); ++d) {
    if (!access.bounds.empty() && (at[d] < access.bounds[d].first || at[d] >= access.bounds[d].second)) return {};
    element += access.strides[d] * at[d];
  }
  return element;
}

void copy_element(const Tensor& from, std::int64_t source, Tensor& to, std::int64_t target) {
  const auto size = static_cast<std::size_t>(size_of(to.type().dtype));
  std::memcpy(&to.bytes()[static_cast<std::size_t>(target) * size],
              &from.bytes()[static_cast<std::size_t>(source) * size], size);
}

/// Parameter i of the body: what read i reaches at every position.
Tensor read_param(const FusedView& fused, std::size_t i, std::span<const Tensor* const> operands) {
  const Access& access = fused.reads[i];
  Tensor param = Tensor::splat(fused.body.type(fused.body.params()[i]), access.fill);
  for_each_element(param.type().shape, fused.domain.size(), [&](std::int64_t element, const auto& at) {
    std::optional<std::int64_t> source = element_at(access, at);
    if (!source) return;
    if (access.index >= 0) {
      const auto index = static_cast<std::size_t>(access.index);
      const std::int64_t row = operands[index]->integer(*element_at(fused.reads[index], at));
      NNC_CHECK(row >= 0 && row < access.index_extent, "fused: index {} is outside of 0..{}", row, access.index_extent);
      *source += row * access.index_stride;
    }
    copy_element(*operands[i], *source, param, element);
  });
  return param;
}

// 1. Read the parameters by their accesses.
// 2. Evaluate the body as the graph of ordinary ops that it is.
// 3. Write the results by theirs.
std::vector<Tensor> evaluate_fused(const EvalArgs& args) {
  const FusedView fused(*args.op);
  std::vector<Tensor> params;
  for (std::size_t i = 0; i < fused.reads.size(); ++i) params.push_back(read_param(fused, i, args.operands));
  const std::vector<Tensor> values =
      evaluate(fused.body, std::move(params), [](std::string_view path) -> const Tensor& {
        internal_error(__FILE__, __LINE__, fmt::format("a region reads slot {}", path));
      });
  std::vector<Tensor> results(args.op->results.begin(), args.op->results.end());
  for (std::size_t i = 0; i < values.size(); ++i)
    for_each_element(values[i].type().shape, fused.domain.size(), [&](std::int64_t element, const auto& at) {
      copy_element(values[i], element, results[fused.result_of(i)], *element_at(fused.writes[i], at));
    });
  return results;
}

/// 2 x^T + b, and its sum: a sample and, below, its oracle.
Block affine_body() {
  Block body;
  Builder builder(body);
  const Expr x = builder.expr(body.add_param(Type{DType::f32, {3, 2}, {}}));
  const Expr b = builder.expr(body.add_param(Type{DType::f32, {1, 2}, {}}));
  const Expr y = x * 2.0 + b;
  body.results = {y.value, builder.sum(y, {0, 1}, true).value};
  return body;
}

double affine_oracle(const Oracle& o) {
  const auto element = [&](std::int64_t i, std::int64_t j) { return 2 * o.operand(0, {j, i}) + o.operand(1, {j}); };
  if (o.result() == 0) return element(o.at()[0], o.at()[1]);
  double sum = 0;
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = 0; j < 2; ++j) sum += element(i, j);
  return sum;
}

}  // namespace

std::span<const OpDef> fused_ops() {
  static const OpDef ops[] = {
      {.name = fused_op,
       .doc =
           "A loop nest over a domain with a body of elementwise ops and reductions. Parameter p of the region is "
           "operand p, read by access p; the values it yields are the results, written by accesses; `into` says which "
           "of them are parts of one result.",
       .operands = Operands::none(),
       .attrs = {{"domain", AttrKind::dimensions},
                 {"reads", AttrKind::accesses},
                 {"writes", AttrKind::accesses},
                 {"into", AttrKind::integers, Attr(std::vector<std::int64_t>{})},
                 {"schedule", AttrKind::schedule, Attr(Schedule{})},
                 {"results", AttrKind::result_types}},
       .region_count = 1,
       .infer = infer_fused,
       .kernel = Whole{.evaluate = evaluate_fused},
       .grad = no_gradient("it is made after autodiff"),
       .precision = Precision::accumulated,
       .oracle = affine_oracle,
       .samples =
           [](Samples& s) {
             const Type result{DType::f32, {3, 2}, {}}, number{DType::f32, {}, {}};
             s.add({f32({2, 3}), f32({2})}, {{"domain", Shape{3, 2}},
                                             {"reads", std::vector<Access>{{.strides = {1, 3}}, {.strides = {0, 1}}}},
                                             {"writes", std::vector<Access>{{.strides = {2, 1}}, {.strides = {0, 0}}}},
                                             {"results", std::vector<Type>{result, number}}})
                 .regions.push_back(affine_body());
           },
       .flops =
           [](const OpView& op) {
             std::int64_t total = 0;
             for (const Op& inner : op.regions[0].ops()) total += flops(view(op.regions[0], inner));
             return total;
           },
       .callable = false},
  };
  return ops;
}

}  // namespace nnc::ir
