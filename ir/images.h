// Ops on images, as passes see them: [N, C, spatial..] or, where their attribute `channels_last` says so,
// [N, spatial.., C].
#pragma once

#include "ir/builder.h"
#include "ir/op.h"
#include "ir/simplify.h"

#include <span>
#include <string_view>
#include <vector>

namespace nnc::ir {

inline constexpr std::string_view channels_last_attr = "channels_last";

struct ImageOp {
  std::string_view name;  // of the record
  /// Which operands and results are images.
  std::vector<int> operands, results;
};

/// Null for an op without images.
const ImageOp* image_op(const OpDef& def);

// Beside the records.
std::span<const ImageOp> convolution_images();
std::span<const ImageOp> pooling_images();

}  // namespace nnc::ir
