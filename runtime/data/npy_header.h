// The head of a .npy array: a Python dictionary of three keys.
#pragma once

#include "ir/type.h"
#include "runtime/data/raw.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nnc::runtime {

struct NpyHeader {
  RawType type;
  bool fortran_order = false;
  ir::Shape shape;
  std::size_t size = 0;  // bytes before the elements
};

/// Nothing and a `problem` if the file does not begin with one.
std::optional<NpyHeader> read_npy_header(std::string_view file, std::string& problem);

}  // namespace nnc::runtime
