// The worked cases of the kernel generator, and functions that nobody has written a kernel for, as graphs over slots
// that the caches do not hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nnc::bench {

/// What a case is compared with: a copy or a triad, a loop that adds to three arrays, or one that reads.
enum class Memory : std::uint8_t { copies, updates, reads };

struct Case {
  std::string name;
  std::string body;
  Memory memory = Memory::copies;
  bool is_square = false;  // of square matrices one below the other: there are at least as many rows as columns
};

const std::vector<Case>& cases();

}  // namespace nnc::bench
