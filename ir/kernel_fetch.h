// The last part of a kernel's layout: what memory brings in a turn, and what of it is fetched ahead.
#pragma once

#include "ir/kernel_layout.h"

namespace nnc::ir {

/// KernelLayout::fetch and position_bytes, of a layout that has everything else.
void plan_fetch(const FusedView& fused, KernelLayout& layout);

}  // namespace nnc::ir
