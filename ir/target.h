// What passes ask of the machine, without knowing it. The runtime implements it for the CPU it runs on; `generic_target`
// is fixed, so that what is printed for it is the same everywhere.
#pragma once

#include "ir/op.h"
#include "ir/winograd.h"

#include <cstdint>
#include <memory>
#include <string>

namespace nnc::ir {

/// What one core has to do, in the numbers of a cost.
struct Work {
  enum class Kind : std::uint8_t { kernel, contraction };
  Kind kind = Kind::kernel;
  std::int64_t bytes = 0, flops = 0;
};

/// Vector registers of an x86-64 CPU whose registers have so many lanes of f32: those of 16 come with AVX-512, which has
/// twice as many.
constexpr int vector_registers(int lanes) { return lanes >= 16 ? 32 : 16; }

class Target {
 public:
  virtual ~Target() = default;

  virtual std::string name() const = 0;       // "generic", "znver4"
  virtual int lanes() const = 0;              // f32 elements of a vector register
  virtual int threads() const = 0;            // that instructions may use
  virtual std::int64_t l1_bytes() const = 0;  // of one core
  virtual std::int64_t l2_bytes() const = 0;  // of one core
  virtual std::int64_t l3_bytes() const = 0;  // that all cores may count on; where there is none, L2
  /// What one core takes, roughly, from data that is in no cache.
  double microseconds(const Work& work) const;
  /// Work below this is done by one core before a second one has begun.
  double worth_a_thread_microseconds() const { return 30; }
  /// Whether a convolution takes less time by tiles than by windows.
  bool prefers_winograd(const WinogradTiles& tiles) const;
  /// Whether a weight is packed that products read so many times in a training step.
  bool prefers_packed(std::int64_t uses) const;
  /// Whether a packed product runs on the weight as it is packed.
  virtual bool reads_packed(const OpView& packed_matmul) const = 0;
  /// Scratch that a contraction on so many threads needs, bytes.
  virtual std::int64_t contraction_scratch(const OpView& op, int threads) const = 0;
};

/// 8 lanes, L1 of 32 KiB, L2 of 1 MiB, L3 of 32 MiB, contractions of any packed weight, without scratch.
std::unique_ptr<Target> generic_target(int threads);

}  // namespace nnc::ir
