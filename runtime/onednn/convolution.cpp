// Convolution and its gradients. Images lie as the program has them; the weight is reordered, in scratch, into the format
// that the primitive likes best, which differs between the three and is much faster than its plain form.
#include "ir/ops/convolution.h"

#include "runtime/onednn/lowering.h"

#include <algorithm>

namespace nnc::runtime::onednn {

MemoryDescriptor image_memory(const ir::Type& type, bool channels_last) {
  const ir::Image image = ir::image_of(type, channels_last);
  Extents extents{image.batch, image.channels}, strides{image.batch_stride, image.channel_stride};
  for (const std::int64_t stride : ir::row_major_strides(image.spatial))
    strides.push_back(stride * image.position_stride);
  extents.insert(extents.end(), image.spatial.begin(), image.spatial.end());
  const bool is_u8 = type.dtype == ir::DType::u8, is_i32 = type.dtype == ir::DType::i32;
  return {extents, strides, is_u8 ? dnnl_u8 : is_i32 ? dnnl_s32 : dnnl_f32};
}

namespace {

/// With groups, they are a dimension of their own.
Extents weight_extents(const ir::Convolution& c) {
  Extents extents = c.weight_shape();
  if (c.groups == 1) return extents;
  extents[0] = c.group_outputs();
  extents.insert(extents.begin(), c.groups);
  return extents;
}

// The code for windows of one element with a stride copies the image into scratch first, where for the gradient of a
// weight it counts a block of channels, 8 or 16, for each position. Where channels come last and are fewer, it writes
// beyond the scratch: oneDNN's issue 6035, which versions from 2.6 to 3.14 have.
bool copies_no_image(std::string_view implementation) { return !implementation.starts_with("jit_1x1"); }

Accepts accepted(const ir::Convolution& c, Convolved what, bool channels_last) {
  constexpr std::int64_t largest_block = 16;
  const bool strided = std::ranges::any_of(c.window.stride, [](std::int64_t stride) { return stride > 1; });
  const bool copies = what == Convolved::diff_weights && c.window.elements() == 1 && strided;
  return copies && channels_last && c.channels < largest_block ? copies_no_image : accepts_all;
}

/// Of the primitive's src, weights and dst, `what` is the result; the other two are the operands, those of a gradient dst
/// first.
Lowered lower(const ir::OpView& op, dnnl_engine_t engine, const ir::Convolution& c, Convolved what) {
  for (const auto* types : {&op.operands, &op.results})
    for (const ir::Type& type : *types)
      if (type.dtype != ir::DType::f32) return {};
  if (op.get<ir::DType>("accumulate") != ir::DType::f32) return {};
  const bool last = op.flag("channels_last");
  const Extents weight = weight_extents(c);
  const auto memory = [&](int name, const ir::Type& type) -> Argument {
    const bool is_weight = name == DNNL_ARG_WEIGHTS || name == DNNL_ARG_DIFF_WEIGHTS;
    return {name, is_weight ? MemoryDescriptor(weight, ir::row_major_strides(weight)) : image_memory(type, last)};
  };
  struct Names {
    int first, second, result;
    std::size_t src, weights, dst;  // which of them these are
  };
  const Names names = what == Convolved::dst ? Names{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, 0, 1, 2}
                      : what == Convolved::diff_src
                          ? Names{DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC, 2, 1, 0}
                          : Names{DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, 0, 2, 1};
  Lowered lowered;
  lowered.arguments.push_back(memory(names.first, op.operands[0]));
  lowered.arguments.push_back(memory(names.second, op.operands[1]));
  lowered.arguments.push_back(memory(names.result, op.results[0]));
  lowered.primitive = convolution_descriptor(engine, what, lowered.arguments[names.src].memory,
                                             MemoryDescriptor::any(weight), lowered.arguments[names.dst].memory,
                                             {c.window.stride, c.window.dilation, c.window.low, c.window.high},
                                             accepted(c, what, last));
  if (lowered.primitive == nullptr) return lowered;

  const bool is_result = what == Convolved::diff_weights;
  const MemoryDescriptor& ours = lowered.arguments[names.weights].memory;
  MemoryDescriptor theirs =
      memory_of(lowered.primitive.get(), is_result ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
  if (theirs == ours) return lowered;
  PrimitiveDescriptor reorder =
      is_result ? reorder_descriptor(engine, theirs, ours) : reorder_descriptor(engine, ours, theirs);
  lowered.packed.push_back({names.weights, std::move(theirs), std::move(reorder), is_result});
  return lowered;
}

}  // namespace

Lowered lower_convolution(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::convolution_of(op), Convolved::dst);
}

Lowered lower_transposed_convolution(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::transposed_convolution_of(op), Convolved::diff_src);
}

Lowered lower_convolution_weight_gradient(const ir::OpView& op, dnnl_engine_t engine) {
  return lower(op, engine, ir::convolution_weight_gradient_of(op), Convolved::diff_weights);
}

}  // namespace nnc::runtime::onednn
