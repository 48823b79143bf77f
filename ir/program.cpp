#include "ir/program.h"

#include "ir/check.h"
#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/value_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::ir {
namespace {

/// A shape of the domain's frame with another extent along a dimension along which it varies.
void set_extent(Shape& shape, std::size_t rank, std::size_t dimension, std::int64_t extent) {
  if (shape.size() > rank || dimension < rank - shape.size()) return;
  std::int64_t& own = shape[dimension - (rank - shape.size())];
  if (own != 1) own = extent;
}

Attr& attr_of(Op& op, AttrKind kind) {
  for (std::size_t i = 0; i < op.attrs.size(); ++i)
    if (op.def->attrs[i].kind == kind) return op.attrs[i];
  internal_error(__FILE__, __LINE__, op, "an attribute is missing");
}

/// Whether the op does the same at every element, whatever that extent: same instructions, same constants in them.
bool same_code(const OpView& a, const OpView& b) {
  return a.def->as<Elementwise>() == nullptr || scalar_program(a) == scalar_program(b);
}

/// The body with another extent along a dimension; nothing if an op cannot have it or does something else then.
std::optional<Block> body_at(const Block& body, std::size_t rank, std::size_t dimension, std::int64_t extent) {
  const auto with_extent = [&](Type type) {
    set_extent(type.shape, rank, dimension, extent);
    return type;
  };
  Block next;
  for (const ValueId param : body.params()) next.add_param(with_extent(body.type(param)));
  for (const Op& op : body.ops()) {
    Op copy = op;
    std::vector<Type> operands, results;
    for (const ValueId operand : op.operands) operands.push_back(next.type(operand));
    for (const ValueId result : op.results) results.push_back(with_extent(body.type(result)));
    for (std::size_t i = 0; i < copy.attrs.size(); ++i)
      if (op.def->attrs[i].kind == AttrKind::result_shape)
        set_extent(std::get<Shape>(copy.attrs[i]), rank, dimension, extent);
    const OpView there{op.def, operands, copy.attrs, copy.regions, results};
    const Inferred inferred = (*op.def->infer)({op.def, operands, copy.attrs, copy.regions, {}});
    if (inferred.types != results || !same_code(view(body, op), there)) return std::nullopt;
    next.append(std::move(copy), results);
  }
  next.results = body.results;
  return next;
}

/// Bounds are extents themselves, and stay as they are.
bool is_bounded(const FusedView& fused, int dimension) {
  return std::ranges::any_of(
      fused.reads, [&](const Access& access) { return access.is_bounded(static_cast<std::size_t>(dimension)); });
}

}  // namespace

std::string Program::full_name() const { return batch > 0 ? fmt::format("{}@{}", name, batch) : name; }

int Program::param_count() const {
  const auto is_param = [](const Buffer& buffer) {
    return buffer.region == Region::param && buffer.same_as < 0 && buffer.row_of < 0;
  };
  return static_cast<int>(std::ranges::find_if_not(buffers, is_param) - buffers.begin());
}

bool is_of_numbers(const Kernel& kernel) { return FusedView(kernel.op).domain.empty(); }

std::int64_t outer_extent(const Op& kernel) {
  const FusedView fused(kernel);
  if (fused.schedule.parallel.empty()) return 1;
  return fused.domain[static_cast<std::size_t>(fused.schedule.parallel.front())];
}

// The dimension is in the frame of every value that varies along it, and nowhere else: types change there, and each op
// still has to infer them and to compute an element by the same instructions.
std::optional<Op> at_extent(const Op& kernel, std::int64_t extent) {
  const std::int64_t own = outer_extent(kernel);
  if (extent == own) return kernel;
  if (own < 2 || extent < 2) return std::nullopt;
  const FusedView fused(kernel);
  const int dimension = fused.schedule.parallel.front();
  if (!fits_any_extent(fused) || is_bounded(fused, dimension)) return std::nullopt;
  const auto rank = static_cast<std::size_t>(fused.rank()), at = static_cast<std::size_t>(dimension);
  std::optional<Block> body = body_at(fused.body, rank, at, extent);
  if (!body) return std::nullopt;
  Op op = kernel;
  std::get<Shape>(attr_of(op, AttrKind::dimensions))[at] = extent;
  op.regions[0] = *std::move(body);
  set_yielded_types(op);
  return op;
}

std::vector<Type> types_of(const Program& program, const std::vector<int>& buffers) {
  std::vector<Type> types;
  for (const int buffer : buffers) types.push_back(program.buffers[static_cast<std::size_t>(buffer)].type);
  return types;
}

OpView view(const Program& program, const Op& op, const ArgumentSet& set) {
  return {op.def, types_of(program, set.reads), op.attrs, op.regions, types_of(program, set.writes)};
}

OpView view(const Program& program, const Instruction& instruction) {
  const ArgumentSet& set = instruction.sets.front();
  return {instruction.def, types_of(program, set.reads), instruction.attrs, {}, types_of(program, set.writes)};
}

std::vector<std::string> buffer_names(const Program& program) {
  std::set<std::string> taken;
  std::vector<std::string> names;
  int next = 0;
  for (const Buffer& buffer : program.buffers) {
    const bool named = buffer.region == Region::param || buffer.region == Region::slot;
    std::string name = named ? claim_name(taken, buffer.path) : std::to_string(next++);
    while (!named && !taken.insert(name).second) name = std::to_string(next++);
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace nnc::ir
