#include "ir/images.h"

namespace nnc::ir {

const ImageOp* image_op(const OpDef& def) {
  for (const std::span<const ImageOp> ops : {convolution_images(), pooling_images()})
    for (const ImageOp& op : ops)
      if (op.name == *def.name) return &op;
  return nullptr;
}

}  // namespace nnc::ir
