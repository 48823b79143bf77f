#include "ir/evaluate.h"

#include "ir/check.h"
#include "ir/denormals.h"
#include "ir/scalar_evaluate.h"
#include "ir/value_fault.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace nnc::ir {

namespace {

/// Walks positions of a shape in row-major order, keeping coordinates and an offset by strides.
class Walk {
 public:
  Walk(const Shape& shape, std::vector<std::int64_t> strides, std::int64_t offset = 0)
      : shape_(&shape), strides_(std::move(strides)), at_(shape.size(), 0), offset_(offset) {}

  std::int64_t offset() const { return offset_; }
  const std::vector<std::int64_t>& at() const { return at_; }
  void next() {
    for (std::size_t d = at_.size(); d-- > 0;) {
      offset_ += strides_[d];
      if (++at_[d] < (*shape_)[d]) return;
      offset_ -= strides_[d] * at_[d];
      at_[d] = 0;
    }
  }

 private:
  const Shape* shape_;
  std::vector<std::int64_t> strides_, at_;
  std::int64_t offset_;
};

/// Strides of an operand over the dimensions of `domain`, 0 where it broadcasts.
std::vector<std::int64_t> broadcast_strides(const Shape& operand, const Shape& domain) {
  const std::vector<std::int64_t> dense = row_major_strides(operand);
  std::vector<std::int64_t> strides(domain.size(), 0);
  for (std::size_t d = 0; d < operand.size(); ++d)
    if (operand[d] != 1) strides[domain.size() - operand.size() + d] = dense[d];
  return strides;
}

/// The next `count` elements of a tensor along a walk.
void gather(const Tensor& from, Walk& walk, std::int64_t count, std::byte* to) {
  const auto copy = [&]<class T>() {
    const T* source = reinterpret_cast<const T*>(from.bytes().data());
    for (std::int64_t i = 0; i < count; ++i, walk.next()) reinterpret_cast<T*>(to)[i] = source[walk.offset()];
  };
  visit_dtype(from.type().dtype, copy);
}

Tensor evaluate_elementwise(const OpView& op, std::span<const Tensor* const> operands) {
  const ScalarProgram program = scalar_program(op);
  ScalarEvaluator evaluator(program);
  Tensor result(op.results[0]);
  const Shape& domain = result.type().shape;
  const std::int64_t size = size_of(result.type().dtype);

  struct Input {
    const Tensor* tensor;
    std::byte* to;
    bool dense;  // read in order, without a walk
    Walk walk;
  };
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Shape& shape = op.operands[i].shape;
    if (std::byte* to = evaluator.input(static_cast<int>(i)))
      inputs.push_back({operands[i], to, shape == domain, Walk(domain, broadcast_strides(shape, domain))});
  }
  std::vector<std::int64_t*> coordinates;
  for (std::size_t d = 0; d < domain.size(); ++d) coordinates.push_back(evaluator.coordinate(static_cast<int>(d)));
  const bool positions = std::ranges::any_of(coordinates, [](auto* c) { return c != nullptr; });
  Walk walk(domain, std::vector<std::int64_t>(domain.size(), 0));

  for (std::int64_t begin = 0; begin < result.elements(); begin += ScalarEvaluator::chunk) {
    const std::int64_t count = std::min(ScalarEvaluator::chunk, result.elements() - begin);
    for (Input& input : inputs) {
      const auto width = static_cast<std::size_t>(size_of(input.tensor->type().dtype));
      if (input.dense)
        std::memcpy(input.to, input.tensor->bytes().data() + static_cast<std::size_t>(begin) * width,
                    static_cast<std::size_t>(count) * width);
      else
        gather(*input.tensor, input.walk, count, input.to);
    }
    for (std::int64_t i = 0; positions && i < count; ++i, walk.next())
      for (std::size_t d = 0; d < coordinates.size(); ++d)
        if (coordinates[d]) coordinates[d][i] = walk.at()[d];
    evaluator.run(count);
    std::memcpy(result.bytes().data() + begin * size, evaluator.result(0), static_cast<std::size_t>(count * size));
  }
  return result;
}

/// Many results at a time: a chunk of results takes one more element each, until all elements are in.
std::vector<Tensor> evaluate_reduction(const OpView& op, const Reduction& reduction, const Tensor& x) {
  const DType dtype = is_float(x.type().dtype) ? DType::f64 : x.type().dtype;  // sums are exact to f64
  const ReductionPrograms programs = reduction_programs(reduction, dtype);
  const Tensor in_type = x.converted(dtype);

  // The kept dimensions and the reduced ones, each with the operand's strides.
  const std::vector<std::int64_t> strides = row_major_strides(x.type().shape);
  Shape kept, reduced;
  std::vector<std::int64_t> kept_strides, reduced_strides;
  for (std::size_t d = 0; d < strides.size(); ++d) {
    const bool is_reduced = std::ranges::binary_search(op.integers("axis"), static_cast<std::int64_t>(d));
    (is_reduced ? reduced : kept).push_back(x.type().shape[d]);
    (is_reduced ? reduced_strides : kept_strides).push_back(strides[d]);
  }
  const std::int64_t count_reduced = element_count(reduced);

  std::vector<Tensor> results(op.results.begin(), op.results.end());
  const std::int64_t elements_kept = element_count(kept);
  ScalarEvaluator start(programs.start), step(programs.step), finish(programs.finish);
  const std::size_t k = programs.accumulators.size();
  const auto pass_on = [&](const ScalarEvaluator& from, ScalarEvaluator& to, std::int64_t count) {
    for (std::size_t i = 0; i < k; ++i)
      if (std::byte* input = to.input(static_cast<int>(i)))
        std::memcpy(input, from.result(i), static_cast<std::size_t>(count * size_of(programs.accumulators[i])));
  };
  Walk outer(kept, kept_strides);
  for (std::int64_t begin = 0; begin < elements_kept; begin += ScalarEvaluator::chunk) {
    const std::int64_t count = std::min(ScalarEvaluator::chunk, elements_kept - begin);
    std::vector<std::int64_t> bases;
    for (std::int64_t i = 0; i < count; ++i, outer.next()) bases.push_back(outer.offset());
    start.run(count);
    pass_on(start, step, count);
    Walk inner(reduced, reduced_strides);
    auto* indices = reinterpret_cast<std::int64_t*>(step.input(static_cast<int>(k) + 1));
    for (std::int64_t r = 0; r < count_reduced; ++r, inner.next()) {
      visit_dtype(dtype, [&]<class T>() {
        const T* source = in_type.as<T>().data() + inner.offset();
        T* to = reinterpret_cast<T*>(step.input(static_cast<int>(k)));
        for (std::int64_t i = 0; i < count; ++i) to[i] = source[bases[static_cast<std::size_t>(i)]];
      });
      if (indices) std::fill_n(indices, count, r);
      step.run(count);
      pass_on(step, step, count);
    }
    pass_on(count_reduced == 0 ? start : step, finish, count);
    if (std::byte* counts = finish.input(static_cast<int>(k)))
      std::fill_n(reinterpret_cast<std::int64_t*>(counts), count, count_reduced);
    finish.run(count);
    for (std::size_t i = 0; i < results.size(); ++i) {
      Tensor finished(Type{finish.result_dtype(i), {count}, {}});
      std::memcpy(finished.bytes().data(), finish.result(i), finished.bytes().size());
      const DType to = results[i].type().dtype;
      const Tensor rounded = finished.converted(to);
      std::memcpy(results[i].bytes().data() + begin * size_of(to), rounded.bytes().data(), rounded.bytes().size());
    }
  }
  return results;
}

/// What the access adds to the position of each element of the result, in order: the index, times its stride.
std::vector<std::int64_t> rows(const OpView& op, const Access& access, const Access& of_index, const Tensor& index) {
  std::vector<std::int64_t> found;
  Walk walk(op.results[0].shape, of_index.strides, of_index.offset);
  for (std::int64_t i = 0; i < op.results[0].elements(); ++i, walk.next()) {
    const std::int64_t row = index.integer(walk.offset());
    NNC_CHECK(row >= 0 && row < access.index_extent, "{}: index {} is outside of 0..{}", *op.def->name, row,
              access.index_extent);
    found.push_back(row * access.index_stride);
  }
  return found;
}

Tensor evaluate_movement(const OpView& op, const Movement& movement, std::span<const Tensor* const> operands) {
  const std::vector<Access> accesses = (*movement.access)(op);
  Tensor result = Tensor::splat(op.results[0], accesses.front().fill);
  const Shape& shape = result.type().shape;
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    const Access& access = accesses[i];
    const auto names_this = [&](const Access& other) { return other.index == static_cast<int>(i); };
    if (std::ranges::any_of(accesses, names_this)) continue;
    std::vector<std::int64_t> moved(static_cast<std::size_t>(result.elements()), 0);
    if (const auto by = static_cast<std::size_t>(access.index); access.index >= 0)
      moved = rows(op, access, accesses[by], *operands[by]);
    Walk walk(shape, access.strides, access.offset);
    visit_dtype(result.type().dtype, [&]<class T>() {
      const T* from = operands[i]->as<T>().data();
      auto row = moved.begin();
      for (T& to : result.as<T>()) {
        bool inside = true;
        for (std::size_t d = 0; d < access.bounds.size(); ++d)
          inside = inside && walk.at()[d] >= access.bounds[d].first && walk.at()[d] < access.bounds[d].second;
        if (inside) to = from[walk.offset() + *row];
        walk.next();
        ++row;
      }
    });
  }
  return result;
}

std::vector<Tensor> evaluate_routine(const OpView& op, const Routine& routine,
                                     std::span<const Tensor* const> operands) {
  std::vector<Tensor> results(op.results.begin(), op.results.end());
  std::vector<const void*> from;
  std::vector<void*> to;
  for (const Tensor* operand : operands) from.push_back(operand->bytes().data());
  for (Tensor& result : results) to.push_back(result.bytes().data());
  std::vector<std::max_align_t> scratch(
      (static_cast<std::size_t>(scratch_bytes(routine, op)) + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
  const Routine::Args args{&op, from, to, scratch.data()};
  if (routine.fault != nullptr)
    if (const std::string fault = routine.fault(args); !fault.empty()) throw ValueFault(fault, {});
  if (routine.prepare != nullptr) routine.prepare(args);
  (*routine.run)(args, 0, (*routine.parts)(op));
  return results;
}

}  // namespace

std::vector<Tensor> evaluate(const OpView& op, std::span<const Tensor* const> operands) {
  const FlushDenormals mode;
  if (op.def->as<Elementwise>()) return {evaluate_elementwise(op, operands)};
  if (const auto* reduction = op.def->as<Reduction>()) return evaluate_reduction(op, *reduction, *operands[0]);
  if (const auto* movement = op.def->as<Movement>()) return {evaluate_movement(op, *movement, operands)};
  if (const auto* contraction = op.def->as<Contraction>()) return (*contraction->evaluate)({&op, operands});
  if (const auto* routine = op.def->as<Routine>()) return evaluate_routine(op, *routine, operands);
  if (const auto* whole = op.def->as<Whole>()) return (*whole->evaluate)({&op, operands});
  internal_error(__FILE__, __LINE__, fmt::format("{} is not evaluated by itself", *op.def->name));
}

std::vector<Tensor> evaluate(const Block& block, std::vector<Tensor> params, const SlotReader& slots) {
  const auto index = [](ValueId value) { return static_cast<std::size_t>(value.index); };
  std::vector<std::size_t> last_use(static_cast<std::size_t>(block.value_count()), 0);
  for (std::size_t i = 0; i < block.ops().size(); ++i)
    for (ValueId operand : block.ops()[i].operands) last_use[index(operand)] = i;
  for (ValueId result : block.results) last_use[index(result)] = block.ops().size();

  std::vector<Tensor> values(static_cast<std::size_t>(block.value_count()));
  // A slot's tensor is not copied: it stays as it is while the block runs.
  std::vector<const Tensor*> read(values.size(), nullptr);
  NNC_CHECK(params.size() == block.params().size(), "a block of {} parameters is given {}", block.params().size(),
            params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    NNC_CHECK(params[i].type() == block.type(block.params()[i]), "parameter {} is {}, expected {}", i,
              to_string(params[i].type()), to_string(block.type(block.params()[i])));
    values[index(block.params()[i])] = std::move(params[i]);
  }
  for (std::size_t i = 0; i < values.size(); ++i) read[i] = &values[i];

  for (std::size_t i = 0; i < block.ops().size(); ++i) {
    const Op& op = block.ops()[i];
    if (const std::string* slot = slot_of(op)) {
      read[index(op.results[0])] = &slots(*slot);
      continue;
    }
    std::vector<const Tensor*> operands;
    for (ValueId operand : op.operands) operands.push_back(read[index(operand)]);
    std::vector<Tensor> results;
    try {
      results = evaluate(view(block, op), operands);
    } catch (const ValueFault& fault) {
      throw fault.location.empty() ? ValueFault(fault.what(), op.location) : fault;
    }
    for (std::size_t r = 0; r < results.size(); ++r) values[index(op.results[r])] = std::move(results[r]);
    for (ValueId operand : op.operands)
      if (last_use[index(operand)] == i) values[index(operand)] = Tensor();
  }
  std::vector<Tensor> results;
  for (ValueId result : block.results) results.push_back(*read[index(result)]);
  return results;
}

}  // namespace nnc::ir
