#include "passes/plan_memory.h"

#include "ir/program_memory.h"
#include "passes/place_blocks.h"

namespace nnc::passes {

using ir::Buffer;
using ir::Instruction;
using ir::Region;

namespace {

/// Buffers in one place, one after the other, each written over the one before.
class Places {
 public:
  Places(const ir::Module& module, const ir::Program& program)
      : program_(program), sharing_(module), alive_(ir::lifetimes(program)), block_(program.buffers.size(), -1) {
    for (std::size_t b = 0; b < program.buffers.size(); ++b) {
      const Buffer& buffer = program.buffers[b];
      if (buffer.region != Region::transient || buffer.same_as >= 0 || buffer.row_of >= 0 || alive_[b].first < 0)
        continue;
      block_[b] = static_cast<int>(blocks_.size());
      blocks_.push_back({ir::aligned(buffer.type.bytes()), alive_[b].first, alive_[b].last});
    }
    for (std::size_t i = 0; i < program.instructions.size(); ++i)
      for (const ir::ArgumentSet& set : program.instructions[i].sets)
        for (std::size_t w = 0; w < set.writes.size(); ++w) share(program.instructions[i], set, w, static_cast<int>(i));
  }

  const std::vector<Block>& blocks() const { return blocks_; }
  /// The block of a buffer that is no alias, or -1.
  int block_of(int buffer) const { return block_[static_cast<std::size_t>(buffer)]; }

 private:
  /// Puts a result where an operand of its size is that nothing reads from then on. An operand's block ends with the
  /// instruction then, so that the results of one set never take the same one.
  void share(const Instruction& instruction, const ir::ArgumentSet& set, std::size_t w, int i) {
    const int written = block_of(ir::whole_of(program_, set.writes[w]));
    if (written < 0) return;
    for (std::size_t r = 0; r < set.reads.size(); ++r) {
      const int whole = ir::whole_of(program_, set.reads[r]), read = block_of(whole);
      if (read >= 0 && alive_[static_cast<std::size_t>(whole)].looped) continue;
      if (read < 0 || read == written || at(read).last != i || at(read).bytes != at(written).bytes) continue;
      if (!allowed(instruction, set, read, w)) continue;
      at(read).last = at(written).last;
      at(written).bytes = 0;
      block_[static_cast<std::size_t>(ir::root_of(program_, set.writes[w]))] = read;
      return;
    }
  }

  /// All reads of the block by this set have to allow it, and no other set may read it.
  bool allowed(const Instruction& instruction, const ir::ArgumentSet& set, int block, std::size_t w) {
    for (const ir::ArgumentSet& other : instruction.sets)
      for (std::size_t r = 0; r < other.reads.size(); ++r) {
        if (block_of(ir::root_of(program_, other.reads[r])) != block) continue;
        if (&other != &set || !sharing_(instruction, r, w)) return false;
      }
    return true;
  }

  Block& at(int block) { return blocks_[static_cast<std::size_t>(block)]; }

  const ir::Program& program_;
  ir::Sharing sharing_;
  std::vector<ir::Lifetime> alive_;
  std::vector<int> block_;  // of each buffer
  std::vector<Block> blocks_;
};

void plan(const ir::Module& module, ir::Program& program) {
  const Places places(module, program);
  const Placement placement = place_blocks(places.blocks());
  for (std::size_t b = 0; b < program.buffers.size(); ++b) {
    Buffer& buffer = program.buffers[b];
    if (buffer.region != Region::transient ||
        ir::whole_of(program, static_cast<int>(b)) != ir::root_of(program, static_cast<int>(b)))
      continue;
    const int block = places.block_of(ir::root_of(program, static_cast<int>(b)));
    buffer.offset = block < 0 ? 0 : placement.offsets[static_cast<std::size_t>(block)];
  }
  program.transient_bytes = placement.bytes;
}

}  // namespace

// 1. Find the blocks: buffers that share a place, with the instructions between which it is taken.
// 2. Place the blocks.
ir::Status plan_memory(ir::Module& module, PassContext&) {
  for (ir::Program& program : module.programs) plan(module, program);
  return ir::Status::ok;
}

}  // namespace nnc::passes
