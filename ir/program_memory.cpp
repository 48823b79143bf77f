#include "ir/program_memory.h"

#include "ir/check.h"
#include "ir/fused.h"
#include "ir/kernel_layout.h"

#include <algorithm>

namespace nnc::ir {
namespace {

const Buffer& buffer_at(const Program& program, int buffer) {
  return program.buffers[static_cast<std::size_t>(buffer)];
}

/// Whether a nest behind the one that writes the result reads the operand.
bool is_read_later(const FusedView& fused, const KernelLayout& layout, std::size_t read, std::size_t write) {
  const ValueId param = fused.body.params()[read];
  bool written = false;
  for (const KernelNest& nest : layout.nests) {
    if (written && std::ranges::find(nest.needed, param) != nest.needed.end()) return true;
    written = written || std::ranges::find(nest.results, static_cast<int>(write)) != nest.results.end();
  }
  return !written;  // when the kernel ends, once for all positions
}

}  // namespace

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + memory_alignment - 1) / memory_alignment * memory_alignment;
}

int root_of(const Program& program, int buffer) {
  const int same = buffer_at(program, buffer).same_as;
  return same < 0 ? buffer : same;
}

Place place_of(const Program& program, int buffer) {
  const int root = root_of(program, buffer);
  const Buffer& memory = buffer_at(program, root);
  const std::int64_t bytes = memory.type.bytes();
  if (memory.region != Region::transient) return {root + 1, 0, bytes};
  return {0, memory.offset, memory.offset + bytes};
}

bool may_share(const Op& kernel, std::size_t read, std::size_t write) {
  const FusedView fused(kernel);
  const Access& from = fused.reads[read];
  const Access& to = fused.writes[write];
  const DType operand = fused.body.type(fused.body.params()[read]).dtype;
  const DType result = fused.body.type(fused.body.results[write]).dtype;
  if (from.offset != to.offset || from.strides != to.strides || !from.bounds.empty() || from.index >= 0) return false;
  if (size_of(operand) != size_of(result)) return false;
  return fused.rank() == 0 || !is_read_later(fused, kernel_layout(fused), read, write);
}

std::int64_t kernel_scratch(const Module& module, const Instruction& instruction) {
  NNC_CHECK(instruction.kernel >= 0, "a contraction has no kernel of ours");
  const Op& kernel = module.kernels[static_cast<std::size_t>(instruction.kernel)].op;
  const FusedView fused(kernel);
  if (fused.rank() == 0) return 0;
  const std::int64_t rest = parallel_positions(fused) / outer_extent(kernel);
  std::int64_t chunks = 0;
  for (const ArgumentSet& set : instruction.sets)
    chunks += (rest * set.extent + fused.schedule.chunk - 1) / fused.schedule.chunk;
  return kernel_layout(fused).scratch_bytes(chunks, instruction.threads);
}

std::vector<Lifetime> lifetimes(const Program& program) {
  std::vector<Lifetime> found(program.buffers.size());
  const auto lifetime = [&](int buffer) -> Lifetime& {
    return found[static_cast<std::size_t>(root_of(program, buffer))];
  };
  const int end = static_cast<int>(program.instructions.size());
  for (int i = 0; i < end; ++i)
    for (const ArgumentSet& set : program.instructions[static_cast<std::size_t>(i)].sets) {
      for (const int read : set.reads) lifetime(read).last = i;
      for (const int write : set.writes) {
        Lifetime& written = lifetime(write);
        if (written.first < 0) written.first = i;
        written.last = std::max(written.last, i);
      }
    }
  for (const auto& [name, buffer] : program.results) lifetime(buffer).last = end;
  return found;
}

// A sweep over the instructions: what begins there is added before what ends there is taken away. Buffers that share
// memory at one instruction, one written over the other, count once there.
std::int64_t largest_live_bytes(const Program& program) {
  const std::vector<Lifetime> alive = lifetimes(program);
  std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> ranges(program.instructions.size() + 1);
  for (std::size_t b = 0; b < program.buffers.size(); ++b) {
    const Buffer& buffer = program.buffers[b];
    if (buffer.region != Region::transient || buffer.same_as >= 0 || alive[b].first < 0) continue;
    for (int i = alive[b].first; i <= alive[b].last; ++i)
      ranges[static_cast<std::size_t>(i)].emplace_back(buffer.offset, buffer.offset + aligned(buffer.type.bytes()));
  }
  std::int64_t largest = 0;
  for (auto& live : ranges) {
    std::ranges::sort(live);
    std::int64_t bytes = 0, reached = 0;
    for (const auto& [begin, end] : live) {
      bytes += std::max<std::int64_t>(0, end - std::max(begin, reached));
      reached = std::max(reached, end);
    }
    largest = std::max(largest, bytes);
  }
  return largest;
}

std::vector<std::int64_t> slot_offsets(const Module& module) {
  std::vector<std::int64_t> offsets{0};
  for (const Slot& slot : module.slots) offsets.push_back(offsets.back() + aligned(slot.type.bytes()));
  return offsets;
}

}  // namespace nnc::ir
