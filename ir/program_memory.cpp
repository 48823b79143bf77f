#include "ir/program_memory.h"

#include "ir/check.h"
#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/op.h"

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
    written = written || std::ranges::find(nest.writes, static_cast<int>(write)) != nest.writes.end();
  }
  return !written;  // when the kernel ends, once for all positions
}

bool is_over(const OpDef& def, std::size_t read, std::size_t write) {
  const auto* routine = def.as<Routine>();
  return routine != nullptr && routine->over && routine->over->operand == read && write == 0;
}

}  // namespace

int whole_of(const Program& program, int buffer) {
  const int same = buffer_at(program, buffer).same_as;
  return same < 0 ? buffer : same;
}

int root_of(const Program& program, int buffer) {
  int root = whole_of(program, buffer);
  while (buffer_at(program, root).row_of >= 0) root = whole_of(program, buffer_at(program, root).row_of);
  return root;
}

std::int64_t row_bytes(const Buffer& buffer) { return buffer.type.bytes() / buffer.type.shape.at(0); }

Place place_of(const Program& program, int buffer) {
  int root = whole_of(program, buffer);
  std::int64_t begin = 0, bytes = buffer_at(program, root).type.bytes();
  while (buffer_at(program, root).row_of >= 0) {
    const Buffer& row = buffer_at(program, root);
    const Buffer& all = buffer_at(program, row.row_of);
    begin = row.loop < 0 ? begin + row.row * row_bytes(all) : 0;
    if (row.loop >= 0) bytes = all.type.bytes();
    root = whole_of(program, row.row_of);
  }
  const Buffer& memory = buffer_at(program, root);
  if (memory.region != Region::transient) return {root + 1, begin, begin + bytes};
  return {0, memory.offset + begin, memory.offset + begin + bytes};
}

bool may_overlap(const Program& program, int a, int b) {
  const Buffer &one = buffer_at(program, whole_of(program, a)), &other = buffer_at(program, whole_of(program, b));
  const bool rows = one.loop >= 0 && one.loop == other.loop && one.row_of == other.row_of;
  if (rows) return one.row == other.row;
  return place_of(program, a).overlaps(place_of(program, b));
}

bool may_share(const Op& op, std::size_t operand, std::size_t result) {
  if (!is_fused(op)) return is_over(*op.def, operand, result);
  const FusedView fused(op);
  std::size_t write = 0;
  while (fused.result_of(write) != result) ++write;
  if (!same_place(fused, operand, write)) return false;
  return fused.rank() == 0 || !is_read_later(fused, kernel_layout(fused), operand, write);
}

bool Sharing::operator()(const Instruction& instruction, std::size_t read, std::size_t write) {
  if (instruction.kernel < 0) return is_over(*instruction.def, read, write);
  const auto [entry, inserted] = known_.try_emplace({instruction.kernel, read, write});
  if (inserted)
    entry->second = may_share(module_.kernels[static_cast<std::size_t>(instruction.kernel)].op, read, write);
  return entry->second;
}

std::int64_t kernel_scratch(const Module& module, const Instruction& instruction) {
  NNC_CHECK(instruction.kernel >= 0, "a contraction has no kernel of ours");
  const Op& kernel = module.kernels[static_cast<std::size_t>(instruction.kernel)].op;
  const FusedView fused(kernel);
  if (fused.rank() == 0) return 0;
  std::int64_t chunks = 0;
  for (const ArgumentSet& set : instruction.sets) chunks += chunk_count(fused, parallel_positions(fused, set.extent));
  return kernel_layout(fused).scratch.bytes(chunks, instruction.threads);
}

namespace {

/// Where the memory of a buffer is used.
struct Use {
  int instruction;
  bool writes;
  int loop;  // of which the row is seen, or -1
};

// What a loop uses lives in all of it, unless each step begins with writing it and nothing outside uses it.
void extend_over(const Loop& loop, int index, const std::vector<Use>& uses, Lifetime& alive) {
  const auto within = [&](const Use& use) { return use.instruction >= loop.first && use.instruction < loop.end; };
  const auto first = std::ranges::find_if(uses, within);
  if (first == uses.end()) return;
  const bool own = std::ranges::all_of(uses, within) && first->writes &&
                   std::ranges::none_of(uses, [&](const Use& use) { return use.loop == index; });
  if (own && alive.last < loop.end) return;
  alive.looped = true;
  if (alive.first >= 0) alive.first = std::min(alive.first, loop.first);
  alive.last = std::max(alive.last, loop.end - 1);
}

}  // namespace

std::vector<Lifetime> lifetimes(const Program& program) {
  std::vector<Lifetime> found(program.buffers.size());
  std::vector<std::vector<Use>> uses(program.buffers.size());
  const auto lifetime = [&](int buffer) -> Lifetime& {
    return found[static_cast<std::size_t>(root_of(program, buffer))];
  };
  const auto use = [&](int buffer, int i, bool writes) {
    const int loop = buffer_at(program, whole_of(program, buffer)).loop;
    uses[static_cast<std::size_t>(root_of(program, buffer))].push_back({i, writes, loop});
  };
  const int end = static_cast<int>(program.instructions.size());
  for (int i = 0; i < end; ++i) {
    const std::vector<ArgumentSet>& sets = program.instructions[static_cast<std::size_t>(i)].sets;
    for (const ArgumentSet& set : sets)
      for (const int read : set.reads) {
        lifetime(read).last = i;
        use(read, i, false);
      }
    for (const ArgumentSet& set : sets)
      for (const int write : set.writes) {
        Lifetime& written = lifetime(write);
        if (written.first < 0) written.first = i;
        written.last = std::max(written.last, i);
        use(write, i, true);
      }
  }
  for (const auto& [name, buffer] : program.results) lifetime(buffer).last = end;
  for (std::size_t b = 0; b < found.size(); ++b)
    for (std::size_t l = program.loops.size(); l-- > 0;)
      extend_over(program.loops[l], static_cast<int>(l), uses[b], found[b]);
  return found;
}

// A sweep over the instructions: what begins there is added before what ends there is taken away. Buffers that share
// memory at one instruction, one written over the other, count once there.
std::int64_t largest_live_bytes(const Program& program) {
  const std::vector<Lifetime> alive = lifetimes(program);
  std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> ranges(program.instructions.size() + 1);
  for (std::size_t b = 0; b < program.buffers.size(); ++b) {
    const Buffer& buffer = program.buffers[b];
    if (buffer.region != Region::transient || buffer.same_as >= 0 || buffer.row_of >= 0 || alive[b].first < 0) continue;
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
