// Fused ops: one loop nest over a domain, with a body of ordinary ops.
//
//   %loss, %dx = fused %x, %label {domain = dims(i: 128, j: 10), reads = [at(10*i + j), at(i)],
//                                  writes = [at(0), at(10*i + j)],
//                                  schedule = plan(parallel i by 32, vector j of 16)}
//       (%x: f32[128,10], %label: u8[128,1]) {
//     %0 = max %x {axis = [1], keepdim = true} : f32[128,1]
//     %1 = sub %x, %0 : f32[128,10]
//     ...
//     yield %8, %11
//   } : f32[], f32[128,10]
//
// The domain is a list of extents; its dimensions are called i, j, k, ... in order. Every value of the body has a type
// of the domain's frame: aligned with the domain's last dimension, with extent 1 (or no dimension) where it does not
// vary. So body ops are ordinary ops with ordinary inference; broadcasting is a 1, and a reduction (which keeps its
// dimensions) makes one. Parameter p of the body is operand p, read by access p; value r that the body yields is result
// r, written by access r. With `into = [0, 1, 1]` values 1 and 2 are parts of result 1, next to each other in it: what
// a kernel computes is written where it is needed together. Inside the body stand elementwise ops, reductions,
// constants of one element, and nothing else.
//
// What is legal together (checked by `check_fused`, so by the verifier):
//  * a reduction whose result the body uses removes no parallel dimension: a position has all of its elements;
//  * a result that varies over every parallel dimension is written position by position; any other result is that of a
//    reduction that removes all the parallel dimensions it lacks: a `split` reduction, complete when the kernel ends.
#pragma once

#include "ir/access.h"
#include "ir/graph.h"
#include "ir/op.h"
#include "ir/schedule.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nnc::ir {

/// The record's name.
inline constexpr std::string_view fused_op = "fused";
/// Dimensions are called i, j, ..., p.
inline constexpr int max_domain_rank = 8;
/// What fusion has room for: operands and results of a kernel, and dimensions of its values before those that mean the same
/// are one.
inline constexpr std::size_t max_kernel_buffers = 24;
inline constexpr int max_kernel_dimensions = 64;

/// The parts of a fused op; views into it.
struct FusedView {
  const Shape& domain;
  const std::vector<Access>& reads;
  const std::vector<Access>& writes;
  const std::vector<std::int64_t>& into;
  const std::vector<Type>& results;
  const Schedule& schedule;
  const Block& body;

  explicit FusedView(const OpView& op);
  explicit FusedView(const Op& op);

  int rank() const { return static_cast<int>(domain.size()); }
  /// Whether a value of the body varies along a dimension of the domain.
  bool varies(ValueId value, int dimension) const;
  bool is_parallel(int dimension) const;
  /// The result that a write belongs to.
  std::size_t result_of(std::size_t write) const {
    return into.empty() ? write : static_cast<std::size_t>(into[write]);
  }
  /// Whether the write is all of its result.
  bool is_whole(std::size_t write) const;
};

bool is_fused(const Op& op);

/// Whether each position reads and writes the same bytes, all of the result: by the same access, everywhere, elements of
/// one size.
bool same_place(const FusedView& fused, std::size_t read, std::size_t write);

/// A fused op's attributes, in the record's order.
std::vector<Attr> fused_attrs(Shape domain, std::vector<Access> reads, std::vector<Access> writes, Schedule schedule,
                              std::vector<Type> results, std::vector<std::int64_t> into = {});

/// Gives the results the types that the body and `into` say: that of the value or, of several parts, one dimension.
void set_yielded_types(Op& fused);

/// The dimensions of the domain that a reduction in the body removes.
std::vector<int> reduced_dimensions(const FusedView& fused, const Op& reduction);

/// What is wrong, or nothing: accesses out of range, a body that does not fit the domain, a result that is not written
/// once everywhere, a schedule that is not legal.
std::string check_fused(const OpView& op);

/// Whether the tile of a schedule may be outside (schedule.h).
bool tile_may_be_outside(const FusedView& fused);

/// Whether the loops over a row may be pipelined (schedule.h).
bool may_be_pipelined(const FusedView& fused);

/// Positions of the flattened parallel dimensions; with another extent of the outermost one.
std::int64_t parallel_positions(const FusedView& fused);
std::int64_t parallel_positions(const FusedView& fused, std::int64_t outer_extent);
/// Chunks that so many positions are cut into.
std::int64_t chunk_count(const FusedView& fused, std::int64_t positions);

}  // namespace nnc::ir
