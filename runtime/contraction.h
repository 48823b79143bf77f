// Contractions (sums of products) as an executor sees them, without a word of the library that computes them.
//
//   const std::unique_ptr<Contractions> contractions = make_onednn_contractions();
//   const std::int64_t bytes = contractions->scratch_bytes(op, threads);   // while planning memory
//   const std::unique_ptr<PreparedContraction> product = contractions->prepare(op, threads);
//   void* const args[] = {a, b, result};
//   product->run(args, scratch);                                           // each step; nothing is allocated here
#pragma once

#include "ir/op.h"

#include <cstdint>
#include <memory>
#include <string>

namespace nnc::runtime {

class PreparedContraction {
 public:
  virtual ~PreparedContraction() = default;
  /// `args` are the operands, then the results, which lie over none of them; `scratch` has the bytes that were asked
  /// for. Uses the threads it was prepared for: not to be called from within a parallel region, nor from two threads.
  virtual void run(void* const* args, void* scratch) = 0;
};

class Contractions {
 public:
  virtual ~Contractions() = default;
  /// Scratch that `run` needs, aligned as memory is (ir/program.h).
  virtual std::int64_t scratch_bytes(const ir::OpView& op, int threads) = 0;
  /// Whether a product (`packed_matmul`) reads the weight as it is packed, and puts it in no other order before.
  virtual bool reads_packed(const ir::OpView& op, int threads) = 0;
  virtual std::unique_ptr<PreparedContraction> prepare(const ir::OpView& op, int threads) = 0;
  /// The library and its version: equal results can be expected of equal ones only.
  virtual std::string version() const = 0;
};

}  // namespace nnc::runtime
