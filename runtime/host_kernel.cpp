#include "runtime/host_kernel.h"

#include "ir/check.h"
#include "ir/tensor.h"

#include <algorithm>
#include <cstring>

namespace nnc::runtime {

namespace {

std::size_t at(ir::ValueId value) { return static_cast<std::size_t>(value.index); }

std::vector<std::size_t> numbers_of(const std::vector<ir::ValueId>& values) {
  std::vector<std::size_t> numbers;
  for (const ir::ValueId value : values) numbers.push_back(at(value));
  return numbers;
}

std::size_t width(ir::DType dtype) { return static_cast<std::size_t>(ir::size_of(dtype)); }

}  // namespace

// Each op of the body becomes the evaluation of its formula; a reduction of one element is its start, one step and its
// finish.
HostKernel::HostKernel(const ir::Op& op) {
  const ir::FusedView fused(op);
  const ir::Block& body = fused.body;
  NNC_CHECK(ir::element_count(fused.domain) == 1, "the host evaluates numbers, found a domain of {} elements",
            ir::element_count(fused.domain));
  numbers_.resize(static_cast<std::size_t>(body.value_count()));
  const auto transfer = [&](std::size_t argument, ir::ValueId value, const ir::Access& access) {
    const std::size_t bytes = width(body.type(value).dtype);
    return Transfer{argument, at(value), bytes, access.offset * static_cast<std::int64_t>(bytes)};
  };
  for (std::size_t i = 0; i < fused.reads.size(); ++i) {
    const ir::Access& access = fused.reads[i];
    Transfer& load = loads_.emplace_back(transfer(i, body.params()[i], access));
    if (access.index < 0) continue;
    const ir::ValueId index = body.params()[static_cast<std::size_t>(access.index)];
    load.index = at(index);
    load.index_dtype = body.type(index).dtype;
    load.index_stride = access.index_stride * static_cast<std::int64_t>(load.bytes);
  }
  std::ranges::stable_partition(loads_, [](const Transfer& load) { return load.index == Transfer::none; });
  for (const ir::Op& inner : body.ops()) {
    const ir::OpView view = ir::view(body, inner);
    if (inner.def->as<ir::Elementwise>()) {
      add_step(ir::scalar_program(view), numbers_of(inner.operands), numbers_of(inner.results));
    } else if (const auto* reduction = inner.def->as<ir::Reduction>()) {
      add_reduction(*reduction, view.operands[0].dtype, at(inner.operands[0]), numbers_of(inner.results));
    } else {
      const std::vector<ir::Tensor> constant = (*inner.def->as<ir::Whole>()->evaluate)({&view, {}});
      std::memcpy(numbers_[at(inner.results[0])].data(), constant[0].bytes().data(), constant[0].bytes().size());
    }
  }
  for (std::size_t i = 0; i < fused.writes.size(); ++i)
    stores_.push_back(transfer(fused.reads.size() + fused.result_of(i), body.results[i], fused.writes[i]));
}

std::size_t HostKernel::add_number() {
  numbers_.emplace_back();
  return numbers_.size() - 1;
}

void HostKernel::add_step(ir::ScalarProgram program, const std::vector<std::size_t>& inputs,
                          const std::vector<std::size_t>& results) {
  Step step;
  step.program = std::make_unique<ir::ScalarProgram>(std::move(program));
  step.evaluator = std::make_unique<ir::ScalarEvaluator>(*step.program);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (std::byte* storage = step.evaluator->input(static_cast<int>(i))) step.inputs.emplace_back(storage, inputs[i]);
  step.results = results;
  steps_.push_back(std::move(step));
}

void HostKernel::add_reduction(const ir::Reduction& reduction, ir::DType dtype, std::size_t x,
                               const std::vector<std::size_t>& results) {
  ir::ReductionPrograms programs = ir::reduction_programs(reduction, dtype);
  std::vector<std::size_t> accumulators;
  for (std::size_t i = 0; i < programs.accumulators.size(); ++i) accumulators.push_back(add_number());
  const std::size_t index = add_number(), count = add_number();
  const std::int64_t one = 1;
  std::memcpy(numbers_[count].data(), &one, sizeof one);

  std::vector<std::size_t> step = accumulators, finish = accumulators;
  step.insert(step.end(), {x, index});
  finish.push_back(count);
  add_step(std::move(programs.start), {}, accumulators);
  add_step(std::move(programs.step), step, accumulators);
  add_step(std::move(programs.finish), finish, results);
}

std::int64_t HostKernel::position(const Transfer& load) const {
  if (load.index == Transfer::none) return load.offset;
  return ir::visit_dtype(load.index_dtype, [&]<class T>() {
    T index;
    std::memcpy(&index, numbers_[load.index].data(), sizeof index);
    return load.offset + static_cast<std::int64_t>(index) * load.index_stride;
  });
}

void HostKernel::run(void* const* args) {
  for (const Transfer& load : loads_)
    std::memcpy(numbers_[load.number].data(), static_cast<const std::byte*>(args[load.argument]) + position(load),
                load.bytes);
  for (Step& step : steps_) {
    for (const auto& [storage, number] : step.inputs) std::memcpy(storage, numbers_[number].data(), sizeof(Number));
    step.evaluator->run(1);
    for (std::size_t i = 0; i < step.results.size(); ++i)
      std::memcpy(numbers_[step.results[i]].data(), step.evaluator->result(i), sizeof(Number));
  }
  for (const Transfer& store : stores_)
    std::memcpy(static_cast<std::byte*>(args[store.argument]) + store.offset, numbers_[store.number].data(),
                store.bytes);
}

}  // namespace nnc::runtime
