#include "tests/unit/image_call.h"

#include "ir/evaluate.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>

namespace nnc::tests {

using namespace ir;

namespace {

std::string text(const OpView& op, int threads) {
  std::string types;
  for (const Type& type : op.operands) types += to_string(type) + " ";
  for (const Type& type : op.results) types += "-> " + to_string(type) + " ";
  return fmt::format("{} {}{} threads", *op.def->name, types, threads);
}

/// Small whole numbers, whose products and sums are exact in f32 in any order; indices are within a window.
Tensor whole_numbers(const OpView& op, std::size_t operand, Random& random) {
  Tensor tensor(op.operands[operand]);
  const auto extent = (*op.def->operands)[operand].index_extent;
  const auto below = static_cast<Random::result_type>(extent == nullptr ? 7 : extent(op));
  for (std::int64_t i = 0; i < tensor.elements(); ++i)
    tensor.set_real(i, static_cast<double>(random() % below) - (extent == nullptr ? 3 : 0));
  return tensor;
}

/// Memory, aligned as that of programs, between bytes that make NaN of floats and that nobody may change.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : bytes_(bytes), all_(bytes + 3 * guard, filler) {
    const auto address = reinterpret_cast<std::uintptr_t>(all_.data());
    offset_ = guard + alignment - address % alignment;
  }

  std::byte* begin() { return all_.data() + offset_; }
  bool is_intact() const {
    const auto is_filler = [](std::byte byte) { return byte == filler; };
    const auto first = all_.begin() + static_cast<std::ptrdiff_t>(offset_);
    return std::all_of(all_.begin(), first, is_filler) &&
           std::all_of(first + static_cast<std::ptrdiff_t>(bytes_), all_.end(), is_filler);
  }

 private:
  static constexpr std::size_t guard = 4096, alignment = 64;
  static constexpr std::byte filler{0xFF};

  std::size_t bytes_, offset_ = 0;
  std::vector<std::byte> all_;
};

std::vector<NamedAttr> with(std::vector<NamedAttr> attrs, std::string name, Shape value) {
  attrs.push_back({std::move(name), std::move(value)});
  return attrs;
}

}  // namespace

ImageCall::ImageCall(std::string_view op, std::vector<Type> operands, std::vector<NamedAttr> given) {
  view.def = find_op(op);
  view.operands = std::move(operands);
  CompletedAttrs completed = complete_attrs(*view.def, std::move(given), view.operands);
  REQUIRE(completed.error == "");
  attrs = std::move(completed.attrs);
  view.attrs = attrs;
  Inferred inferred = (*view.def->infer)(view);
  REQUIRE(inferred.error == "");
  view.results = inferred.types;
}

Type f32_type(Shape shape) { return {DType::f32, std::move(shape), {}}; }

ConvolutionCalls::ConvolutionCalls(const Shape& x, const Shape& weight, const std::vector<NamedAttr>& attrs)
    : forward("convolution", {f32_type(x), f32_type(weight)}, attrs),
      to_x("transposed_convolution", {forward.view.results[0], f32_type(weight)},
           with(attrs, "extents", {x.begin() + 1, x.end() - 1})),
      to_weight("convolution_weight_gradient", {f32_type(x), forward.view.results[0]},
                with(attrs, "kernel", {weight.begin() + 2, weight.end()})) {
  CHECK(to_x.view.results[0].shape == x);
  CHECK(to_weight.view.results[0].shape == weight);
}

std::vector<Tensor> run(runtime::Contractions& contractions, const OpView& op, const std::vector<Tensor>& operands,
                        int threads) {
  Guarded scratch(static_cast<std::size_t>(contractions.scratch_bytes(op, threads)));
  std::list<Guarded> buffers;
  std::vector<void*> args;
  for (const Tensor& operand : operands) {
    Guarded& buffer = buffers.emplace_back(operand.bytes().size());
    std::ranges::copy(operand.bytes(), buffer.begin());
    args.push_back(buffer.begin());
  }
  for (const Type& type : op.results)
    args.push_back(buffers.emplace_back(static_cast<std::size_t>(type.bytes())).begin());
  const auto prepared = contractions.prepare(op, threads);
  std::vector<std::vector<Tensor>> runs;
  for (int i = 0; i < 2; ++i) {
    prepared->run(args.data(), scratch.begin());
    std::vector<Tensor>& results = runs.emplace_back();
    for (std::size_t r = 0; r < op.results.size(); ++r) {
      results.emplace_back(op.results[r]);
      const auto* from = static_cast<const std::byte*>(args[operands.size() + r]);
      std::ranges::copy_n(from, op.results[r].bytes(), results.back().bytes().begin());
    }
  }
  CHECK(runs[0] == runs[1]);  // the same bits again
  CHECK(scratch.is_intact());
  CHECK(std::ranges::all_of(buffers, &Guarded::is_intact));
  return runs[0];
}

void check_contraction(runtime::Contractions& contractions, const OpView& op, int threads, Random& random) {
  INFO(text(op, threads));
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < op.operands.size(); ++i) operands.push_back(whole_numbers(op, i, random));
  const std::vector<Tensor> expected = evaluate(op, pointers(operands));
  const std::vector<Tensor> found = run(contractions, op, operands, threads);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("result " << i);
    CHECK(agree(found[i], expected[i], 1e-6));
  }
}

}  // namespace nnc::tests
