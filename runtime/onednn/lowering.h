// Which primitive computes a contraction.
#pragma once

#include "ir/op.h"
#include "runtime/onednn/api.h"

#include <vector>

namespace nnc::runtime::onednn {

/// An argument of a primitive: its name (DNNL_ARG_*) and its memory.
struct Argument {
  int name;
  MemoryDescriptor memory;
};

struct Lowered {
  PrimitiveDescriptor primitive;    // null: oneDNN has none
  std::vector<Argument> arguments;  // one an operand, then the result
};

/// By the op's record; made for the number of threads that OpenMP has now.
Lowered lower(const ir::OpView& op, dnnl_engine_t engine);

Lowered lower_matmul(const ir::OpView& op, dnnl_engine_t engine);

}  // namespace nnc::runtime::onednn
