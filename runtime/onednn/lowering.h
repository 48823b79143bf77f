// Which primitive computes a contraction.
#pragma once

#include "ir/op.h"
#include "runtime/onednn/api.h"

#include <vector>

namespace nnc::runtime::onednn {

/// An argument of a primitive: its name (DNNL_ARG_*) and its memory, as the program has it.
struct Argument {
  int name;
  MemoryDescriptor memory;
};

/// An argument that the primitive wants, or gives, in another format: it is reordered in scratch.
struct Packed {
  std::size_t argument;
  MemoryDescriptor memory;
  PrimitiveDescriptor reorder;
  bool is_result;
};

struct Lowered {
  PrimitiveDescriptor primitive;    // null: oneDNN has none
  std::vector<Argument> arguments;  // one an operand, then the results
  std::vector<Packed> packed = {};
};

/// By the op's record; made for the number of threads that OpenMP has now.
Lowered lower(const ir::OpView& op, dnnl_engine_t engine);

/// An image as the program has it, in oneDNN's order of extents.
MemoryDescriptor image_memory(const ir::Type& type, bool channels_last);

Lowered lower_matmul(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_packed_matmul(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_convolution(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_transposed_convolution(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_convolution_weight_gradient(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_max_pool(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_max_pool_gradient(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_average_pool(const ir::OpView& op, dnnl_engine_t engine);
Lowered lower_average_pool_gradient(const ir::OpView& op, dnnl_engine_t engine);

}  // namespace nnc::runtime::onednn
