// What the kernel generator has to do well, each from a small program through all passes: how many kernels it becomes,
// how many bytes they move, and what their code looks like. Layers, losses and optimizers that std does not have come
// out as std's do.
#include "frontend/frontend.h"
#include "ir/fused.h"
#include "ir/program_cost.h"
#include "ir/program_memory.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "runtime/cpu_target.h"
#include "runtime/jit/compile.h"
#include "runtime/jit/winograd.h"
#include "runtime/onednn/contractions.h"
#include "tests/unit/project_file.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace nnc;
using namespace nnc::ir;

namespace {

struct Case {
  std::string name;
  std::string source;
  std::string program = "train";
  int kernels = 1;         // instructions with loops of ours
  std::int64_t saved = 0;  // bytes that a kernel keeps for a kernel behind a matrix product
  std::int64_t again = 0;  // bytes that have to move twice, as a sweep ends before the next can begin
};

/// The gradient of `inputs` in one dimension more than the batch: an input is a parameter `x`, which its gradient
/// replaces.
std::string gradient_of(const std::string& layers, const std::string& shape, const std::string& output,
                        const std::string& output_shape) {
  return layers + "\noptimizer gradient() { param = grad }\nlayer input() { param x: f32[" + shape +
         "] = zeros(); return x }\ntrain {\n  data dy: f32[" + output_shape + "]\n  loss sum((" + output +
         ") * dy[0])\n  optimizer gradient()\n  batch = 1\n  epochs = 1\n}\n";
}

/// A value without gradient; `used` has the parameters that a program has to have.
std::string value_of(const std::string& functions, const std::string& data, const std::string& results,
                     const std::string& used = "linear(ones([1, 1]), 1) as n") {
  return functions + "\ntrain {\n  data " + data + "\n  loss sum(" + used +
         ")\n  optimizer sgd()\n  batch = 128\n  epochs = 1\n}\npredict {\n  data " + data + "\n  return " + results +
         "\n}\n";
}

/// A step of `fc2(BODY of fc1(x))`, both linear, with bias; `statements` has the optimizer and more.
std::string between_products(const std::string& functions, const std::string& body,
                             const std::string& statements = "optimizer sgd(lr = 0.1)") {
  return functions + "\nlayer body(x: f32[N, 64]) -> f32[N, 64] {\n  h = linear(x, 512) as fc1\n  return linear(" +
         body + ", 64) as fc2\n}\ntrain {\n  data x: f32[64], y: f32[64]\n  loss mse(body(x) as m, y)\n  " +
         statements + "\n  batch = 128\n  epochs = 1\n}\n";
}

constexpr std::int64_t wide = 128 * 512 * 4;  // bytes between the products above
constexpr std::int64_t image = 16 * 20 * 20 * 64 * 4;

const std::string mish = "fn new_activation(x) = x * tanh(log(1 + exp(x)))";
const std::string two_axes =
    "layer norm(x: f32[N, A, B]) {\n  param weight: f32[A, B] = ones()\n"
    "  return x * rsqrt(mean(x * x, axis = [-2, -1], keepdim = true) + 1e-6) * weight\n}";
const std::string causal =
    "fn causal(s: f32[..., T, T]) = softmax(where(iota(T) <= unsqueeze(iota(T), 1), s / 4.0, -1e30))";
const std::string batch_norm =
    "layer bn(x: f32[N, H, W, C]) {\n  param weight: f32[C] = ones()\n  param bias: f32[C] = zeros()\n"
    "  m, v = moments(x, axis = [0, 1, 2], keepdim = true)\n"
    "  return relu((x - m) * rsqrt(v + 1e-5) * weight + bias)\n}";
const std::string heads =
    "fn split(x: f32[N, T, C]) = permute(reshape(x, [N, T, 4, C / 4]), [0, 2, 1, 3])\n"
    "fn merge(x: f32[N, H, T, D]) = reshape(permute(x, [0, 2, 1, 3]), [N, T, H * D])";
const std::string lion_variant =
    "optimizer variant(lr: f32 = 1e-3) {\n  state m = zeros()\n  state n = zeros()\n"
    "  direction = sign(m) * (1 - exp(-abs(m) / (sqrt(n) + 1e-6)))\n"
    "  m = 0.9 * m + 0.1 * grad\n  n = maximum(0.99 * n, grad * grad)\n"
    "  param = param - lr * (direction + 0.01 * param * step / (step + 100))\n}";

/// Products apart, a step between two products has four kernels: forward, the loss with its gradient and that of the
/// last bias, backward with the gradient of the first bias, the update.
const std::vector<Case> cases{
    {.name = "bias and GELU, forward and backward", .source = between_products("", "gelu(h)"), .kernels = 4},
    {.name = "bias and ReLU keep a bit", .source = between_products("", "relu(h)"), .kernels = 4, .saved = wide / 4},
    {.name = "bias and an invented activation", .source = between_products(mish, "new_activation(h)"), .kernels = 4},
    {.name = "dropout keeps its mask, which takes longer to draw",
     .source = between_products("", "dropout(h, p = 0.1)"),
     .kernels = 4,
     .saved = wide / 4},
    {.name = "softmax and log_softmax",
     .source = value_of("", "x: f32[1000]", "p = softmax(x), l = log_softmax(x)"),
     .program = "predict"},
    {.name = "softmax, forward and backward",
     .source = gradient_of("", "128, 1000", "softmax(input() as s)", "128, 1000")},
    {.name = "cross-entropy, forward and backward",
     .source = "optimizer gradient() { param = grad }\nlayer input() { param x: f32[128, 1000] = zeros(); return x }\n"
               "train {\n  data label: u16[128]\n  loss cross_entropy(input() as s, label[0])\n"
               "  optimizer gradient()\n  batch = 1\n  epochs = 1\n}\n"},
    {.name = "causal scores", .source = value_of(causal, "s: f32[4, 64, 64]", "p = causal(s)"), .program = "predict"},
    {.name = "causal scores, forward and backward",
     .source = gradient_of(causal, "4, 8, 64, 64", "causal(input() as s)", "4, 8, 64, 64")},
    {.name = "layer_norm",
     .source = value_of("", "x: f32[512]", "y = layer_norm(x) as n", "layer_norm(x) as n"),
     .program = "predict"},
    {.name = "layer_norm, forward and backward in one sweep, then the parameters",
     .source = gradient_of("", "128, 512", "layer_norm(input() as s) as n", "128, 512"),
     .kernels = 2},
    {.name = "layer_norm between products",
     .source = between_products("", "layer_norm(h) as n"),
     .kernels = 4,
     .saved = 2 * 128 * 4},
    {.name = "rms_norm",
     .source = value_of("", "x: f32[512]", "y = rms_norm(x) as n", "rms_norm(x) as n"),
     .program = "predict"},
    {.name = "rms_norm, forward and backward in one sweep, then the parameter",
     .source = gradient_of("", "128, 512", "rms_norm(input() as s) as n", "128, 512"),
     .kernels = 2},
    {.name = "an invented norm over two axes",
     .source = gradient_of(two_axes, "64, 32, 48", "norm(input() as s) as n", "64, 32, 48"),
     .kernels = 2},
    // The sums over the batch end a sweep, forward and backward. A kernel each makes the factors of channels.
    {.name = "batch_norm and ReLU, forward and backward in three sweeps",
     .source = gradient_of(batch_norm, "16, 20, 20, 64", "bn(input() as s) as n", "16, 20, 20, 64"),
     .kernels = 6,
     .again = 3 * image},
    {.name = "pooling over all positions",
     .source = value_of("", "x: f32[20, 20, 64]", "y = mean(x, axis = [1, 2])"),
     .program = "predict"},
    {.name = "pooling over all positions, backward",
     .source = gradient_of("", "16, 20, 20, 64", "mean(input() as s, axis = [1, 2])", "16, 64"),
     .kernels = 2},
    {.name = "splitting heads",
     .source = value_of(heads, "x: f32[64, 384]",
                        "q = split(x[:, :, 0:128]), k = split(x[:, :, 128:256]), v = split(x[:, :, 256:384])"),
     .program = "predict"},
    {.name = "merging heads", .source = value_of(heads, "x: f32[4, 64, 32]", "y = merge(x)"), .program = "predict"},
    {.name = "adam", .source = between_products("", "relu(h)", "optimizer adam()"), .kernels = 4, .saved = wide / 4},
    // Sums of squares of all gradients in one instruction; the scale rides with the update.
    {.name = "clipping by the global norm",
     .source = between_products("", "relu(h)", "optimizer adam()\n  clip_norm = 1.0"),
     .kernels = 5,
     .saved = wide / 4},
    {.name = "an invented optimizer",
     .source = between_products(lion_variant, "relu(h)", "optimizer variant()"),
     .kernels = 4,
     .saved = wide / 4},
};

Module compile(const std::string& source, const Target& target) {
  Diagnostics diagnostics;
  const auto model = frontend::load("test.nn", source, {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(model.has_value());
  std::optional<Module> module = model->elaborate({{model->recipe().batch}, {}}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module.has_value());
  const Status status =
      passes::run_passes(*module, passes::pipeline_to(passes::Stage::program), {.target = &target}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(status == Status::ok);
  return std::move(*module);
}

const Program& program_of(const Module& module, std::string_view name) {
  const auto found = std::ranges::find(module.programs, name, &Program::name);
  REQUIRE(found != module.programs.end());
  return *found;
}

const Kernel& kernel_of(const Module& module, const Instruction& instruction) {
  return module.kernels[static_cast<std::size_t>(instruction.kernel)];
}

bool has_loops(const Module& module, const Instruction& instruction) {
  return instruction.kernel >= 0 && !FusedView(kernel_of(module, instruction).op).domain.empty();
}

/// What the kernels of a program move, and what they cannot avoid to move: kernels with as many matrix products before
/// them belong together, and what they read from elsewhere, or write for elsewhere, has to move once.
class Traffic {
 public:
  Traffic(const Module& module, const Program& program) : program_(program) {
    for (const Instruction& instruction : program.instructions) {
      const bool product = instruction.kernel < 0;
      int phase = product ? 1 : 0;
      for (const ArgumentSet& set : instruction.sets)
        for (const int read : set.reads) phase = std::max(phase, written_[root_of(program, read)].phase + product);
      for (const ArgumentSet& set : instruction.sets)
        for (const int write : set.writes) written_[root_of(program, write)] = {phase, product};
      if (product) continue;
      moved += cost_of(module, program, instruction).bytes;
      kernels += has_loops(module, instruction);
    }
    for (const auto& [name, buffer] : program.results) outputs_[root_of(program, buffer)].insert(0);
    std::set<std::pair<int, int>> inputs;
    for (const Instruction& instruction : program.instructions) count_reads(instruction, inputs);
    for (const Instruction& instruction : program.instructions)
      if (instruction.kernel >= 0) count_writes(instruction);
  }

  std::int64_t moved = 0, unique = 0, saved = 0;
  int kernels = 0;

 private:
  struct Written {
    int phase = 0;
    bool by_product = true;  // or by the caller
  };

  int phase_of(const Instruction& instruction) const {
    return written_.at(root_of(program_, instruction.sets[0].writes[0])).phase;
  }
  std::int64_t bytes(int root) const { return program_.buffers[static_cast<std::size_t>(root)].type.bytes(); }
  bool is_slot(int root) const { return program_.buffers[static_cast<std::size_t>(root)].region == Region::slot; }

  void count_reads(const Instruction& instruction, std::set<std::pair<int, int>>& inputs) {
    const int phase = phase_of(instruction);
    for (const ArgumentSet& set : instruction.sets)
      for (const int read : set.reads) {
        const int root = root_of(program_, read);
        if (instruction.kernel < 0) {
          outputs_[root].insert(0);
          continue;
        }
        const Written& from = written_[root];
        if (is_slot(root) || from.by_product || from.phase != phase) {
          if (inputs.insert({root, phase}).second) unique += bytes(root);
        }
        // An update in one instruction waits for the last gradient: the gradients are no saved values.
        const bool waits = instruction.role.kind == Role::Kind::update || instruction.role.kind == Role::Kind::clip;
        if (!from.by_product && !is_slot(root) && from.phase != phase) {
          outputs_[root].insert(phase);
          if (!waits && kept_.insert(root).second) saved += bytes(root);
        }
      }
  }
  void count_writes(const Instruction& instruction) {
    for (const ArgumentSet& set : instruction.sets)
      for (const int write : set.writes) {
        const int root = root_of(program_, write);
        if (is_slot(root) || outputs_.contains(root)) unique += bytes(root);
      }
  }

  const Program& program_;
  std::map<int, Written> written_;        // by root
  std::map<int, std::set<int>> outputs_;  // who wants it: phases of kernels, 0 for products and the caller
  std::set<int> kept_;
};

void check_traffic(const Case& expected, const Module& module) {
  const Traffic found(module, program_of(module, expected.program));
  INFO("moves " << found.moved << " bytes for " << found.unique << " in and out, keeps " << found.saved);
  CHECK(found.kernels == expected.kernels);
  CHECK(static_cast<double>(found.moved - expected.again) <= 1.1 * static_cast<double>(found.unique));
  CHECK(found.saved <= expected.saved);
}

void check_code(const Case& expected, const Module& module, const runtime::jit::Cpu& cpu, std::string_view wanted,
                std::string_view unwanted) {
  const Program& program = program_of(module, expected.program);
  std::set<int> seen;
  for (const Instruction& instruction : program.instructions) {
    if (!has_loops(module, instruction) || !seen.insert(instruction.kernel).second) continue;
    const Kernel& kernel = kernel_of(module, instruction);
    const std::string text = runtime::jit::code_text(std::span(&kernel, 1), cpu, runtime::jit::CodeText::assembly);
    INFO("kernel " << kernel.name);
    CHECK(text.find("\tcall") == std::string::npos);
    CHECK(text.find(wanted) != std::string::npos);
    if (!unwanted.empty()) CHECK(text.find(unwanted) == std::string::npos);
  }
}

}  // namespace

TEST_CASE("worked cases: kernels, bytes moved, code") {
  const auto generic = generic_target(2);
  const runtime::jit::Cpu narrow = runtime::jit::avx2_cpu(), broad = runtime::jit::avx512_cpu();
  const auto avx512 = runtime::cpu_target(broad.name, broad.lanes, 2, runtime::make_onednn_contractions());
  for (const Case& expected : cases) {
    DYNAMIC_SECTION(expected.name) {
      const Module for_generic = compile(expected.source, *generic);
      const Module for_avx512 = compile(expected.source, *avx512);
      for (const Module* module : {&for_generic, &for_avx512}) {
        INFO(print(*module));
        check_traffic(expected, *module);
      }
      check_code(expected, for_generic, narrow, "%ymm", "%zmm");
      check_code(expected, for_avx512, broad, "%zmm", "");
    }
  }
}

TEST_CASE("functions of functions take as many vectors a turn as there are registers for") {
  const auto unroll_of = [](const std::string& y, int lanes) {
    const auto target = runtime::cpu_target("cpu", lanes, 1, runtime::make_onednn_contractions());
    const std::string nested = "fn new_activation(x) = x * tanh(log(2 + exp(x)))";
    const Module module = compile(value_of(nested, "x: f32[1024]", "y = " + y), *target);
    const auto has_tanh = [](const Kernel& kernel) {
      return std::ranges::any_of(FusedView(kernel.op).body.ops(), [](const Op& op) { return *op.def->name == "tanh"; });
    };
    return FusedView(std::ranges::find_if(module.kernels, has_tanh)->op).schedule.unroll;
  };
  for (const std::string y : {"new_activation(x)", "new_activation(x + f32(iota(1024)))"}) {
    CHECK(unroll_of(y, 8) == 4);
    CHECK(unroll_of(y, 16) == 8);
  }
}

TEST_CASE("convolutions by tiles have no calls, and the CPU's vectors") {
  const std::string source = tests::project_file("bench/models/cnn.nn");
  const runtime::jit::Cpu narrow = runtime::jit::avx2_cpu(), broad = runtime::jit::avx512_cpu();
  const Module module = compile(source, *generic_target(2));
  for (const auto& [cpu, wanted] : {std::pair(narrow, "%ymm"), std::pair(broad, "%zmm")}) {
    const std::string text = runtime::jit::code_text({}, cpu, runtime::jit::CodeText::assembly,
                                                     runtime::jit::winograd_convolutions(module.programs));
    INFO(cpu.name);
    // Forward, and both gradients of the second convolution; `eval` runs the same code as `train`.
    CHECK(text.find("\nwinograd2_tiles:") != std::string::npos);
    CHECK(text.find("winograd3") == std::string::npos);
    CHECK(text.find("\tcall") == std::string::npos);
    CHECK(text.find(wanted) != std::string::npos);
    CHECK((text.find("%zmm") != std::string::npos) == (cpu.lanes == 16));
  }
}

TEST_CASE("an example's step: what is one kernel, what is one instruction") {
  const auto generic = generic_target(2);
  const Module module = compile(tests::project_file("examples/mlp.nn"), *generic);
  const Program& program = program_of(module, "train");
  std::map<int, int> written_by;  // by root: the instruction
  std::vector<int> products, loops;
  int updates = 0;
  std::size_t updated = 0;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const Instruction& instruction = program.instructions[i];
    for (const ArgumentSet& set : instruction.sets)
      for (const int write : set.writes) written_by[root_of(program, write)] = static_cast<int>(i);
    if (instruction.kernel < 0) products.push_back(static_cast<int>(i));
    if (!has_loops(module, instruction)) continue;
    loops.push_back(static_cast<int>(i));
    if (instruction.role.kind != Role::Kind::update) continue;
    ++updates;
    updated = instruction.sets.size();
  }
  // Three products forward, three for weights and two for what is before them.
  CHECK(products.size() == 8);
  CHECK(updates == 1);
  CHECK(updated == 6);
  // The input, two activations, the loss, two activations backward, the update.
  CHECK(loops.size() == 7);

  // Between the last product forward and the first one backward there is one kernel: softmax, cross-entropy, gradient.
  const auto is_product = [&](int i) { return program.instructions[static_cast<std::size_t>(i)].kernel < 0; };
  const int last_forward = products[2], first_backward = products[3];
  const auto losses = std::ranges::count_if(loops, [&](int i) { return last_forward < i && i < first_backward; });
  CHECK(losses == 1);
  const ArgumentSet& loss = program.instructions[static_cast<std::size_t>(loops[3])].sets.at(0);
  const auto reads = [&](const ArgumentSet& set, std::string_view name) {
    return std::ranges::any_of(set.reads, [&](int read) {
      return program.buffers[static_cast<std::size_t>(root_of(program, read))].path == name;
    });
  };
  CHECK(reads(loss, "label"));
  CHECK(loss.writes.size() == 4);  // the loss, the hits, the gradient of the scores and of the last bias

  // The gradient of a bias comes from the kernel that gives the products their gradient.
  for (const ArgumentSet& set : program.instructions[static_cast<std::size_t>(loops.back())].sets) {
    const auto parameter = std::ranges::find_if(set.reads, [&](int read) {
      return program.buffers[static_cast<std::size_t>(read)].region == Region::slot &&
             program.buffers[static_cast<std::size_t>(read)].path.ends_with(".bias") &&
             program.buffers[static_cast<std::size_t>(read)].path.starts_with("model.");
    });
    if (parameter == set.reads.end()) continue;
    const auto gradient = std::ranges::find_if(set.reads, [&](int read) {
      const Buffer& buffer = program.buffers[static_cast<std::size_t>(read)];
      return buffer.region == Region::transient && buffer.type.elements() > 1;
    });
    REQUIRE(gradient != set.reads.end());
    const int maker = written_by.at(root_of(program, *gradient));
    const Instruction& backward = program.instructions[static_cast<std::size_t>(maker)];
    CHECK_FALSE(is_product(maker));
    CHECK(std::ranges::any_of(backward.sets[0].writes, [&](int write) {
      return std::ranges::any_of(products, [&](int product) {
        const std::vector<int>& reads = program.instructions[static_cast<std::size_t>(product)].sets[0].reads;
        return product > maker &&
               std::ranges::any_of(reads, [&](int read) { return root_of(program, read) == root_of(program, write); });
      });
    }));
  }
}

TEST_CASE("bench's models need hardly more memory than is alive at once") {
  const std::filesystem::path folder = std::filesystem::path(NNC_SOURCE_DIR) / "bench/models";
  std::map<std::string, std::string> models;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string model = entry.path().filename().string();
    models[model] = tests::project_file("bench/models/" + model);
  }
  REQUIRE(models.contains("gpt.nn"));
  std::string& gpt2 = models["GPT-2 124M"] = models["gpt.nn"];
  for (const auto& [name, size] :
       {std::pair{"vocab = ", "50257"}, {"width = ", "768"}, {"heads = ", "12"}, {"layers = ", "12"}}) {
    const std::size_t at = gpt2.find(std::string("hyper ") + name);
    REQUIRE(at != std::string::npos);
    gpt2.replace(at, gpt2.find('\n', at) - at, std::string("hyper ") + name + size);
  }
  for (const auto& [name, text] : models) {
    const Module module = compile(text, *generic_target(2));
    const Program& program = program_of(module, "train");
    INFO(name << ": " << program.transient_bytes << " bytes, " << largest_live_bytes(program) << " alive");
    CHECK(static_cast<double>(program.transient_bytes) <= 1.05 * static_cast<double>(largest_live_bytes(program)));
  }
}

TEST_CASE("of a last-level cache that others share, a core has no more than its part") {
  const auto target = runtime::cpu_target("cpu", 8, 1, runtime::make_onednn_contractions());
  CHECK(target->l3_bytes() > 0);
  CHECK(target->l3_bytes() <= (std::int64_t{16} << 20) * std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}
