// A field of `data`, as the tests of readers write it.
#pragma once

#include "ir/module.h"

#include <string>
#include <utility>

namespace nnc::test {

inline ir::DataField field(std::string name, ir::DType dtype, ir::Shape shape = {}) {
  ir::DataField out;
  out.name = std::move(name);
  out.type = {dtype, std::move(shape), {}};
  return out;
}

}  // namespace nnc::test
