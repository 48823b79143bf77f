// How the operands and results of `scan` divide, and its gradient.
#pragma once

#include "ir/builder.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nnc::ir {

/// Operands: carries, then tensors read a row a step, then values every step sees. The region's parameters are the
/// step's number, then the same; its results are the new carries, then what it yields.
struct ScanParts {
  std::size_t carries, scanned;
  std::int64_t length;
  bool reverse;

  ScanParts(std::size_t carries, std::size_t scanned, std::int64_t length, bool reverse)
      : carries(carries), scanned(scanned), length(length), reverse(reverse) {}
  explicit ScanParts(const OpView& op)
      : ScanParts(static_cast<std::size_t>(op.integer("carries")), static_cast<std::size_t>(op.integer("scanned")),
                  op.integer("length"), op.flag("reverse")) {}
};

/// Whether the op is a loop.
bool is_scan(const Op& op);
std::size_t carry_count(const Op& scan);
/// Appends a loop; that its region does not fit is our own mistake.
std::vector<Expr> build_scan(Builder& builder, const ScanParts& parts, const std::vector<Expr>& operands, Block region);

/// For each value of a loop's body, whether it is the same in each step, as `given` parameters are: what is computed
/// from those and from nothing, but no loop within.
std::vector<bool> same_each_step(const Block& body, const std::vector<ValueId>& given);
/// For each value of a loop's body, whether a gradient can flow from it to one of the operands that are `wanted`. A carry
/// counts as well if a later step makes it from something that does.
std::vector<bool> flows_in_body(const Block& body, std::size_t carries, const std::vector<bool>& wanted,
                                std::vector<bool> (*flows_to)(const Block&, const std::vector<ValueId>&));

/// The gradient of a loop is a loop the other way round: see scan_gradient.cpp.
void scan_gradient(GradCtx& g);

}  // namespace nnc::ir
