// Where the buffers of a program lie, and what of that memory is alive when.
#pragma once

#include "ir/module.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace nnc::ir {

/// A range of bytes in one space: the transient region is a space, every other buffer has its own.
struct Place {
  int space = 0;  // 0: transient; 1 + the buffer whose own memory it is
  std::int64_t begin = 0, end = 0;

  bool overlaps(const Place& other) const { return space == other.space && begin < other.end && other.begin < end; }
};
/// Of a row in a loop: all rows.
Place place_of(const Program& program, int buffer);
/// The buffer that stands for all with its memory, or with a part of it.
int root_of(const Program& program, int buffer);
/// The buffer with this one's memory under its first type: it may be a row of another.
int whole_of(const Program& program, int buffer);
/// Bytes of a row of a buffer with a first dimension.
std::int64_t row_bytes(const Buffer& buffer);
/// Whether two buffers may share a byte at one step of their loops.
bool may_overlap(const Program& program, int a, int b);

/// Whether the result may lie where the operand does. Of a kernel, at any extent: both have the same access, elements of
/// one size, and nothing reads the operand after the result has been written. Of a routine: it says so.
bool may_share(const Op& op, std::size_t operand, std::size_t result);

/// The same of a module's instructions, decided once a kernel.
class Sharing {
 public:
  explicit Sharing(const Module& module) : module_(module) {}
  bool operator()(const Instruction& instruction, std::size_t read, std::size_t write);

 private:
  const Module& module_;
  std::map<std::tuple<int, std::size_t, std::size_t>, bool> known_;
};

/// Scratch that an instruction of a kernel needs: the partial results of the chunks of all its sets, then a row area a
/// thread (kernel_layout.h).
std::int64_t kernel_scratch(const Module& module, const Instruction& instruction);

/// The instructions between which a buffer that is no alias holds what is still needed: it is written at `first` and
/// read last at `last`; results are read at the end, behind the last instruction. Nothing for what is never written.
/// What a loop uses from outside, or leaves there, is alive in all of it.
struct Lifetime {
  int first = -1, last = -1;
  bool looped = false;  // some step of a loop finds what an earlier one, or what is outside, has put there

  bool meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};
std::vector<Lifetime> lifetimes(const Program& program);
/// The most bytes of the transient region that are alive at one instruction, each buffer a multiple of the alignment.
std::int64_t largest_live_bytes(const Program& program);

/// Where each slot lies in the region of slots, in the order of the module; the last entry is the region's size.
std::vector<std::int64_t> slot_offsets(const Module& module);

}  // namespace nnc::ir
