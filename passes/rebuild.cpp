#include "passes/rebuild.h"

#include <utility>

namespace nnc::passes {

using ir::Block;
using ir::ValueId;

Rebuild::Rebuild(const Block& from) : from_(&from), map_(from) {
  for (const ValueId param : from.params()) map_.add_param(to_, param);
}

Block Rebuild::finish() {
  for (const ValueId result : from_->results) to_.results.push_back(map_[result]);
  return std::move(to_);
}

}  // namespace nnc::passes
