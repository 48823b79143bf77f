// What gradients, passes and rules of other ops ask of movements.
#pragma once

#include "ir/simplify.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace nnc::ir {

/// The order that takes a permutation back.
std::vector<std::int64_t> inverse_order(const std::vector<std::int64_t>& order);

/// Of more parts, no rule makes or takes apart a concatenation: to look for one takes time for each.
inline constexpr std::size_t most_joined = 64;

/// A sum of values padded with zeros that have its elements between them is their concatenation: what the gradients of
/// all slices of a value add up to.
std::optional<ValueId> join_padded_terms(SimplifyCtx& c);

}  // namespace nnc::ir
