#include "runtime/onednn/contractions.h"

#include "ir/check.h"
#include "ir/packed.h"
#include "ir/program.h"
#include "ir/program_memory.h"
#include "ir/text.h"
#include "runtime/onednn/lowering.h"

#include <omp.h>

#include <algorithm>
#include <array>

namespace nnc::runtime {

namespace onednn {

/// The one place that tells contractions apart.
Lowered lower(const ir::OpView& op, dnnl_engine_t engine) {
  using Lower = Lowered (*)(const ir::OpView&, dnnl_engine_t);
  static constexpr std::array<std::pair<std::string_view, Lower>, 9> lowerings = {
      {{"matmul", lower_matmul},
       {ir::packed_matmul_name, lower_packed_matmul},
       {"convolution", lower_convolution},
       {"transposed_convolution", lower_transposed_convolution},
       {"convolution_weight_gradient", lower_convolution_weight_gradient},
       {"max_pool", lower_max_pool},
       {"max_pool_gradient", lower_max_pool_gradient},
       {"average_pool", lower_average_pool},
       {"average_pool_gradient", lower_average_pool_gradient}}};
  for (const auto& [name, lower_this] : lowerings)
    if (name == *op.def->name) return lower_this(op, engine);
  return {};
}

}  // namespace onednn

namespace {

using namespace onednn;

/// OpenMP's number of threads while it lives: oneDNN reads it when it makes a primitive, and when it runs one.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(omp_get_max_threads()) {
    if (threads != before_) omp_set_num_threads(threads);
  }
  ~ThreadCount() { omp_set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

struct Device {
  Engine engine = make_engine();
  Stream stream = make_stream(engine.get());
};

Lowered lower_for(const ir::OpView& op, int threads, const Device& device) {
  NNC_CHECK(op.def->as<ir::Contraction>() != nullptr && threads >= 1,
            "not a contraction that can be run: {}, threads {}", ir::describe(op), threads);
  Lowered lowered = lower(op, device.engine.get());
  NNC_CHECK(lowered.primitive != nullptr, "{} has no primitive for {}, threads {}", library_version(), ir::describe(op),
            threads);
  return lowered;
}

/// Where what is in scratch begins: the primitive's own, then the packed arguments, then what a reorder needs.
struct ScratchPlan {
  std::vector<std::int64_t> packed;
  std::int64_t reorder = 0, bytes = 0;
};

ScratchPlan plan_scratch(const Lowered& lowered) {
  ScratchPlan plan;
  plan.bytes = bytes_of(scratchpad_of(lowered.primitive.get()));
  std::int64_t most = 0;
  for (const Packed& packed : lowered.packed) {
    plan.packed.push_back(ir::aligned(plan.bytes));
    plan.bytes = plan.packed.back() + bytes_of(packed.memory.get());
    most = std::max(most, bytes_of(scratchpad_of(packed.reorder.get())));
  }
  plan.reorder = ir::aligned(plan.bytes);
  if (most > 0) plan.bytes = plan.reorder + most;
  return plan;
}

/// A primitive and the memory that it runs on.
class Call {
 public:
  explicit Call(const_dnnl_primitive_desc_t descriptor) : primitive_(make_primitive(descriptor)) {}

  void add(const Device& device, int name, MemoryDescriptorPointer descriptor) {
    memories_.push_back(make_memory(device.engine.get(), descriptor));
    arguments_.push_back({name, memories_.back().get()});
  }
  void set(std::size_t argument, void* data) {
    const dnnl_status_t set = dnnl_memory_set_data_handle(memories_[argument].get(), data);
    NNC_CHECK(set == dnnl_success, "oneDNN refuses memory: status {}", static_cast<int>(set));
  }
  /// On the CPU a primitive has run when this returns.
  void run(const Device& device) {
    const dnnl_status_t ran = dnnl_primitive_execute(primitive_.get(), device.stream.get(),
                                                     static_cast<int>(arguments_.size()), arguments_.data());
    NNC_CHECK(ran == dnnl_success, "oneDNN fails to run a primitive: status {}", static_cast<int>(ran));
  }

 private:
  Primitive primitive_;
  std::vector<Memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// 1. Reorder what the primitive wants in another format.
// 2. Run it.
// 3. Reorder what it gives in another format.
class PreparedPrimitive final : public PreparedContraction {
 public:
  PreparedPrimitive(std::shared_ptr<const Device> device, const Lowered& lowered, int threads)
      : device_(std::move(device)),
        threads_(threads),
        plan_(plan_scratch(lowered)),
        arguments_(lowered.arguments.size()),
        main_(lowered.primitive.get()) {
    std::vector<MemoryDescriptorPointer> memories;
    for (const Argument& argument : lowered.arguments) memories.push_back(argument.memory.get());
    for (const Packed& packed : lowered.packed) {
      const MemoryDescriptorPointer ours = memories[packed.argument], theirs = packed.memory.get();
      Reorder& reorder = reorders_.emplace_back(
          Reorder{Call(packed.reorder.get()), packed.argument, plan_.packed[reorders_.size()], packed.is_result});
      reorder.call.add(*device_, DNNL_ARG_FROM, packed.is_result ? theirs : ours);
      reorder.call.add(*device_, DNNL_ARG_TO, packed.is_result ? ours : theirs);
      reorder.call.add(*device_, DNNL_ARG_SCRATCHPAD, scratchpad_of(packed.reorder.get()));
      memories[packed.argument] = theirs;
    }
    for (std::size_t i = 0; i < arguments_; ++i) main_.add(*device_, lowered.arguments[i].name, memories[i]);
    main_.add(*device_, DNNL_ARG_SCRATCHPAD, scratchpad_of(lowered.primitive.get()));
  }

  void run(void* const* args, void* scratch) override {
    const ThreadCount threads(threads_);
    for (std::size_t i = 0; i < arguments_; ++i) main_.set(i, args[i]);
    main_.set(arguments_, scratch);
    auto* const bytes = static_cast<std::byte*>(scratch);
    for (Reorder& reorder : reorders_) {
      void* const packed = bytes + reorder.offset;
      reorder.call.set(0, reorder.is_result ? packed : args[reorder.argument]);
      reorder.call.set(1, reorder.is_result ? args[reorder.argument] : packed);
      reorder.call.set(2, bytes + plan_.reorder);
      main_.set(reorder.argument, packed);
      if (!reorder.is_result) reorder.call.run(*device_);
    }
    main_.run(*device_);
    for (Reorder& reorder : reorders_)
      if (reorder.is_result) reorder.call.run(*device_);
  }

 private:
  struct Reorder {
    Call call;
    std::size_t argument;
    std::int64_t offset;
    bool is_result;
  };

  std::shared_ptr<const Device> device_;
  int threads_;
  ScratchPlan plan_;
  std::size_t arguments_;
  Call main_;
  std::vector<Reorder> reorders_;
};

class OnednnContractions final : public Contractions {
 public:
  std::int64_t scratch_bytes(const ir::OpView& op, int threads) override {
    const ThreadCount count(threads);
    return plan_scratch(lower_for(op, threads, *device_)).bytes;
  }

  bool reads_packed(const ir::OpView& op, int threads) override {
    const ThreadCount count(threads);
    return lower_for(op, threads, *device_).packed.empty();
  }

  std::unique_ptr<PreparedContraction> prepare(const ir::OpView& op, int threads) override {
    const ThreadCount count(threads);
    return std::make_unique<PreparedPrimitive>(device_, lower_for(op, threads, *device_), threads);
  }

  std::string version() const override { return library_version(); }

 private:
  std::shared_ptr<const Device> device_ = std::make_shared<const Device>();
};

}  // namespace

std::unique_ptr<Contractions> make_onednn_contractions() { return std::make_unique<OnednnContractions>(); }

}  // namespace nnc::runtime
