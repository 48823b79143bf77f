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

}  // namespace

std::unique_ptr<Target> generic_target(int threads) { return std::make_unique<GenericTarget>(threads); }

}  // namespace nnc::ir
