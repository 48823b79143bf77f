#include "ir/target.h"

#include <algorithm>

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
  bool reads_packed(const OpView&) const override { return true; }
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

// Measured with AVX-512. An element is transformed once for all channels of the other image; a gradient of
// the weight transforms both images. The transformation of a weight has to be little beside its products, and the sums
// of its gradient have to stay in the cache and to be enough for all threads.
bool Target::prefers_winograd(const WinogradTiles& tiles) const {
  constexpr std::int64_t least_tiles = 128;
  constexpr double least_gain = 1.5;
  const bool is_weight = tiles.result == WinogradTiles::Result::weight;
  const std::int64_t least_channels = is_weight ? 32 : 16;
  if (!tiles.is_f32 || lanes() < 8 || tiles.channels % lanes() != 0 || tiles.outputs % lanes() != 0) return false;
  if (std::min(tiles.channels, tiles.outputs) < least_channels || tiles.tiles() < least_tiles) return false;
  if (is_weight && (tiles.weight_bytes() > l2_bytes() || tiles.sums() < threads())) return false;
  const std::int64_t by_windows = tiles.batch * tiles.output[0] * tiles.output[1] * tiles.window * tiles.window;
  return static_cast<double>(by_windows) >= least_gain * static_cast<double>(tiles.tiles() * tiles.products());
}

// Measured with 1 to 64 rows and AVX-512: to pack takes what two to four products gain.
bool Target::prefers_packed(std::int64_t uses) const { return uses >= 4; }

std::unique_ptr<Target> generic_target(int threads) { return std::make_unique<GenericTarget>(threads); }

}  // namespace nnc::ir
