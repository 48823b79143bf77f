// Pooling and its gradients. oneDNN's workspace of a maximum is the number of the element within its window, as ours is.
#include "ir/ops/pooling.h"

#include "runtime/onednn/lowering.h"

namespace nnc::runtime::onednn {

namespace {

Lowered lower(const ir::OpView& op, dnnl_engine_t engine, const ir::Pooling& p, Pooled what, bool backward) {
  const ir::Type &x = backward ? op.results[0] : op.operands[0], &y = backward ? op.operands[0] : op.results[0];
  if (x.dtype != ir::DType::f32) return {};
  const bool last = op.flag("channels_last");
  const ir::Window& window = p.window;
  Lowered lowered;
  lowered.primitive = pooling_descriptor(engine, what, backward, image_memory(x, last), image_memory(y, last),
                                         window.kernel, {window.stride, window.dilation, window.low, window.high});
  if (lowered.primitive == nullptr) return lowered;
  if (backward) lowered.arguments.push_back({DNNL_ARG_DIFF_DST, image_memory(y, last)});
  if (!backward) lowered.arguments.push_back({DNNL_ARG_SRC, image_memory(x, last)});
  if (!backward) lowered.arguments.push_back({DNNL_ARG_DST, image_memory(y, last)});
  if (what == Pooled::maximum) {
    MemoryDescriptor index = image_memory(backward ? op.operands[1] : op.results[1], last);
    if (!(memory_of(lowered.primitive.get(), dnnl_query_workspace_md) == index)) return {};
    lowered.arguments.push_back({DNNL_ARG_WORKSPACE, std::move(index)});
  }
  if (backward) lowered.arguments.push_back({DNNL_ARG_DIFF_SRC, image_memory(x, last)});
  return lowered;
}

}  // namespace

Lowered lower_max_pool(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::pooling_of(op), Pooled::maximum, false);
}

Lowered lower_max_pool_gradient(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::pooling_backward_of(op), Pooled::maximum, true);
}

Lowered lower_average_pool(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::pooling_of(op), Pooled::average, false);
}

Lowered lower_average_pool_gradient(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::pooling_backward_of(op), Pooled::average, true);
}

}  // namespace nnc::runtime::onednn
