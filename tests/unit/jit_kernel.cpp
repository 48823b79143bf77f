#include "tests/unit/jit_kernel.h"

#include "ir/evaluate.h"
#include "ir/op.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <ranges>

namespace nnc::tests {

using namespace nnc::ir;

namespace {

constexpr std::size_t guard = 64;
constexpr auto garbage = std::byte{0xFF};  // NaN for floats

/// Memory at a multiple of 64, between guards.
class Guarded {
 public:
  explicit Guarded(std::size_t size) : size_(size), memory_(size + 3 * guard, std::byte{0x5A}), start_(&memory_[0]) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data()) + guard;
    start_ = memory_.data() + guard + (guard - address % guard) % guard;
    std::fill_n(start_, size, garbage);
  }
  Guarded(Guarded&&) = default;
  std::byte* start() { return start_; }
  bool intact() const {
    const auto untouched = [](std::byte b) { return b == std::byte{0x5A}; };
    return std::all_of(memory_.data(), static_cast<const std::byte*>(start_), untouched) &&
           std::all_of(static_cast<const std::byte*>(start_) + size_, memory_.data() + memory_.size(), untouched);
  }

 private:
  std::size_t size_;
  std::vector<std::byte> memory_;
  std::byte* start_;
};

}  // namespace

Expr FusedOp::read(DType dtype, Access access, Shape frame) {
  if (frame.empty()) frame = domain_;
  access.strides.resize(domain_.size());
  for (std::size_t d = 0; d < frame.size(); ++d)
    if (frame[d] == 1) access.strides[domain_.size() - frame.size() + d] = 0;
  std::int64_t last = access.offset;
  for (std::size_t d = 0; d < domain_.size(); ++d) {
    const std::int64_t end = access.is_bounded(d) ? access.bounds[d].second : domain_[d];
    last += std::max<std::int64_t>(0, access.strides[d] * (end - 1));
  }
  // A gathered operand has three rows.
  if (access.index >= 0) last += (access.index_extent - 1) * access.index_stride;
  operands_.push_back(Type{dtype, {last + 1}, {}});
  reads_.push_back(std::move(access));
  return builder_.expr(body_.add_param(Type{dtype, std::move(frame), {}}));
}

Expr FusedOp::read_number(DType dtype) {
  operands_.push_back(Type{dtype, {}, {}});
  reads_.push_back({.strides = std::vector<std::int64_t>(domain_.size(), 0)});
  return builder_.expr(body_.add_param(operands_.back()));
}

void FusedOp::write(Expr value, std::vector<std::int64_t> strides) {
  const Type type = value.type();
  if (strides.empty()) {
    strides.assign(domain_.size(), 0);
    const std::vector<std::int64_t> dense = row_major_strides(type.shape);
    for (std::size_t d = 0; d < dense.size(); ++d)
      if (type.shape[d] != 1) strides[domain_.size() - dense.size() + d] = dense[d];
  }
  writes_.push_back({.strides = std::move(strides)});
  into_.push_back(std::ssize(results_));
  results_.push_back(Type{type.dtype, {type.elements()}, {}});
  body_.results.push_back(value.value);
}

void FusedOp::write_parts(const std::vector<Expr>& values, std::size_t axis, const std::vector<std::size_t>& order) {
  Shape frame(domain_.size(), 1);
  const Shape shape = values[0].shape();
  std::ranges::copy(shape, frame.end() - std::ssize(shape));
  Access access{.strides = std::vector<std::int64_t>(domain_.size(), 0)};
  std::int64_t next = 1, apart = 0;
  for (const std::size_t d : order | std::views::reverse) {
    if (frame[d] != 1) access.strides[d] = next;
    if (d == axis) apart = next * frame[d];
    next *= d == axis ? frame[d] * std::ssize(values) : frame[d];
  }
  for (const Expr& value : values) {
    writes_.push_back(access);
    access.offset += apart;
    into_.push_back(std::ssize(results_));
    body_.results.push_back(value.value);
  }
  results_.push_back(Type{values[0].dtype(), {next}, {}});
}

Block FusedOp::block(const Schedule& schedule) const {
  Block block;
  Op op{.def = find_op(fused_op),
        .operands = {},
        .results = {},
        .attrs = fused_attrs(domain_, reads_, writes_, schedule, results_,
                             into_.size() == results_.size() ? std::vector<std::int64_t>{} : into_),
        .regions = {body_},
        .location = {},
        .role = {}};
  for (const Type& type : operands_) op.operands.push_back(block.add_param(type));
  block.results = block.append(std::move(op), results_);
  return block;
}

std::string FusedOp::fault(const Schedule& schedule) const {
  const Block made = block(schedule);
  return check_fused(view(made, made.ops()[0]));
}

Kernel FusedOp::kernel(const Schedule& schedule) const {
  Kernel kernel{.name = "k0", .op = block(schedule).ops()[0]};
  kernel.op.operands.clear();
  kernel.op.results.clear();
  return kernel;
}

std::vector<Tensor> whole_operands(const FusedOp& op, double low, double high, Random& random) {
  std::vector<Tensor> tensors;
  for (const Type& type : op.operands()) {
    const bool is_index =
        std::ranges::any_of(op.reads(), [&](const Access& a) { return a.index == static_cast<int>(tensors.size()); });
    const bool has_sign = is_float(type.dtype) || type.dtype == DType::i32 || type.dtype == DType::i64;
    Tensor tensor = random_tensor(type, is_index ? 0 : has_sign ? low : 0, is_index ? 3 : high, random);
    for (std::int64_t i = 0; i < tensor.elements(); ++i)
      if (is_float(type.dtype)) tensor.set_real(i, std::floor(tensor.real(i)));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::vector<Tensor> run_kernel(const FusedOp& op, const Schedule& schedule, const std::vector<Tensor>& operands,
                               const RunOptions& options) {
  const Kernel kernel = op.kernel(schedule);
  const FusedView fused(kernel.op);
  const KernelLayout layout = kernel_layout(fused);
  const auto compiled = runtime::jit::compile(std::span(&kernel, 1), options.cpu);
  const runtime::KernelCode code = compiled->code(0);

  std::vector<Guarded> memory;
  std::vector<void*> args;
  for (const Tensor& operand : operands) {
    memory.emplace_back(operand.bytes().size());
    std::memcpy(memory.back().start(), operand.bytes().data(), operand.bytes().size());
    args.push_back(memory.back().start());
  }
  for (std::size_t r = 0; r < op.results().size(); ++r) {
    const auto over = std::ranges::find(options.in_place, static_cast<int>(r), &std::pair<int, int>::first);
    if (over != options.in_place.end()) {
      args.push_back(args[static_cast<std::size_t>(over->second)]);
      continue;
    }
    memory.emplace_back(static_cast<std::size_t>(op.results()[r].bytes()));
    args.push_back(memory.back().start());
  }
  args.push_back(const_cast<void*>(code.parameters));
  const std::int64_t positions = parallel_positions(fused), chunks = chunk_count(fused, positions);
  memory.emplace_back(static_cast<std::size_t>(layout.scratch.partial_bytes * chunks));
  std::byte* const partials = memory.back().start();
  memory.emplace_back(static_cast<std::size_t>(layout.scratch.row_bytes));
  std::byte* const rows = memory.back().start();
  for (std::int64_t chunk = chunks; chunk-- > 0;)
    code.run(args.data(), chunk * schedule.chunk, std::min((chunk + 1) * schedule.chunk, positions),
             partials + chunk * layout.scratch.partial_bytes, rows);
  CHECK((code.finish != nullptr) == !layout.splits.empty());
  if (code.finish != nullptr) code.finish(args.data(), partials, chunks);

  for (const Guarded& region : memory) CHECK(region.intact());
  std::vector<Tensor> results;
  for (std::size_t r = 0; r < op.results().size(); ++r) {
    Tensor& result = results.emplace_back(op.results()[r]);
    std::memcpy(result.bytes().data(), args[operands.size() + r], result.bytes().size());
  }
  return results;
}

KernelLayout layout_of(const FusedOp& op, const Schedule& schedule) {
  REQUIRE(op.fault(schedule) == "");
  const Block block = op.block(schedule);
  return kernel_layout(FusedView(block.ops()[0]));
}

std::string code_of(const FusedOp& op, const Schedule& schedule, runtime::jit::CodeText form,
                    const runtime::jit::Cpu& cpu) {
  REQUIRE(op.fault(schedule) == "");
  const Kernel kernel = op.kernel(schedule);
  return runtime::jit::code_text(std::span(&kernel, 1), cpu, form);
}

void check_kernel(const FusedOp& op, const Schedule& schedule, const CheckOptions& options) {
  REQUIRE(op.fault(schedule) == "");
  Random random(options.seed);
  const std::vector<Tensor> operands = whole_operands(op, options.low, options.high, random);
  const Block block = op.block(schedule);
  const std::vector<Tensor> expected = evaluate(view(block, block.ops()[0]), pointers(operands));
  const std::vector<Tensor> results = run_kernel(op, schedule, operands, options.run);
  for (std::size_t r = 0; r < results.size(); ++r) {
    INFO("result " << r << ", " << to_string(results[r].type()));
    for (std::int64_t i = 0; i < results[r].elements(); ++i) {
      INFO("element " << i);
      if (!agree(results[r].real(i), expected[r].real(i), options.tolerance)) {
        CHECK(results[r].real(i) == expected[r].real(i));
        break;
      }
    }
  }
}

}  // namespace nnc::tests
