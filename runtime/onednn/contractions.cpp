#include "runtime/onednn/contractions.h"

#include "ir/check.h"
#include "ir/program.h"
#include "ir/text.h"
#include "runtime/onednn/lowering.h"

#include <fmt/ranges.h>
#include <omp.h>

#include <array>

namespace nnc::runtime {

namespace onednn {

/// The one place that tells contractions apart.
Lowered lower(const ir::OpView& op, dnnl_engine_t engine) {
  using Lower = Lowered (*)(const ir::OpView&, dnnl_engine_t);
  static constexpr std::array<std::pair<std::string_view, Lower>, 1> lowerings = {{{"matmul", lower_matmul}}};
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

/// `matmul (f32[2,3], f32[3,4]) -> f32[2,4]`, for messages.
std::string describe(const ir::OpView& op, int threads) {
  const auto types = [](const std::vector<ir::Type>& given) {
    std::vector<std::string> texts;
    for (const ir::Type& type : given) texts.push_back(to_string(type));
    return texts;
  };
  ir::Op without_operands;
  without_operands.def = op.def;
  without_operands.attrs.assign(op.attrs.begin(), op.attrs.end());
  return fmt::format("{} ({}) -> {}, threads {}", ir::describe(without_operands), fmt::join(types(op.operands), ", "),
                     fmt::join(types(op.results), ", "), threads);
}

Lowered lower_for(const ir::OpView& op, int threads, const Device& device) {
  NNC_CHECK(op.def->as<ir::Contraction>() != nullptr && op.results.size() == 1 && threads >= 1,
            "not a contraction that can be run: {}", describe(op, threads));
  Lowered lowered = lower(op, device.engine.get());
  NNC_CHECK(lowered.primitive != nullptr, "{} has no primitive for {}", library_version(), describe(op, threads));
  return lowered;
}

class PreparedPrimitive final : public PreparedContraction {
 public:
  PreparedPrimitive(std::shared_ptr<const Device> device, const Lowered& lowered, int threads)
      : device_(std::move(device)), threads_(threads), primitive_(make_primitive(lowered.primitive.get())) {
    for (const Argument& argument : lowered.arguments) add(argument.name, argument.memory.get());
    add(DNNL_ARG_SCRATCHPAD, scratchpad_of(lowered.primitive.get()));
  }

  void run(void* const* args, void* scratch) override {
    const ThreadCount threads(threads_);
    const std::size_t last = memories_.size() - 1;
    for (std::size_t i = 0; i <= last; ++i) {
      const dnnl_status_t set = dnnl_memory_set_data_handle(memories_[i].get(), i == last ? scratch : args[i]);
      NNC_CHECK(set == dnnl_success, "oneDNN refuses memory: status {}", static_cast<int>(set));
    }
    // On the CPU a primitive has run when this returns.
    const dnnl_status_t ran = dnnl_primitive_execute(primitive_.get(), device_->stream.get(),
                                                     static_cast<int>(arguments_.size()), arguments_.data());
    NNC_CHECK(ran == dnnl_success, "oneDNN fails to run a primitive: status {}", static_cast<int>(ran));
  }

 private:
  void add(int name, MemoryDescriptorPointer descriptor) {
    memories_.push_back(make_memory(device_->engine.get(), descriptor));
    arguments_.push_back({name, memories_.back().get()});
  }

  std::shared_ptr<const Device> device_;
  int threads_;
  Primitive primitive_;
  std::vector<Memory> memories_;  // the scratchpad last
  std::vector<dnnl_exec_arg_t> arguments_;
};

class OnednnContractions final : public Contractions {
 public:
  std::int64_t scratch_bytes(const ir::OpView& op, int threads) override {
    const ThreadCount count(threads);
    return bytes_of(scratchpad_of(lower_for(op, threads, *device_).primitive.get()));
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
