// What rules of other ops ask about values that are put together of parts.
#pragma once

#include "ir/simplify.h"

#include <cstddef>
#include <optional>

namespace nnc::ir {

/// Of more parts, no rule makes or takes apart a concatenation: to look for one takes time for each.
inline constexpr std::size_t most_joined = 64;

/// A sum of values padded with zeros that have its elements between them is their concatenation: what the gradients of
/// all slices of a value add up to.
std::optional<ValueId> join_padded_terms(SimplifyCtx& c);

}  // namespace nnc::ir
