#include "ir/target.h"

namespace nnc::ir {

namespace {

class GenericTarget final : public Target {
 public:
  explicit GenericTarget(int threads) : threads_(threads) {}

  std::string name() const override { return "generic"; }
  int lanes() const override { return 8; }
  int threads() const override { return threads_; }
  std::int64_t l1_bytes() const override { return 32 << 10; }
  std::int64_t l2_bytes() const override { return 1 << 20; }
  std::int64_t l3_bytes() const override { return 32 << 20; }
  std::int64_t contraction_scratch(const OpView&, int) const override { return 0; }

 private:
  int threads_;
};

// Measured with AVX-512; with narrower vectors arithmetic takes longer, and a second thread pays a little sooner.
constexpr double bytes_a_microsecond = 8e3, kernel_flops_a_microsecond = 4e3, contraction_flops_a_microsecond = 4e4;

}  // namespace

double Target::microseconds(const Work& work) const {
  const bool kernel = work.kind == Work::Kind::kernel;
  return static_cast<double>(work.bytes) / bytes_a_microsecond +
         static_cast<double>(work.flops) / (kernel ? kernel_flops_a_microsecond : contraction_flops_a_microsecond);
}

std::unique_ptr<Target> generic_target(int threads) { return std::make_unique<GenericTarget>(threads); }

}  // namespace nnc::ir
