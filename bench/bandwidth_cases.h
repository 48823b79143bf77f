// The worked cases of the kernel generator, and functions that nobody has written a kernel for, as graphs over slots
// that the caches do not hold.
#pragma once

#include <string>
#include <vector>

namespace nnc::bench {

struct Case {
  std::string name;
  std::string body;
  bool in_place = false;    // the slots are read and written
  bool transposes = false;  // @y is a matrix of the transposed shape
};

const std::vector<Case>& cases();

}  // namespace nnc::bench
