// What convolution and its gradients are over.
#pragma once

#include "ir/ops/window.h"

#include <string>

namespace nnc::ir {

/// x: an image of `channels`; y: one of `outputs` channels, with a position a window; w: [outputs, channels of a group,
/// kernel..].
struct Convolution {
  std::string error;
  Window window;
  std::int64_t batch = 0, channels = 0, outputs = 0, groups = 1;

  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_outputs() const { return outputs / groups; }
  /// Products that make an element of y.
  std::int64_t depth() const { return group_channels() * window.elements(); }
  Shape weight_shape() const;
};

/// Of `convolution`, from x and w; `error` says what does not fit.
Convolution convolution_of(const OpView& op);
/// Of `transposed_convolution`, from y and w; `extents` says how large x is, which its windows do not when the stride is
/// above 1.
Convolution transposed_convolution_of(const OpView& op);
/// Of `convolution_weight_gradient`, from x and y.
Convolution convolution_weight_gradient_of(const OpView& op);

/// What one of the three is over, and which part of it the op gives.
struct ConvolutionCall {
  enum class Part : std::uint8_t { y, x, weight };
  Part gives;
  Convolution shape;
};
ConvolutionCall convolution_call(const OpView& op);

}  // namespace nnc::ir
