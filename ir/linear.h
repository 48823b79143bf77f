// Which scalars of a formula are linear in the coordinates.
//
//   784 * coordinate(0) + coordinate(1)   ->   {784, 1}
#pragma once

#include "ir/op.h"
#include "ir/scalar.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace nnc::ir {

/// For each scalar of a program its factor of each coordinate, of `rank`; nothing where it is no such sum. Coordinates
/// along which the extent is 1 do not count.
std::vector<std::optional<std::vector<std::int64_t>>> linear_scalars(const ScalarProgram& program, const Shape& shape);

/// Whether an elementwise op depends on where it is, and only through the row-major position: the same formula holds for
/// any shape in which the elements are in the same order.
bool is_by_position(const OpView& op);

/// The scalar that is a random number; -1: none.
int random_scalar(const ScalarProgram& program);

}  // namespace nnc::ir
