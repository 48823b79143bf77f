#include "ir/builder.h"
#include "ir/check.h"
#include "ir/evaluate.h"
#include "ir/ops/families.h"
#include "ir/ops/infer.h"
#include "ir/ops/scan.h"
#include "ir/samples.h"

#include <algorithm>

namespace nnc::ir {

namespace {

Shape without_first(const Shape& shape) { return {shape.begin() + 1, shape.end()}; }

Inferred infer_scan(const OpView& op) {
  if (op.integer("carries") < 0 || op.integer("scanned") < 0 || op.integer("length") < 1)
    return Inferred::fail("`length` must be positive, `carries` and `scanned` not negative");
  const ScanParts parts(op);
  if (parts.carries > op.operands.size() || parts.scanned > op.operands.size() - parts.carries)
    return Inferred::fail(fmt::format("{} carries and {} scanned tensors need more than {} operands", parts.carries,
                                      parts.scanned, op.operands.size()));
  // The region takes the step's number, then an operand each.
  std::vector<Type> expected{Type{DType::i32, {}, {}}};
  for (std::size_t i = 0; i < op.operands.size(); ++i) {
    Type type = op.operands[i];
    if (i >= parts.carries && i < parts.carries + parts.scanned) {
      if (type.rank() < 1 || type.shape[0] != parts.length)
        return Inferred::fail(
            fmt::format("scanned operand {} is {}, expected {} rows", i, to_string(type), parts.length));
      type.shape = without_first(type.shape);
    }
    expected.push_back(std::move(type));
  }
  const Block& body = op.regions[0];
  if (body.params().size() != expected.size())
    return Inferred::fail(
        fmt::format("the region has {} parameters, expected {}", body.params().size(), expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (body.type(body.params()[i]) != expected[i])
      return Inferred::fail(fmt::format("the region's parameter {} is {}, expected {}", i,
                                        to_string(body.type(body.params()[i])), to_string(expected[i])));
  if (body.results.size() < parts.carries)
    return Inferred::fail(
        fmt::format("the region yields {} values for {} carries", body.results.size(), parts.carries));
  Inferred result;
  for (std::size_t i = 0; i < body.results.size(); ++i) {
    Type type = body.type(body.results[i]);
    if (i < parts.carries && type != op.operands[i])
      return Inferred::fail(
          fmt::format("carry {} is {} before and {} after a step", i, to_string(op.operands[i]), to_string(type)));
    if (i >= parts.carries) type.shape.insert(type.shape.begin(), parts.length);
    result.types.push_back(std::move(type));
  }
  return result;
}

std::span<std::byte> row(Tensor& tensor, std::int64_t index) {
  const std::size_t size = tensor.bytes().size() / static_cast<std::size_t>(tensor.type().shape[0]);
  return tensor.bytes().subspan(static_cast<std::size_t>(index) * size, size);
}

std::vector<Tensor> evaluate_scan(const EvalArgs& args) {
  const ScanParts parts(*args.op);
  std::vector<Tensor> carries, yields;
  for (std::size_t i = 0; i < parts.carries; ++i) carries.push_back(*args.operands[i]);
  for (std::size_t i = parts.carries; i < args.op->results.size(); ++i) yields.emplace_back(args.op->results[i]);
  for (std::int64_t k = 0; k < parts.length; ++k) {
    const std::int64_t t = parts.reverse ? parts.length - 1 - k : k;
    std::vector<Tensor> params{Tensor::splat_integer(Type{DType::i32, {}, {}}, t)};
    for (Tensor& carry : carries) params.push_back(std::move(carry));
    for (std::size_t i = parts.carries; i < args.operands.size(); ++i) {
      Tensor given = *args.operands[i];
      if (i < parts.carries + parts.scanned) {
        Tensor element(Type{given.type().dtype, without_first(given.type().shape), {}});
        std::ranges::copy(row(given, t), element.bytes().begin());
        given = std::move(element);
      }
      params.push_back(std::move(given));
    }
    std::vector<Tensor> results =
        evaluate(args.op->regions[0], std::move(params), [](std::string_view path) -> const Tensor& {
          internal_error(__FILE__, __LINE__, fmt::format("a region reads slot {}", path));
        });
    for (std::size_t i = 0; i < results.size(); ++i)
      if (i < parts.carries)
        carries[i] = std::move(results[i]);
      else
        std::ranges::copy(results[i].bytes(), row(yields[i - parts.carries], t).begin());
  }
  std::move(yields.begin(), yields.end(), std::back_inserter(carries));
  return carries;
}

/// h = h * w + x, yielded: a sample and, below, its oracle.
Block decaying_sum() {
  Block body;
  const Type vector{DType::f32, {2}, {}};
  body.add_param(Type{DType::i32, {}, {}});
  Builder builder(body);
  const Expr h = builder.expr(body.add_param(vector));
  const Expr x = builder.expr(body.add_param(vector));
  const Expr w = builder.expr(body.add_param(vector));
  const Expr next = h * w + x;
  body.results = {next.value, next.value};
  return body;
}

double decaying_sum_oracle(const Oracle& o) {
  const std::int64_t column = o.at().back(), length = o.op().integer("length");
  const bool reverse = o.op().flag("reverse");
  const std::int64_t last = o.result() == 1 ? o.at()[0] : reverse ? 0 : length - 1;
  double h = o.operand(0, {column});
  for (std::int64_t t = reverse ? length - 1 : 0;; t += reverse ? -1 : 1) {
    h = h * o.operand(2, {column}) + o.operand(1, {t, column});
    if (t == last) return h;
  }
}

}  // namespace

std::vector<Expr> build_scan(Builder& builder, const ScanParts& parts, const std::vector<Expr>& operands,
                             Block region) {
  std::vector<Block> regions;
  regions.push_back(std::move(region));
  const auto built = builder.try_op(*find_op("scan"), operands,
                                    {{"length", parts.length},
                                     {"carries", static_cast<std::int64_t>(parts.carries)},
                                     {"scanned", static_cast<std::int64_t>(parts.scanned)},
                                     {"reverse", parts.reverse}},
                                    std::move(regions));
  const auto* error = std::get_if<std::string>(&built);
  const SourcePoint at = builder.location.point();
  NNC_CHECK(error == nullptr, "scan: {} (from {}:{}:{})", *error, at.file, at.line, at.column);
  return std::get<std::vector<Expr>>(built);
}

std::vector<bool> same_each_step(const Block& body, const std::vector<ValueId>& given) {
  std::vector<bool> same(static_cast<std::size_t>(body.value_count()));
  const auto is_same = [&](ValueId value) { return same[static_cast<std::size_t>(value.index)]; };
  for (const ValueId value : given) same[static_cast<std::size_t>(value.index)] = true;
  for (const Op& op : body.ops()) {
    if (!op.regions.empty() || !std::ranges::all_of(op.operands, is_same)) continue;
    for (const ValueId result : op.results) same[static_cast<std::size_t>(result.index)] = true;
  }
  return same;
}

bool is_scan(const Op& op) {
  static const OpDef* const scan = find_op("scan");
  return op.def == scan;
}

std::size_t carry_count(const Op& scan) {
  const auto at = std::ranges::find(scan.def->attrs, "carries", &AttrDef::name) - scan.def->attrs.begin();
  return static_cast<std::size_t>(std::get<std::int64_t>(scan.attrs[static_cast<std::size_t>(at)]));
}

std::span<const OpDef> control_ops() {
  static const OpDef ops[] = {
      {.name = "scan",
       .doc = "A loop of `length` steps. The operands are `carries` values that a step replaces, `scanned` tensors of "
              "which it sees a row, and values that every step sees; the region takes the step's number (i32), then "
              "these, and yields the new carries, then any others. The results are the last carries, then the others, "
              "stacked along a new first dimension. With `reverse` the last step comes first.",
       .operands = Operands::none(),
       .attrs = {{"length", AttrKind::integer},
                 {"carries", AttrKind::integer},
                 {"scanned", AttrKind::integer},
                 {"reverse", AttrKind::boolean, Attr(false)}},
       .region_count = 1,
       .infer = infer_scan,
       .kernel = Whole{.evaluate = evaluate_scan},
       .grad = scan_gradient,
       .precision = Precision::accumulated,
       .oracle = decaying_sum_oracle,
       .samples =
           [](Samples& s) {
             for (const bool reverse : {false, true})
               s.add({f32({2}), f32({3, 2}), f32({2})}, {{"length", std::int64_t{3}},
                                                         {"carries", std::int64_t{1}},
                                                         {"scanned", std::int64_t{1}},
                                                         {"reverse", reverse}})
                   .regions.push_back(decaying_sum());
           },
       .callable = false},
  };
  return ops;
}

}  // namespace nnc::ir
