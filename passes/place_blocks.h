// Blocks of memory that are taken for a time, placed in one region: those that are taken at the same time lie apart.
#pragma once

#include <cstdint>
#include <vector>

namespace nnc::passes {

struct Block {
  std::int64_t bytes = 0;
  int first = 0, last = 0;  // taken from one to the other, both included
};

struct Placement {
  std::vector<std::int64_t> offsets;  // of the blocks
  std::int64_t bytes = 0;             // of the region
};

Placement place_blocks(const std::vector<Block>& blocks);

/// The most bytes that are taken at one time: no placement needs fewer.
std::int64_t largest_sum(const std::vector<Block>& blocks);

}  // namespace nnc::passes
