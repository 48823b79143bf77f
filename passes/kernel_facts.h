// What a fused op says of itself before it has a schedule: what its accesses move, what its body reduces and computes.
#pragma once

#include "ir/fused.h"
#include "ir/op.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace nnc::passes {

bool contains(const std::vector<int>& dimensions, int d);

class KernelFacts {
 public:
  KernelFacts(const ir::Block& block, const ir::Op& op);

  const ir::OpView view;
  const ir::FusedView fused;
  std::vector<int> inner;   // dimensions removed by reductions that the body uses
  std::vector<int> summed;  // those removed by other reductions
  bool reduces = false;

  std::int64_t extent(int d) const { return fused.domain[static_cast<std::size_t>(d)]; }
  std::int64_t positions(const std::vector<int>& dimensions) const;
  /// Of all accesses, bytes: each element once.
  std::int64_t traffic() const { return traffic_; }
  /// The dimension in which most bytes are contiguous; of equals the last.
  int contiguous_dimension() const;
  /// Bytes of accesses that are contiguous along d, and move along `across` as well.
  std::int64_t bytes_along(int d, int across, bool writes_only) const;
  /// In memory, bytes.
  std::size_t widest_element() const;
  /// Reads that go on from element to element of a vector and, beside it, from position to position.
  std::size_t row_reads(const std::vector<int>& parallel, int vector) const;
  /// Functions (ir::is_function) of an element that varies along the vector dimension.
  std::ptrdiff_t functions(int vector) const;
  bool draws_random() const;

 private:
  bool is_used(const ir::Op& reduction) const;
  bool moves_along(const ir::Access& access, int d) const;
  void for_each_access(const std::function<void(const ir::Access&, std::int64_t bytes)>& f) const;

  std::int64_t traffic_ = 0;
};

}  // namespace nnc::passes
