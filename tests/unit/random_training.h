// Random training programs as `.nn` text: data, layers, losses, metrics, an optimizer, groups, clipping.
#pragma once

#include "tests/unit/choices.h"

#include <cstdint>
#include <string>

namespace nnc::tests {

struct RandomTraining {
  std::string source;
  std::int64_t batch = 0, last_batch = 0;  // of an epoch
};

/// Losses and gradients are well conditioned: f32 in another order gives nearly the same.
RandomTraining random_training(Choices& choices);

}  // namespace nnc::tests
