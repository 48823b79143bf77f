// A matrix product on plain memory. Transposed operands are strides; leading dimensions that are one in memory become
// one, or rows of one longer matrix:
//
//   f32[2,8,4] @ f32[4,5]              ->  [16,4] x [4,5]
//   f32[12,4,64,32] @ f32[12,4,32,64]  ->  [48,64,32] x [48,32,64]
#include "runtime/onednn/lowering.h"

#include <algorithm>
#include <array>
#include <optional>

namespace nnc::runtime::onednn {

namespace {

enum Place : std::size_t { left, right, result };

/// A dimension of the product: its stride in each tensor, 0 where the tensor does not have it.
struct Dimension {
  std::int64_t extent;
  std::array<std::int64_t, 3> strides;
};

/// Both as one dimension, if their elements lie so in every tensor.
std::optional<Dimension> merged(const Dimension& outer, const Dimension& inner) {
  Dimension both{outer.extent * inner.extent, inner.extent == 1 ? outer.strides : inner.strides};
  for (const Place place : {left, right, result}) {
    const bool has = inner.strides[place] != 0;  // a dimension of extent 1 has strides too
    if (has != (outer.strides[place] != 0)) return std::nullopt;
    if (inner.extent != 1 && outer.strides[place] != inner.strides[place] * inner.extent) return std::nullopt;
  }
  return both;
}

std::vector<std::int64_t> strides_of(const ir::Type& type) {
  if (type.layout.empty()) return ir::row_major_strides(type.shape);
  std::vector<std::int64_t> strides(type.shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = type.layout.size(); i-- > 0;) {
    const auto dimension = static_cast<std::size_t>(type.layout[i]);
    strides[dimension] = stride;
    stride *= type.shape[dimension];
  }
  return strides;
}

/// result[batch.., m, n] = sum over k of left[batch.., m, k] right[batch.., k, n].
struct Product {
  std::vector<Dimension> batch;  // outermost first
  Dimension m, k, n;
};

Product product_of(const ir::OpView& op) {
  const std::array<const ir::Type*, 3> types = {&op.operands[0], &op.operands[1], &op.results[0]};
  const std::size_t rank = types[result]->shape.size();
  // Extents and strides of each tensor, aligned at the last dimension; 0 where it broadcasts.
  std::array<Extents, 3> extents, strides;
  for (const Place place : {left, right, result}) {
    extents[place] = types[place]->shape;
    strides[place] = strides_of(*types[place]);
    if ((place == left && op.flag("transpose_a")) || (place == right && op.flag("transpose_b"))) {
      std::swap(extents[place].back(), extents[place].end()[-2]);
      std::swap(strides[place].back(), strides[place].end()[-2]);
    }
    const std::size_t missing = rank - extents[place].size();
    extents[place].insert(extents[place].begin(), missing, 1);
    strides[place].insert(strides[place].begin(), missing, 0);
  }
  Product p{{},
            {extents[left][rank - 2], {strides[left][rank - 2], 0, strides[result][rank - 2]}},
            {extents[left][rank - 1], {strides[left][rank - 1], strides[right][rank - 2], 0}},
            {extents[right][rank - 1], {0, strides[right][rank - 1], strides[result][rank - 1]}}};
  for (std::size_t d = 0; d + 2 < rank; ++d) {
    Dimension next{extents[result][d], {}};
    for (const Place place : {left, right, result})
      next.strides[place] = extents[place][d] == 1 ? 0 : strides[place][d];
    if (next.extent == 1) continue;
    const auto one = p.batch.empty() ? std::nullopt : merged(p.batch.back(), next);
    if (one) p.batch.back() = *one;
    if (!one) p.batch.push_back(next);
  }
  if (!p.batch.empty()) {
    for (Dimension* side : {&p.m, &p.n}) {
      const auto one = merged(p.batch.back(), *side);
      if (!one) continue;
      *side = *one;
      p.batch.pop_back();
      break;
    }
  }
  return p;
}

MemoryDescriptor memory_of(const Product& p, Place place, const Dimension& rows, const Dimension& columns) {
  Extents extents, strides;
  for (const Dimension& dimension : p.batch) {
    extents.push_back(dimension.strides[place] == 0 ? 1 : dimension.extent);
    strides.push_back(dimension.strides[place]);
  }
  extents.insert(extents.end(), {rows.extent, columns.extent});
  // The stride of an extent of 1 means nothing; oneDNN finds its faster primitives by those of dense, row-major memory.
  strides.push_back(rows.strides[place]);
  strides.push_back(columns.extent == 1 ? 1 : columns.strides[place]);
  std::int64_t span = extents.back() * strides.back();
  for (std::size_t i = extents.size() - 1; i-- > 0;) {
    if (extents[i] == 1) strides[i] = span;
    span = std::max(span, extents[i] * strides[i]);
  }
  return {extents, strides};
}

}  // namespace

Lowered lower_matmul(const ir::OpView& op, dnnl_engine_t engine) {
  for (const ir::Type* type : {&op.operands[0], &op.operands[1], &op.results[0]})
    if (type->dtype != ir::DType::f32) return {};
  if (op.get<ir::DType>("accumulate") != ir::DType::f32) return {};
  const Product p = product_of(op);
  Lowered lowered;
  lowered.arguments.push_back({DNNL_ARG_SRC, memory_of(p, left, p.m, p.k)});
  lowered.arguments.push_back({DNNL_ARG_WEIGHTS, memory_of(p, right, p.k, p.n)});
  lowered.arguments.push_back({DNNL_ARG_DST, memory_of(p, result, p.m, p.n)});
  lowered.primitive = matmul_descriptor(engine, lowered.arguments[left].memory, lowered.arguments[right].memory,
                                        lowered.arguments[result].memory);
  return lowered;
}

// A CPU without a fast primitive that reads such tiles gets the weight as rows.
Lowered lower_packed_matmul(const ir::OpView& op, dnnl_engine_t engine) {
  const bool dense = op.operands[left].layout.empty() && op.operands[right].layout.empty();
  if (op.results[0].dtype != ir::DType::f32 || !dense) return {};
  const ir::Shape& tiles = op.operands[right].shape;
  const std::int64_t k = op.operands[left].shape.back(), n = op.results[0].shape.back();
  const std::int64_t m = op.results[0].elements() / n;
  Lowered lowered;
  lowered.arguments.push_back({DNNL_ARG_SRC, {{m, k}, {k, 1}}});
  lowered.arguments.push_back({DNNL_ARG_WEIGHTS, MemoryDescriptor::packed(k, n, tiles.back())});
  lowered.arguments.push_back({DNNL_ARG_DST, {{m, n}, {n, 1}}});
  const auto primitive = [&](const MemoryDescriptor& weights) {
    return matmul_descriptor(engine, lowered.arguments[left].memory, weights, lowered.arguments[result].memory);
  };
  lowered.primitive = primitive(lowered.arguments[right].memory);
  if (lowered.primitive == nullptr || is_reference(lowered.primitive.get())) {
    MemoryDescriptor rows({k, n}, {n, 1});
    lowered.primitive = primitive(rows);
    PrimitiveDescriptor reorder = reorder_descriptor(engine, lowered.arguments[right].memory, rows);
    lowered.packed.push_back({right, std::move(rows), std::move(reorder), false});
  }
  return lowered;
}

}  // namespace nnc::runtime::onednn
