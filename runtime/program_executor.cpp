// The arena: slots, then the transient region, then scratch. An instruction's chunks, over all of its argument sets, are
// divided among its threads in order; split reductions are finished when all chunks are done. So which thread does a
// chunk changes no bit.
#include "runtime/program_executor.h"

#include "ir/check.h"
#include "ir/denormals.h"
#include "ir/fused.h"
#include "ir/kernel_layout.h"
#include "ir/program.h"
#include "ir/program_cost.h"
#include "ir/program_memory.h"
#include "ir/value_fault.h"
#include "runtime/arena.h"
#include "runtime/host_kernel.h"
#include "runtime/share.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

namespace nnc::runtime {

namespace {

/// An instruction made ready. One of the four: compiled code, a host kernel, a contraction, a routine.
struct Step {
  KernelCode code{};
  std::unique_ptr<HostKernel> host;
  std::unique_ptr<PreparedContraction> contraction;
  const ir::Routine* routine = nullptr;
  ir::OpView op{};  // of a routine
  ir::Location location{};

  struct Set {
    std::size_t args = 0;        // where its pointers begin
    std::int64_t positions = 0;  // of the flattened parallel dimensions
    std::int64_t first_chunk = 0;
  };
  std::vector<Set> sets;
  /// (argument, buffer): whose place a loop changes.
  std::vector<std::pair<std::size_t, std::size_t>> moving;
  std::int64_t chunks = 0, chunk = 0;  // in all sets; positions of one
  int threads = 1;
  std::byte* scratch = nullptr;
  ir::KernelScratch areas{};  // of it
};

/// Measures a program's runs.
class Clock {
 public:
  Clock(ProgramProfile& profile, std::size_t instructions) : profile_(profile) {
    profile_.seconds_of.resize(instructions);
    profile_.times_of.resize(instructions);
    profile_.last.reserve(instructions);
  }

  void begin_run() {
    if (runs_++ == 1) {
      profile_.runs = 0;
      profile_.seconds = 0;
      std::ranges::fill(profile_.seconds_of, 0);
      std::ranges::fill(profile_.times_of, 0);
    }
    profile_.last.clear();
    start_ = Time::now();
  }

  void end_run() {
    ++profile_.runs;
    profile_.seconds += since_start();
  }

  template <class F>
  void measure(std::size_t instruction, F&& run) {
    const double begin = since_start();
    run();
    const double seconds = since_start() - begin;
    profile_.seconds_of[instruction] += seconds;
    ++profile_.times_of[instruction];
    profile_.last.push_back({instruction, begin, seconds});
  }

 private:
  using Time = std::chrono::steady_clock;
  double since_start() const { return std::chrono::duration<double>(Time::now() - start_).count(); }

  ProgramProfile& profile_;
  std::int64_t runs_ = 0;
  Time::time_point start_;
};

/// A program with its places filled in.
class LoadedProgram {
 public:
  LoadedProgram(const ir::Module& module, const ir::Program& program, const KernelSet& kernels,
                Contractions& contractions, const std::vector<std::int64_t>& slots, std::byte* slot_memory,
                std::byte* transient, std::byte* scratch, Profile* profile)
      : program_(&program) {
    if (profile != nullptr) clock_.emplace((*profile)[program.full_name()], program.instructions.size());
    for (const ir::Buffer& buffer : program.buffers)
      places_.push_back(place(module, buffer, slots, slot_memory, transient));
    find_moving();
    for (const ir::Instruction& instruction : program.instructions)
      steps_.push_back(prepare(module, instruction, kernels, contractions, scratch));
    for (const auto& [name, buffer] : program.results)
      results_.push_back({name, ir::Tensor(program.buffers[static_cast<std::size_t>(buffer)].type)});
  }

  const ir::Program& program() const { return *program_; }

  const std::vector<NamedTensor>& run(const std::vector<ir::Tensor>& params) {
    take(params);
    if (clock_) clock_->begin_run();
    run(0, steps_.size(), 0);
    if (clock_) clock_->end_run();
    for (std::size_t i = 0; i < results_.size(); ++i) {
      const auto buffer = static_cast<std::size_t>(program_->results[i].second);
      std::span<std::byte> bytes = results_[i].value.bytes();
      std::memcpy(bytes.data(), places_[buffer], bytes.size());
    }
    return results_;
  }

 private:
  /// Where a buffer is; a param's place is known when it is given.
  std::byte* place(const ir::Module& module, const ir::Buffer& buffer, const std::vector<std::int64_t>& slots,
                   std::byte* slot_memory, std::byte* transient) {
    if (buffer.same_as >= 0) return places_[static_cast<std::size_t>(buffer.same_as)];
    if (buffer.row_of >= 0) {
      const auto all = static_cast<std::size_t>(buffer.row_of);
      if (buffer.loop >= 0 || places_[all] == nullptr) return nullptr;
      return places_[all] + buffer.row * ir::row_bytes(program_->buffers[all]);
    }
    switch (buffer.region) {
      case ir::Region::param: return nullptr;
      case ir::Region::transient: return transient + buffer.offset;
      case ir::Region::slot: {
        const ir::Slot* slot = module.find_slot(buffer.path);
        NNC_CHECK(slot != nullptr, "no slot @{}", buffer.path);
        return slot_memory + slots[static_cast<std::size_t>(slot - module.slots.data())];
      }
      case ir::Region::constant: break;
    }
    constants_.push_back(*buffer.value);
    return constants_.back().bytes().data();
  }

  /// A buffer moves with the innermost loop on the way to its memory; inner loops have the higher numbers.
  void find_moving() {
    rows_.resize(program_->loops.size());
    std::vector<int> moves_with(program_->buffers.size(), -1);
    for (std::size_t b = 0; b < program_->buffers.size(); ++b) {
      const ir::Buffer& buffer = program_->buffers[b];
      const int from = buffer.same_as >= 0 ? buffer.same_as : buffer.row_of;
      if (from < 0) continue;
      moves_with[b] = std::max(buffer.loop, moves_with[static_cast<std::size_t>(from)]);
      if (moves_with[b] >= 0)
        rows_[static_cast<std::size_t>(moves_with[b])].push_back(b);
      else if (buffer.region == ir::Region::param)
        of_params_.push_back(b);
    }
  }

  Step prepare(const ir::Module& module, const ir::Instruction& instruction, const KernelSet& kernels,
               Contractions& contractions, std::byte* scratch) {
    Step step;
    step.threads = instruction.threads;
    step.location = instruction.location;
    step.scratch = scratch;
    for (const ir::ArgumentSet& set : instruction.sets) {
      step.sets.push_back({.args = args_.size()});
      for (const auto* buffers : {&set.reads, &set.writes})
        for (const int buffer : *buffers) add_argument(step, static_cast<std::size_t>(buffer));
      args_.push_back(nullptr);  // the parameters of a kernel
    }
    if (instruction.kernel < 0) {
      const ir::OpView view = ir::view(*program_, instruction);
      if (const auto* routine = view.def->as<ir::Routine>()) {
        step.routine = routine;
        step.op = view;
        step.chunks = (*routine->parts)(view);
        return step;
      }
      NNC_CHECK(contractions.scratch_bytes(view, instruction.threads) <= instruction.scratch,
                "{} has too little scratch: it was planned for another machine", *instruction.def->name);
      step.contraction = contractions.prepare(view, instruction.threads);
      return step;
    }
    const auto k = static_cast<std::size_t>(instruction.kernel);
    const ir::Kernel& kernel = module.kernels[k];
    if (ir::is_of_numbers(kernel)) {
      step.host = std::make_unique<HostKernel>(kernel.op);
      return step;
    }
    const ir::FusedView fused(kernel.op);
    step.code = kernels.code(k);
    step.areas = ir::kernel_layout(fused).scratch;
    step.chunk = fused.schedule.chunk;
    for (std::size_t i = 0; i < step.sets.size(); ++i) {
      Step::Set& set = step.sets[i];
      args_[set.args + instruction.sets[i].reads.size() + instruction.sets[i].writes.size()] =
          const_cast<void*>(step.code.parameters);
      set.positions = ir::parallel_positions(fused, instruction.sets[i].extent);
      set.first_chunk = step.chunks;
      step.chunks += ir::chunk_count(fused, set.positions);
    }
    return step;
  }

  void add_argument(Step& step, std::size_t buffer) {
    if (places_[buffer] == nullptr) step.moving.emplace_back(args_.size(), buffer);
    args_.push_back(places_[buffer]);
  }

  /// What is known of a buffer's place when the program begins, or a step of a loop.
  void move(std::size_t b, std::int64_t t) {
    const ir::Buffer& buffer = program_->buffers[b];
    if (buffer.same_as >= 0) {
      places_[b] = places_[static_cast<std::size_t>(buffer.same_as)];
    } else if (buffer.row_of >= 0) {
      const auto all = static_cast<std::size_t>(buffer.row_of);
      const ir::Buffer& rows = program_->buffers[all];
      const std::int64_t row = buffer.loop < 0 ? buffer.row : (t + buffer.row) % rows.type.shape[0];
      places_[b] = places_[all] + row * ir::row_bytes(rows);
    }
  }

  void take(const std::vector<ir::Tensor>& params) {
    const auto count = static_cast<std::size_t>(program_->param_count());
    NNC_CHECK(params.size() == count, "{} has {} parameters, given {}", program_->full_name(), count, params.size());
    for (std::size_t i = 0; i < count; ++i)
      NNC_CHECK(params[i].type() == program_->buffers[i].type, "parameter {} of {} is {}, given {}", i,
                program_->full_name(), ir::to_string(program_->buffers[i].type), ir::to_string(params[i].type()));
    // Nothing writes to a parameter's buffer.
    for (std::size_t i = 0; i < count; ++i) places_[i] = const_cast<std::byte*>(params[i].bytes().data());
    for (const std::size_t buffer : of_params_) move(buffer, 0);
  }

  /// `loop` is the first that may begin here.
  void run(std::size_t first, std::size_t end, std::size_t loop) {
    for (std::size_t i = first; i < end;) {
      while (loop < program_->loops.size() && static_cast<std::size_t>(program_->loops[loop].first) < i) ++loop;
      if (loop == program_->loops.size() || static_cast<std::size_t>(program_->loops[loop].first) > i) {
        Step& step = steps_[i];
        for (const auto& [argument, buffer] : step.moving) args_[argument] = places_[buffer];
        if (clock_)
          clock_->measure(i, [&] { run(step); });
        else
          run(step);
        ++i;
        continue;
      }
      const ir::Loop& around = program_->loops[loop];
      for (std::int64_t k = 0; k < around.length; ++k) {
        const std::int64_t t = around.reverse ? around.length - 1 - k : k;
        for (const std::size_t buffer : rows_[loop]) move(buffer, t);
        run(i, static_cast<std::size_t>(around.end), loop + 1);
      }
      i = static_cast<std::size_t>(around.end);
    }
  }

  void run(Step& step) {
    if (step.contraction) return step.contraction->run(&args_[step.sets[0].args], step.scratch);
    if (step.host) {
      for (const Step::Set& set : step.sets) step.host->run(&args_[set.args]);
      return;
    }
    if (step.routine != nullptr) return run_routine(step);
    share(step.threads, step.chunks,
          [&](std::int64_t first, std::int64_t end, int thread) { run_chunks(step, first, end, thread); });
    if (step.code.finish == nullptr) return;
    for (std::size_t i = 0; i < step.sets.size(); ++i) {
      const std::int64_t first = step.sets[i].first_chunk;
      const std::int64_t end = i + 1 < step.sets.size() ? step.sets[i + 1].first_chunk : step.chunks;
      step.code.finish(&args_[step.sets[i].args], step.scratch + step.areas.partial_at(first), end - first);
    }
  }

  void run_routine(const Step& step) {
    void* const* const args = &args_[step.sets[0].args];
    const std::size_t operands = step.op.operands.size();
    const ir::Routine::Args given{&step.op, {args, operands}, {args + operands, step.op.results.size()}, step.scratch};
    if (step.routine->fault != nullptr)
      if (const std::string fault = step.routine->fault(given); !fault.empty())
        throw ir::ValueFault(fault, step.location);
    if (step.routine->prepare != nullptr) step.routine->prepare(given);
    share(step.threads, step.chunks,
          [&](std::int64_t first, std::int64_t end, int) { (*step.routine->run)(given, first, end); });
  }

  void run_chunks(const Step& step, std::int64_t first, std::int64_t end, int thread) {
    std::byte* rows = step.scratch + step.areas.rows_at(step.chunks, thread);
    auto set = std::ranges::upper_bound(step.sets, first, {}, &Step::Set::first_chunk) - 1;
    for (std::int64_t chunk = first; chunk < end; ++chunk) {
      while (set + 1 != step.sets.end() && (set + 1)->first_chunk <= chunk) ++set;
      const std::int64_t begin = (chunk - set->first_chunk) * step.chunk;
      step.code.run(&args_[set->args], begin, std::min(begin + step.chunk, set->positions),
                    step.scratch + step.areas.partial_at(chunk), rows);
    }
  }

  const ir::Program* program_;
  std::vector<std::byte*> places_;  // of the buffers
  std::vector<ir::Tensor> constants_;
  std::vector<void*> args_;                     // of all instructions
  std::vector<std::size_t> of_params_;          // buffers with memory of parameters, known before the loops
  std::vector<std::vector<std::size_t>> rows_;  // by loop: the buffers whose place its step decides, in order
  std::vector<Step> steps_;
  std::vector<NamedTensor> results_;
  std::optional<Clock> clock_;
};

class ProgramExecutor : public Executor {
 public:
  ProgramExecutor(const ir::Module& module, std::shared_ptr<const KernelSet> kernels,
                  std::shared_ptr<Contractions> contractions, Profile* profile)
      : module_(module),
        kernels_(std::move(kernels)),
        contractions_(std::move(contractions)),
        slots_(ir::slot_offsets(module_)),
        planned_(ir::planned_memory(module_)),
        arena_(static_cast<std::size_t>(planned_.total())) {
    std::byte* const transient = arena_.begin() + planned_.slots;
    for (const ir::Program& program : module_.programs)
      programs_.push_back(std::make_unique<LoadedProgram>(module_, program, *kernels_, *contractions_, slots_,
                                                          arena_.begin(), transient, transient + planned_.transient,
                                                          profile));
    // Threads that the pool has already flush denormals from now on, those that a run starts inherit it; the calling one,
    // which takes part, is left as it was.
    const ir::FlushDenormals here;
    const int threads = pool_threads();
    share(threads, threads, [](std::int64_t, std::int64_t, int) { ir::FlushDenormals::keep(); });
  }

  const std::vector<NamedTensor>& run(std::string_view name, std::int64_t batch,
                                      const std::vector<ir::Tensor>& params) override {
    const ir::FlushDenormals mode;
    for (const auto& program : programs_)
      if (program->program().name == name && program->program().batch == batch) return program->run(params);
    ir::internal_error(__FILE__, __LINE__, fmt::format("no program {}@{}", name, batch));
  }

  ir::Tensor slot(std::string_view path) const override {
    const std::size_t index = find(path);
    ir::Tensor value(module_.slots[index].type);
    std::memcpy(value.bytes().data(), arena_.begin() + slots_[index], value.bytes().size());
    return value;
  }

  void set_slot(std::string_view path, const ir::Tensor& value) override {
    const std::size_t index = find(path);
    NNC_CHECK(value.type() == module_.slots[index].type, "{} does not fit slot @{}", ir::to_string(value.type()), path);
    std::memcpy(arena_.begin() + slots_[index], value.bytes().data(), value.bytes().size());
  }

  std::span<std::byte> slot_bytes(std::string_view path) override {
    const std::size_t index = find(path);
    return {arena_.begin() + slots_[index], static_cast<std::size_t>(module_.slots[index].type.bytes())};
  }

  std::int64_t planned_bytes() const override { return planned_.total(); }

 private:
  /// The most that an instruction has.
  int pool_threads() const {
    int most = 1;
    for (const ir::Program& program : module_.programs)
      for (const ir::Instruction& instruction : program.instructions) most = std::max(most, instruction.threads);
    return most;
  }

  std::size_t find(std::string_view path) const {
    const ir::Slot* slot = module_.find_slot(path);
    NNC_CHECK(slot != nullptr, "no slot @{}", path);
    return static_cast<std::size_t>(slot - module_.slots.data());
  }

  const ir::Module module_;
  std::shared_ptr<const KernelSet> kernels_;
  std::shared_ptr<Contractions> contractions_;
  std::vector<std::int64_t> slots_;  // offsets, then the bytes of all
  ir::PlannedMemory planned_;
  Arena arena_;
  std::vector<std::unique_ptr<LoadedProgram>> programs_;
};

}  // namespace

std::unique_ptr<Executor> make_program_executor(const ir::Module& module, std::shared_ptr<const KernelSet> kernels,
                                                std::shared_ptr<Contractions> contractions, Profile* profile) {
  return std::make_unique<ProgramExecutor>(module, std::move(kernels), std::move(contractions), profile);
}

}  // namespace nnc::runtime
