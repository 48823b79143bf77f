#include "passes/kernel_facts.h"

#include "ir/linear.h"

#include <algorithm>
#include <cstdlib>

namespace nnc::passes {

using ir::Access;

bool contains(const std::vector<int>& dimensions, int d) {
  return std::ranges::find(dimensions, d) != dimensions.end();
}

KernelFacts::KernelFacts(const ir::Block& block, const ir::Op& op) : view(ir::view(block, op)), fused(op) {
  for (const ir::Op& inner_op : fused.body.ops()) {
    if (inner_op.def->as<ir::Reduction>() == nullptr) continue;
    std::vector<int>& kind = is_used(inner_op) ? inner : summed;
    for (const int d : ir::reduced_dimensions(fused, inner_op)) {
      if (!contains(kind, d)) kind.push_back(d);
    }
    reduces = true;
  }
  for_each_access([&](const Access&, std::int64_t bytes) { traffic_ += bytes; });
}

std::int64_t KernelFacts::positions(const std::vector<int>& dimensions) const {
  std::int64_t product = 1;
  for (const int d : dimensions) product *= extent(d);
  return product;
}

int KernelFacts::contiguous_dimension() const {
  std::vector<std::int64_t> contiguous(fused.domain.size());
  for_each_access([&](const Access& access, std::int64_t bytes) {
    for (std::size_t d = 0; d < contiguous.size(); ++d) {
      if (std::abs(access.strides[d]) == 1) contiguous[d] += bytes;
    }
  });
  int best = fused.rank() - 1;
  for (int d = best; d >= 0; --d) {
    if (contiguous[static_cast<std::size_t>(d)] > contiguous[static_cast<std::size_t>(best)]) best = d;
  }
  return best;
}

std::int64_t KernelFacts::bytes_along(int d, int across, bool writes_only) const {
  std::int64_t total = 0;
  const auto add = [&](const Access& access, const ir::Type& type) {
    const std::int64_t other = access.strides[static_cast<std::size_t>(across)];
    if (access.strides[static_cast<std::size_t>(d)] == 1 && other != 0 && other != 1) total += type.bytes();
  };
  for (std::size_t i = 0; i < fused.writes.size(); ++i) add(fused.writes[i], view.results[fused.result_of(i)]);
  if (writes_only) return total;
  for (std::size_t i = 0; i < fused.reads.size(); ++i) {
    const bool plain = fused.reads[i].index < 0 && fused.reads[i].bounds.empty();
    if (plain) add(fused.reads[i], view.operands[i]);
  }
  return total;
}

std::size_t KernelFacts::widest_element() const {
  std::size_t widest = 0;
  for (const auto* types : {&view.operands, &view.results})
    for (const ir::Type& type : *types) widest = std::max(widest, static_cast<std::size_t>(ir::size_of(type.dtype)));
  return widest;
}

std::size_t KernelFacts::row_reads(const std::vector<int>& parallel, int vector) const {
  return static_cast<std::size_t>(std::ranges::count_if(fused.reads, [&](const Access& access) {
    const auto moves = [&](int d) { return access.strides[static_cast<std::size_t>(d)] != 0; };
    return moves(vector) &&
           (fused.rank() == 1 || std::ranges::any_of(parallel, [&](int d) { return d != vector && moves(d); }));
  }));
}

std::ptrdiff_t KernelFacts::functions(int vector) const {
  std::ptrdiff_t functions = 0;
  for (const ir::Op& op : fused.body.ops()) {
    if (op.def->as<ir::Elementwise>() == nullptr || !fused.varies(op.results[0], vector)) continue;
    const ir::ScalarProgram program = ir::scalar_program(ir::view(fused.body, op));
    functions += std::ranges::count_if(program.instrs, ir::is_function, &ir::ScalarInstr::op);
  }
  return functions;
}

bool KernelFacts::draws_random() const {
  return std::ranges::any_of(fused.body.ops(), [&](const ir::Op& op) {
    return op.def->as<ir::Elementwise>() != nullptr &&
           ir::random_scalar(ir::scalar_program(ir::view(fused.body, op))) >= 0;
  });
}

bool KernelFacts::is_used(const ir::Op& reduction) const {
  return std::ranges::any_of(fused.body.ops(), [&](const ir::Op& user) {
    return std::ranges::find_first_of(user.operands, reduction.results) != user.operands.end();
  });
}

/// Whether other elements are met along a dimension: with an index, where that is another one too.
bool KernelFacts::moves_along(const Access& access, int d) const {
  const auto moves = [&](const Access& a) { return a.strides[static_cast<std::size_t>(d)] != 0; };
  return moves(access) || (access.index >= 0 && moves(fused.reads[static_cast<std::size_t>(access.index)]));
}

/// Calls f(access, bytes that move by it, once each).
void KernelFacts::for_each_access(const std::function<void(const Access&, std::int64_t bytes)>& f) const {
  const auto visit = [&](const Access& access, const ir::Type& type) {
    std::int64_t elements = 1;
    for (int d = 0; d < fused.rank(); ++d) {
      if (moves_along(access, d)) elements *= extent(d);
    }
    f(access, elements * ir::size_of(type.dtype));
  };
  for (std::size_t i = 0; i < fused.reads.size(); ++i) visit(fused.reads[i], view.operands[i]);
  for (std::size_t i = 0; i < fused.writes.size(); ++i) visit(fused.writes[i], view.results[fused.result_of(i)]);
}

}  // namespace nnc::passes
