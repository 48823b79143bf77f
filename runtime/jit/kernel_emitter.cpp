#include "runtime/jit/kernel_emitter.h"

#include "runtime/jit/control_flow.h"
#include "runtime/jit/nest_emitter.h"
#include "runtime/jit/pipeline_emitter.h"
#include "runtime/jit/scalar_emitter.h"
#include "runtime/jit/vector_loops.h"

#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>

namespace nnc::runtime::jit {

using ir::DType;

namespace {

class RunEmitter {
 public:
  RunEmitter(llvm::Module& module, const std::string& name, const ir::FusedView& fused,
             const std::vector<int>& parameters)
      : s_(module, name, fused, parameters), b_(s_.b), nests_(s_) {}

  void run() {
    nests_.start_splits();
    nests_.emit_early(Level::function);
    if (s_.layout.vector_is_parallel)
      vector_positions();
    else if (s_.fused.schedule.pipelined)
      emit_pipeline(s_, nests_);
    else
      emit_loop(b_, s_.begin(), s_.end(), 1, [&](llvm::Value* position) {
        s_.place_position(position);
        nests_.emit_all();
      });
    nests_.end_splits();
    if (s_.access.streams()) b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {}, {});
    b_.CreateRetVoid();
  }

 private:
  /// The lanes are consecutive positions of the last parallel dimension; a vector does not cross its end.
  void vector_positions() {
    const auto& parallel = s_.fused.schedule.parallel;
    const bool only = std::ranges::all_of(parallel, [&](int d) { return d == s_.vector() || s_.extent(d) <= 1; });
    if (only) return vector_range(s_.begin(), s_.end());
    emit_while_below(b_, s_.begin(), s_.end(), [&](llvm::Value* position) {
      llvm::Value* const length = s_.constant(s_.extent(s_.vector()));
      llvm::Value* const first = b_.CreateURem(position, length);
      s_.place_position(b_.CreateUDiv(position, length), parallel.size() - 1);
      const auto outside = s_.values;
      nests_.emit_early(Level::row);
      llvm::Value* const left = b_.CreateNSWAdd(first, b_.CreateNSWSub(s_.end(), position));
      llvm::Value* const last = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, left, length);
      vector_range(first, last);
      s_.values = outside;
      return b_.CreateNSWAdd(position, b_.CreateNSWSub(last, first));
    });
  }

  void vector_range(llvm::Value* first, llvm::Value* last) {
    if (s_.fused.schedule.tile_outside && s_.layout.tile >= 0) return emit_tile_loop(s_, [&] { vectors(first, last); });
    vectors(first, last);
  }

  void vectors(llvm::Value* first, llvm::Value* last) {
    if (!masks_all()) {
      const std::int64_t step = std::int64_t{s_.lanes()} * s_.unroll;
      llvm::Value* const length = b_.CreateNSWSub(last, first);
      llvm::Value* const whole = b_.CreateNSWMul(b_.CreateUDiv(length, s_.constant(step)), s_.constant(step));
      llvm::Value* const stop = b_.CreateNSWAdd(first, whole);
      emit_loop(b_, first, stop, step,
                [&](llvm::Value* at) { in_lanes(s_, at, s_.unroll, nullptr, [&] { nests_.emit_all(); }); });
      first = stop;
    }
    emit_loop(b_, first, last, s_.lanes(), [&](llvm::Value* at) {
      llvm::Type* const narrow = register_type(b_.getContext(), DType::i32, s_.lanes());
      llvm::Value* const left = b_.CreateTrunc(b_.CreateNSWSub(last, at), b_.getInt32Ty());
      llvm::Value* const numbers = b_.CreateTrunc(lane_numbers(b_.getContext(), 0, s_.lanes()), narrow);
      llvm::Value* const mask = b_.CreateICmpSLT(numbers, splat(b_, left, s_.lanes()));
      in_lanes(s_, at, 1, mask, [&] { nests_.emit_all(); });
    });
  }

  /// Whether every vector is masked, so that there is one loop: what that costs does not show in a large body.
  bool masks_all() const {
    constexpr std::size_t large_body = 16;
    return s_.unroll == 1 && s_.layout.tile < 0 && s_.fused.schedule.streamed.empty() &&
           s_.fused.body.ops().size() >= large_body;
  }

  KernelState s_;
  llvm::IRBuilder<>& b_;
  NestEmitter nests_;
};

}  // namespace

void emit_run(llvm::Module& module, const std::string& name, const ir::FusedView& fused,
              const std::vector<int>& parameters) {
  RunEmitter(module, name, fused, parameters).run();
}

}  // namespace nnc::runtime::jit
