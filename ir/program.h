// Programs: what the machine does for one graph. Plain data without pointers, which prints, parses back and runs.
//
//   kernel @k0 = fused {domain = dims(i: 100352), ...} (...) { ... }
//
//   program @train@128(%image: u8[128,28,28], %label: u8[128]) {
//     transient 1835008
//     scratch 524288
//     buffer %0: f32[128,28,28] transient 0
//     buffer %1: f32[128,784] is %0
//     buffer %model.fc1.weight: f32[512,784] slot @model.fc1.weight
//     buffer %2: f32[] constant 0.5
//     run @k0 (%image) -> (%0) threads 2                                               loc("mlp.nn":19:16)
//     run matmul {transpose_b = true} (%1, %model.fc1.weight) -> (%3) threads 2 scratch 4096  loc("mlp.nn":7:12)
//     run @k4 (%4, %7) -> (%4), (%5, %9) -> (%5) extent 512 threads 2                  loc("mlp.nn":19:3) update
//     loop 0 of 64 {
//       run @k5 (%8, %9) -> (%10) threads 1
//     }
//     return loss = %27
//   }
//
// A kernel is a fused op without operands; its result types are those of the values that its region yields. Kernels of
// equal structure are one: an argument set has the extent of the outermost parallel dimension, which may differ from the
// one the kernel is printed with where the code does not depend on it (`at_extent`). The sets of an instruction are
// independent of each other: they are one kernel's work on several tensors. A kernel over an empty domain, of numbers,
// is evaluated by the host.
//
// Each param and slot has one buffer, each transient buffer is written once; further types of the same memory are
// buffers that name theirs. New values of slots are written where the old ones are, after all reads: what is read of a
// slot is always its old value. Nothing reads memory after an overwriter, which the verifier checks by places.
//
// A loop does its instructions once a step. What a step reads of a stacked buffer, or writes to it, is a buffer that is a
// row of it: `row of %3 in loop 0` is row t at step t. A value that steps hand on has a buffer of several rows, which go
// round: at step t the old value is row t, the new one row t + 1, modulo their number.
//
// Names of buffers are derived: params have those of the program, slots their paths, others numbers in order.
#pragma once

#include "ir/alignment.h"
#include "ir/graph.h"
#include "ir/op.h"
#include "ir/tensor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nnc::ir {

struct Kernel {
  std::string name;  // "k0"
  Op op;             // fused: attributes and region; no operands, results, location
};

enum class Region : std::uint8_t {
  param,      // the caller's: a batch of a data field
  slot,       // the state of training, the same in every program
  transient,  // at an offset of the transient region
  constant,   // elements known while compiling
};

struct Buffer {
  Type type = {};
  Region region = Region::transient;
  std::int64_t offset = 0;           // transient: bytes
  std::string path = {};             // slot: its path; param: its name
  std::optional<Tensor> value = {};  // constant
  /// The buffer before this one whose memory it is with another type, at the same place; -1: none. No constant.
  int same_as = -1;
  /// The buffer before this one of whose first dimension it is a part; -1: none. In a loop it is row (t + row) mod rows
  /// at step t; outside it begins at `row`, and may be several.
  int row_of = -1;
  int loop = -1;
  std::int64_t row = 0;
};

/// A run of instructions that is done `length` times, at steps 0, 1, ... or backwards. Loops may stand in loops.
struct Loop {
  int first = 0, end = 0;  // instructions
  std::int64_t length = 1;
  bool reverse = false;

  bool operator==(const Loop&) const = default;
};

/// What one run of a kernel, or of another op, reads and writes: indices of buffers.
struct ArgumentSet {
  std::vector<int> reads, writes;
  std::int64_t extent = 1;  // of the outermost parallel dimension; 1 where there is none

  bool operator==(const ArgumentSet&) const = default;
};

struct Instruction {
  int kernel = -1;             // of Module::kernels, or
  const OpDef* def = nullptr;  // the record of a contraction or a routine
  std::vector<Attr> attrs;     // of that op
  std::vector<ArgumentSet> sets;
  int threads = 1;
  std::int64_t scratch = 0;  // bytes, from the start of the scratch region
  Location location;
  Role role;
};

struct Program {
  std::string name;  // of the graph
  std::int64_t batch = 0;
  std::vector<Buffer> buffers;  // the params first, in order
  std::vector<Instruction> instructions;
  std::vector<Loop> loops;  // in the order in which they begin, outer ones first
  /// Named results: a buffer each. (New values of slots are in the slots.)
  std::vector<std::pair<std::string, int>> results;
  std::int64_t transient_bytes = 0, scratch_bytes = 0;

  std::string full_name() const;
  int param_count() const;
};

/// Whether the domain is empty: the host evaluates it, and it has no code.
bool is_of_numbers(const Kernel& kernel);
/// The extent of the outermost parallel dimension; 1 where there is none.
std::int64_t outer_extent(const Op& kernel);
/// The kernel with another such extent; nothing where its code would be another. Both extents are at least 2, or equal.
std::optional<Op> at_extent(const Op& kernel, std::int64_t extent);
/// What an instruction of that kernel runs on; `op` is the kernel at the set's extent.
OpView view(const Program& program, const Op& op, const ArgumentSet& set);
/// What one without a kernel runs on.
OpView view(const Program& program, const Instruction& instruction);

/// The type of each operand and result as the buffers have it.
std::vector<Type> types_of(const Program& program, const std::vector<int>& buffers);
/// The name of each buffer, without the `%`.
std::vector<std::string> buffer_names(const Program& program);

}  // namespace nnc::ir
