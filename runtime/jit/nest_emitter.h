// The nests of a kernel at a position (ir/kernel_layout.h): their loops, and in them values, steps of reductions and writes.
#pragma once

#include "runtime/jit/accumulation.h"
#include "runtime/jit/kernel_state.h"
#include "runtime/jit/split_accumulation.h"
#include "runtime/jit/value_emitter.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace nnc::runtime::jit {

/// Where a value is known first: at the function's start, in a row of positions, or in a position.
enum class Level : std::uint8_t { function, row, position };

class NestEmitter {
 public:
  explicit NestEmitter(KernelState& state)
      : s_(state), b_(state.b), evaluate_(state), accumulate_(state), splits_(state, accumulate_) {}

  /// Split reductions, before the first position and behind the last one.
  void start_splits() { splits_.start(); }
  void end_splits() { splits_.end(); }

  /// What the nests need, and is known before the positions.
  void emit_early(Level level);
  /// The nests, one after the other.
  void emit_all();

  // A nest in parts, for those that share loops.

  /// Of what the nest needs, all that its loops have equal, unless it is done; sets what is.
  void emit_position_values(const ir::KernelNest& nest, std::vector<char>& done);
  /// All of its loops.
  void emit_loops(const ir::KernelNest& nest);
  /// Its reductions, before and behind a loop over the row, and a turn of that loop.
  std::vector<Accumulation> start(const ir::KernelNest& nest);
  void emit_turn(const ir::KernelNest& nest, const std::vector<Accumulation>& accumulations);
  void finish(const ir::KernelNest& nest, const std::vector<Accumulation>& accumulations) {
    accumulate_.finish(nest, accumulations);
  }

 private:
  using Beside = ir::KernelFetch::Beside;

  Level earliest(ir::ValueId value) const;
  /// How many of the nest's loops a value needs.
  int depth(const ir::KernelNest& nest, ir::ValueId value) const;
  bool has_vectors(const ir::KernelNest& nest) const;
  /// The nest's loops from one of them on.
  void emit_level(const ir::KernelNest& nest, int level, std::vector<Accumulation>& accumulations);
  void emit_inner_value(const ir::KernelNest& nest, ir::ValueId value);
  void emit_innermost(const ir::KernelNest& nest, const std::vector<Accumulation>& accumulations);
  llvm::Value* row_base(const ir::RowBuffer& row);

  /// At the place; behind a part of a tile there is no next one.
  bool is_fetching(const ir::KernelNest& nest, Beside beside) const;
  AccessEmitter::AfterStore fetching(bool fetches) const;
  /// Once for all turns of the nest: the index of a later position is read here.
  void begin_fetching(const ir::KernelNest& nest);
  void emit_prefetch(int copy);

  KernelState& s_;
  llvm::IRBuilder<>& b_;
  const std::function<void(int copy)> emit_prefetch_ = [this](int copy) { emit_prefetch(copy); };
  std::vector<llvm::Value*> fetched_from_;  // of each operand that is fetched, how far from its place, in elements
  ValueEmitter evaluate_;
  AccumulationEmitter accumulate_;
  SplitAccumulations splits_;
};

}  // namespace nnc::runtime::jit
