#include "runtime/jit/sharing.h"

#include "ir/constant.h"
#include "ir/fused.h"
#include "ir/linear.h"
#include "ir/op.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>

namespace nnc::runtime::jit {

using ir::Block;
using ir::Op;

namespace {

const ir::Tensor* number_of(const Block& body, const Op& op) {
  const ir::Tensor* value = op.results.size() == 1 ? ir::constant_value(body, op.results[0]) : nullptr;
  return value != nullptr && value->elements() == 1 ? value : nullptr;
}

std::optional<std::uint64_t> stream_of(const Block& body, const Op& op) {
  if (op.def->as<ir::Elementwise>() == nullptr) return std::nullopt;
  const ir::ScalarProgram program = scalar_program(ir::view(body, op));
  const int random = ir::random_scalar(program);
  return random < 0 ? std::nullopt : std::optional(program.instrs[static_cast<std::size_t>(random)].stream);
}

bool same_types(const Block& a, const Block& b) {
  if (a.value_count() != b.value_count() || a.params() != b.params() || a.results != b.results) return false;
  for (int v = 0; v < a.value_count(); ++v)
    if (a.type({v}) != b.type({v})) return false;
  return true;
}

/// Whether the formulas are the same but for their streams.
bool same_formula(const Block& a, const Op& op_a, const Block& b, const Op& op_b) {
  if (op_a.def->as<ir::Elementwise>() == nullptr) return false;
  const auto formula = [](const Block& body, const Op& op) {
    ir::ScalarProgram program = scalar_program(ir::view(body, op));
    for (ir::ScalarInstr& instr : program.instrs) instr.stream = 0;
    return program;
  };
  return formula(a, op_a) == formula(b, op_b);
}

/// The ops in which two bodies differ, if it is by their numbers and streams alone.
std::optional<std::vector<int>> differences(const Block& a, const Block& b) {
  if (a.ops().size() != b.ops().size() || !same_types(a, b)) return std::nullopt;
  std::vector<int> found;
  for (std::size_t i = 0; i < a.ops().size(); ++i) {
    const Op &x = a.ops()[i], &y = b.ops()[i];
    if (x.def != y.def || x.operands != y.operands || x.results != y.results) return std::nullopt;
    if (x.attrs == y.attrs) continue;
    const bool numbers = number_of(a, x) != nullptr && number_of(b, y) != nullptr;
    if (!numbers && !(stream_of(a, x) && same_formula(a, x, b, y))) return std::nullopt;
    found.push_back(static_cast<int>(i));
  }
  return found;
}

bool same_schedule(ir::Schedule a, ir::Schedule b) {
  if (a.chunk % ir::chunk_granule == 0 && b.chunk % ir::chunk_granule == 0) a.chunk = b.chunk;
  return a == b;
}

/// As `differences`, of kernels.
std::optional<std::vector<int>> differences(const Op& a, const Op& b) {
  const ir::FusedView x(a), y(b);
  if (x.body.ops().size() != y.body.ops().size() || x.domain.size() != y.domain.size() || x.writes != y.writes ||
      x.into != y.into || x.reads != y.reads || !same_schedule(x.schedule, y.schedule))
    return std::nullopt;
  const std::optional<Op> there =
      outer_extent(a) == outer_extent(b) ? std::optional(b) : ir::at_extent(b, outer_extent(a));
  if (!there || ir::FusedView(*there).domain != x.domain) return std::nullopt;
  return differences(x.body, ir::FusedView(*there).body);
}

}  // namespace

Sharing share_code(std::span<const ir::Kernel> kernels) {
  Sharing sharing;
  sharing.leaders.resize(kernels.size());
  sharing.parameters.resize(kernels.size());
  std::vector<std::set<int>> differing(kernels.size());
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    sharing.leaders[k] = k;
    for (std::size_t leader = 0; leader < k; ++leader) {
      if (sharing.leaders[leader] != leader) continue;
      const auto found = differences(kernels[leader].op, kernels[k].op);
      if (!found) continue;
      sharing.leaders[k] = leader;
      differing[leader].insert(found->begin(), found->end());
      break;
    }
  }
  for (std::size_t k = 0; k < kernels.size(); ++k)
    sharing.parameters[k].assign(differing[k].begin(), differing[k].end());
  return sharing;
}

std::vector<std::uint64_t> parameter_table(const ir::Kernel& kernel, const std::vector<int>& parameters) {
  const Block& body = kernel.op.regions[0];
  std::vector<std::uint64_t> table;
  for (const int parameter : parameters) {
    const Op& op = body.ops()[static_cast<std::size_t>(parameter)];
    std::uint64_t& entry = table.emplace_back(0);
    if (const ir::Tensor* value = number_of(body, op))
      std::memcpy(&entry, value->bytes().data(), value->bytes().size());
    else
      entry = *stream_of(body, op);
  }
  return table;
}

}  // namespace nnc::runtime::jit
