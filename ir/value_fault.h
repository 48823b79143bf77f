// A value that an op cannot take, met while a program runs: the user's mistake, which ends the run.
#pragma once

#include "ir/location.h"

#include <stdexcept>
#include <string>

namespace nnc::ir {

struct ValueFault : std::runtime_error {
  ValueFault(const std::string& what, Location where) : std::runtime_error(what), location(std::move(where)) {}

  Location location;  // of the op
};

}  // namespace nnc::ir
