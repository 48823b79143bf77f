// What pooling and its gradients are over.
#pragma once

#include "ir/ops/window.h"

#include <string>

namespace nnc::ir {

/// Windows over x, whose results y have a position a window.
struct Pooling {
  std::string error;
  Window window;
  std::int64_t batch = 0, channels = 0;
};

/// Of `max_pool` and `average_pool`, from x; `error` says what does not fit.
Pooling pooling_of(const OpView& op);
/// Of their gradients, from dy; `extents` are those of x.
Pooling pooling_backward_of(const OpView& op);

}  // namespace nnc::ir
