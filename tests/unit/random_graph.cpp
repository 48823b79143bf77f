#include "tests/unit/random_graph.h"

#include "ir/builder.h"
#include "ir/fused.h"

#include <algorithm>
#include <array>

namespace nnc::tests {

using ir::Builder;
using ir::Expr;
using ir::OpDef;
using ir::Sample;
using ir::Tensor;
using ir::Type;
using ir::ValueId;

namespace {

template <class T>
const T& pick(const std::vector<T>& from, Random& random) {
  return from[random() % from.size()];
}

/// Whether the op is there in f64 too; random numbers are f32 always.
bool has_f64_form(const OpDef& def, const Sample& sample) {
  ir::Block block;
  Builder builder(block);
  const Sample wide = in_f64(sample);
  std::vector<Expr> operands;
  for (const ir::SampleOperand& operand : wide.operands)
    operands.push_back(builder.expr(block.add_param(operand.type)));
  const auto made = builder.try_op(def, operands, wide.attrs, wide.regions);
  const auto* results = std::get_if<std::vector<Expr>>(&made);
  return results != nullptr &&
         std::ranges::none_of(*results, [](const Expr& r) { return r.dtype() == ir::DType::f32; });
}

/// The types of the results; none where the operands do not fit.
std::vector<ir::Type> types_of(const OpDef& def, const Sample& sample) {
  ir::Block block;
  Builder builder(block);
  std::vector<Expr> operands;
  for (const ir::SampleOperand& operand : sample.operands)
    operands.push_back(builder.expr(block.add_param(operand.type)));
  const auto made = builder.try_op(def, operands, sample.attrs, sample.regions);
  std::vector<ir::Type> types;
  if (const auto* results = std::get_if<std::vector<Expr>>(&made))
    for (const Expr& result : *results) types.push_back(result.type());
  return types;
}

/// Whether an op of floats gives numbers that are none, which jump where a float moves a little.
bool gives_positions(const OpDef& def, const Sample& sample) {
  const auto is_float_operand = [](const ir::SampleOperand& operand) { return is_float(operand.type.dtype); };
  return std::ranges::any_of(sample.operands, is_float_operand) &&
         std::ranges::any_of(types_of(def, sample), [](const ir::Type& type) { return !is_float(type.dtype); });
}

/// Contractions are compiled with f32 sums only.
bool accumulates_in_f64(const OpDef& def, const Sample& sample) {
  return def.as<ir::Contraction>() != nullptr && std::ranges::any_of(sample.attrs, [](const ir::NamedAttr& attr) {
           return attr.value == ir::Attr(ir::DType::f64);
         });
}

class Generator {
 public:
  Generator(RandomGraph& graph, Random& random, bool in_f32)
      : graph_(&graph), builder_(graph.block), random_(&random), in_f32_(in_f32) {
    for (const OpDef* def : ir::all_ops()) {
      if (def->as<ir::SlotRead>() == nullptr && !(in_f32 && *def->name == ir::fused_op)) defs_.push_back(def);
    }
  }

  void add_op() {
    const OpDef& def = *pick(defs_, *random_);
    ir::Samples samples;
    (*def.samples)(samples);
    const Sample& given = pick(samples.all(), *random_);
    if (in_f32_ && (!has_f64_form(def, given) || accumulates_in_f64(def, given))) return;
    const Sample sample = in_f32_ ? given : in_f64(given);
    const bool jumps = in_f32_ && (def.grad->kind != ir::Gradient::Kind::rule || gives_positions(def, given));
    const auto* routine = def.as<ir::Routine>();
    const bool refuses = routine != nullptr && routine->fault != nullptr;
    const std::vector<Tensor> values = random_operands(sample, *random_);
    std::vector<Expr> operands;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool index = refuses || (i < def.operands->size() && (*def.operands)[i].index_extent != nullptr);
      operands.push_back(operand(values[i], index || (jumps && is_float(values[i].type().dtype))));
    }
    builder_.role = {static_cast<ir::Role::Kind>((*random_)() % 4), ""};
    builder_.location = ir::Location(ir::CallChain{{"random.nn", static_cast<int>(++line_), 1}});
    builder_.try_op(def, operands, sample.attrs, sample.regions);
  }

 private:
  /// An earlier value of the type, a constant or a parameter; a fresh one is a parameter: an index has to stay in its
  /// range.
  Expr operand(const Tensor& value, bool fresh) {
    std::vector<ValueId> fitting;
    for (std::int32_t i = 0; i < graph_->block.value_count(); ++i) {
      if (graph_->block.type({i}) == value.type()) fitting.push_back({i});
    }
    const auto choice = (*random_)() % 8;
    if (!fresh && !fitting.empty() && choice < 5) return builder_.expr(pick(fitting, *random_));
    if (!fresh && choice < 7) {
      constexpr std::array splats{0.0, 1.0, -1.0, 2.0};  // every type has the first two
      const std::size_t choices = is_float(value.type().dtype) ? splats.size() : 2;
      return builder_.constant(Tensor::splat(value.type(), splats[(*random_)() % choices]));
    }
    graph_->params.push_back(value);
    return builder_.expr(graph_->block.add_param(value.type()));
  }

  RandomGraph* graph_;
  Builder builder_;
  Random* random_;
  bool in_f32_;
  std::vector<const OpDef*> defs_;
  int line_ = 0;
};

}  // namespace

namespace {

RandomGraph make_graph(int ops, Random& random, bool in_f32) {
  RandomGraph graph;
  Generator generator(graph, random, in_f32);
  for (int i = 0; i < ops; ++i) generator.add_op();
  std::vector<bool> used(static_cast<std::size_t>(graph.block.value_count()));
  for (const ir::Op& op : graph.block.ops()) {
    for (const ValueId operand : op.operands) used[static_cast<std::size_t>(operand.index)] = true;
  }
  for (const ir::Op& op : graph.block.ops()) {
    for (const ValueId result : op.results) {
      // Some stay without use, for dead code elimination.
      if (!used[static_cast<std::size_t>(result.index)] && random() % 4 != 0) graph.block.results.push_back(result);
    }
  }
  return graph;
}

}  // namespace

RandomGraph random_graph(int ops, Random& random) { return make_graph(ops, random, false); }

RandomGraph random_f32_graph(int ops, Random& random) { return make_graph(ops, random, true); }

}  // namespace nnc::tests
