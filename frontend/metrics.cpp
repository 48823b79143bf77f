// A metric over an epoch is not the mean of its batches. Its full reductions are summed up batch by batch; what is done
// with them afterwards is done once, in `report`:
//
//   metric rmse = sqrt(mean((y - t) ^ 2))
//   train:   @metric.train.rmse.sum += sum((y - t) ^ 2),  @metric.train.rmse.count += elements
//   report:  train.rmse = sqrt(sum / count)
#include "frontend/apply.h"
#include "frontend/training.h"
#include "ir/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace nnc::frontend {

namespace {

class Splitter {
 public:
  Splitter(Context& context, Phase phase, const ast::Metric& metric, Target* report)
      : context_(context),
        block_(context.target->graph.body),
        path_(fmt::format("metric.{}.{}", name(phase), metric.name.text)),
        at_(metric.value->span),
        report_(report),
        depends_(ir::depends_on(block_, block_.params())) {}

  /// The value in `report`; a valid one only if there is a report. False after an error.
  bool visit(ir::ValueId value, ir::Expr& result) {
    if (const auto known = done_.find(value); known != done_.end()) {
      result = known->second;
      return true;
    }
    // The definer is copied: accumulators append ops to the same block.
    const ir::Op* definer = block_.definer(value);
    if (!definer) return refuse("a metric reduces over the batch");
    const ir::Op op = *definer;
    const bool ok = visit_op(op, value, result);
    done_.emplace(value, result);
    return ok;
  }

 private:
  bool refuse(std::string_view why) {
    report(context_, at_, fmt::format("this metric cannot be accumulated over an epoch: {}", why));
    return false;
  }

  bool depends(ir::ValueId value) const {
    return static_cast<std::size_t>(value.index) < depends_.size() && depends_[static_cast<std::size_t>(value.index)];
  }

  bool visit_op(const ir::Op& op, ir::ValueId value, ir::Expr& result) {
    const auto* reduction = op.def->as<ir::Reduction>();
    bool scalar = true;
    for (const ir::ValueId operand : op.operands) scalar = scalar && block_.type(operand).rank() == 0;
    if (!scalar && !depends(value)) return batch_free(value, result);
    if (scalar && reduction && depends(value)) return refuse("a full reduction stands inside another");
    if (!scalar && reduction) return reduce(op, *reduction, result);
    if (!scalar) return refuse("its value is taken from single examples; `mean` or `sum` over the batch is needed");
    if (op.def->as<ir::SlotRead>()) return read(op, result);
    if (!op.operands.empty() || op.def->as<ir::Whole>()) return repeat(op, value, result);
    return refuse("an op without operands stands in it");
  }

  /// Averaged over steps.
  bool batch_free(ir::ValueId value, ir::Expr& result) {
    const std::vector<bool> needed = ir::needed_for(block_, {value});
    std::vector<ir::Shape> shapes;
    for (std::size_t i = 0; i < needed.size(); ++i)
      if (needed[i]) shapes.push_back(block_.type(ir::ValueId{static_cast<std::int32_t>(i)}).shape);
    context_.data_free.emplace_back(at_, std::move(shapes));
    ir::Builder& builder = context_.target->builder;
    builder.location = location(context_, at_);
    return bind(builder.cast(builder.expr(value), ir::DType::f64), builder.constant(1, ir::DType::f64), result);
  }

  bool reduce(const ir::Op& op, const ir::Reduction& reduction, ir::Expr& result) {
    const ir::ValueId operand = op.operands.front();
    if (reduction.accumulation == ir::Accumulation::none)
      return refuse(
          fmt::format("`{}` over a whole batch says nothing about an epoch; `mean` and `sum` do", *op.def->name));
    if (inner_scalar(operand)) return refuse("a full reduction stands inside another");
    ir::Builder& builder = context_.target->builder;
    builder.location = op.location;
    const ir::Expr elements = builder.cast(builder.expr(operand), ir::DType::f64);
    context_.summed.emplace_back(at_, elements.shape());
    std::vector<std::int64_t> axes(static_cast<std::size_t>(elements.type().rank()));
    std::iota(axes.begin(), axes.end(), 0);
    const ir::Expr sum = builder.sum(elements, axes);
    if (reduction.accumulation == ir::Accumulation::sum) return bind(sum, std::nullopt, result);
    const auto count = static_cast<double>(elements.type().elements());
    return bind(sum, builder.constant(count, ir::DType::f64), result);
  }

  bool bind(ir::Expr sum, std::optional<ir::Expr> count, ir::Expr& result) {
    const std::string suffix = accumulators_ == 0 ? "" : fmt::format(".{}", accumulators_);
    ++accumulators_;
    const auto value = accumulate(context_, path_, suffix, sum, count, at_, report_);
    if (value) result = *value;
    return true;
  }

  /// Whether a scalar of this batch is among what `value` depends on.
  bool inner_scalar(ir::ValueId value) const {
    const std::vector<bool> needed = ir::needed_for(block_, {value});
    for (std::size_t i = 0; i < depends_.size() && i < needed.size(); ++i)
      if (needed[i] && depends_[i] && block_.type(ir::ValueId{static_cast<std::int32_t>(i)}).rank() == 0) return true;
    return false;
  }

  bool read(const ir::Op& op, ir::Expr& result) {
    if (!report_) return true;
    const Scoped<Target*> into(context_.target, report_);
    const SlotInfo* slot = context_.find_slot(*ir::slot_of(op));
    NNC_CHECK_OP(slot, op, "a slot is read that was not made");
    result = report_->builder.cast(read_slot(context_, slot->slot, at_), ir::DType::f64);
    return true;
  }

  /// The same op in `report`, on f64; its result that `value` is here.
  bool repeat(const ir::Op& op, ir::ValueId value, ir::Expr& result) {
    std::vector<ir::Expr> operands(op.operands.size());
    for (std::size_t i = 0; i < op.operands.size(); ++i)
      if (!visit(op.operands[i], operands[i])) return false;
    if (!report_) return true;
    ir::Builder& builder = report_->builder;
    builder.location = op.location;
    std::vector<ir::NamedAttr> attrs;
    for (std::size_t i = 0; i < op.def->attrs.size(); ++i) {
      ir::Attr attr = op.attrs[i];
      if (auto* dtype = std::get_if<ir::DType>(&attr)) {
        if (ir::is_float(*dtype)) *dtype = ir::DType::f64;
      } else if (auto* tensor = std::get_if<ir::Tensor>(&attr)) {
        if (tensor->type().dtype != ir::DType::boolean) attr = tensor->converted(ir::DType::f64);
      }
      attrs.push_back({std::string(op.def->attrs[i].name), std::move(attr)});
    }
    auto made = builder.try_op(*op.def, operands, std::move(attrs));
    if (std::holds_alternative<std::string>(made)) return refuse(std::get<std::string>(made));
    const auto which = std::ranges::find(op.results, value) - op.results.begin();
    result = std::get<std::vector<ir::Expr>>(made)[static_cast<std::size_t>(which)];
    if (ir::is_integer(result.dtype())) result = builder.cast(result, ir::DType::f64);
    return true;
  }

  Context& context_;
  const ir::Block& block_;
  std::string path_;
  ast::Span at_;
  Target* report_;
  std::vector<bool> depends_;
  std::map<ir::ValueId, ir::Expr> done_;
  int accumulators_ = 0;
};

}  // namespace

std::optional<ir::Expr> accumulate(Context& context, const std::string& path, const std::string& suffix, ir::Expr sum,
                                   std::optional<ir::Expr> count, const ast::Span& at, Target* report_target) {
  const auto grow = [&](std::string_view what, ir::Expr by) -> std::optional<ir::Expr> {
    const ir::Slot slot{fmt::format("{}{}{}", path, what, suffix), ir::Type{ir::DType::f64, {}, {}},
                        ir::SlotKind::accumulator, false};
    NNC_CHECK(add_slot(context, slot, at), "the accumulator {} has another type", slot.path);
    const ir::Expr old = read_slot(context, slot, at);
    context.target->builder.location = location(context, at);
    context.target->graph.add_result(ir::GraphResult::Kind::slot, slot.path, (old + by).value);
    if (!report_target) return std::nullopt;
    const Scoped<Target*> into(context.target, report_target);
    return read_slot(context, slot, at);
  };
  const auto total = grow(".sum", sum);
  const auto divisor = count ? grow(".count", *count) : std::nullopt;
  if (!report_target) return std::nullopt;
  report_target->builder.location = location(context, at);
  return divisor ? *total / *divisor : *total;
}

void add_metric(Context& context, Phase phase, const ast::Metric& metric, const Value& value, Target* report_target) {
  if (value.poisoned()) return;
  const auto* tensor = value.tensor();
  if (!tensor || tensor->expr.type().rank() != 0) {
    report(context, metric.value->span,
           tensor ? fmt::format("a metric is one number, found {}; `mean` reduces it", describe(value))
                  : fmt::format("a metric is a number that depends on the batch, found {}", describe(value)));
    return;
  }
  ir::Expr result;
  if (!Splitter(context, phase, metric, report_target).visit(tensor->expr.value, result) || !report_target) return;
  result = report_target->builder.cast(result, ir::DType::f64);
  report_target->graph.add_result(ir::GraphResult::Kind::value, ir::reported_result(name(phase), metric.name.text),
                                  result.value);
}

}  // namespace nnc::frontend
