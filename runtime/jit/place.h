// Where in a kernel's loops code is being emitted, and the values that it works on there.
#pragma once

#include "ir/fused.h"
#include "ir/kernel_layout.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Value.h>

#include <vector>

namespace nnc::runtime::jit {

/// A value of the body: single elements or vectors, one for each of the copies that are worked on at a time; only one where
/// all of them are equal.
using Pack = llvm::SmallVector<llvm::Value*, 4>;
inline llvm::Value* at(const Pack& pack, int copy) {
  return pack.size() == 1 ? pack[0] : pack[static_cast<std::size_t>(copy)];
}

struct Place {
  /// i64, by dimension of the domain; null outside of its loop. For the vector dimension that of the first lane.
  std::vector<llvm::Value*> coordinates;
  llvm::Value* position = nullptr;  // of the nest that is emitted, flattened, in a pipeline
  bool in_lanes = false;            // the vector dimension's loop is open
  /// Copies at a time: vectors one behind the other along the vector dimension, or positions of the tile's dimension.
  int copies = 1;
  int along = -1;               // the dimension that copies lie along; -1: there is one copy
  llvm::Value* mask = nullptr;  // of the lanes within the dimension; null: all of them. Then there is one vector
};

inline std::size_t index_of(ir::ValueId value) { return static_cast<std::size_t>(value.index); }
using ir::has;

}  // namespace nnc::runtime::jit
