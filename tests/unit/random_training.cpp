#include "tests/unit/random_training.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace nnc::tests {

int Choices::below(int n) {
  if (draws_) values_.push_back(static_cast<std::uint32_t>(random_() % static_cast<std::uint64_t>(n)));
  if (next_ >= values_.size()) return 0;
  return static_cast<int>(values_[next_++] % static_cast<std::uint32_t>(n));
}

namespace {

using Dims = std::vector<int>;  // without the batch

struct Variable {
  std::string name;
  Dims dims;
  bool used = false;
};

constexpr int most_elements = 400;  // of an example

constexpr const char* declarations = R"nn(
layer scaled(x: f32[..., D], start: f32 = 1.5) -> f32[..., D] {
  param gain: f32[D] = uniform(start)
  param shift: f32[D] = zeros()
  return x * gain + shift
}
layer residual(x: f32[..., D], units: int) -> f32[..., D] {
  h = tanh(linear(x, units) as inner)
  if training { h = h * 1.0 }
  return x + linear(h, D, bias = false) as outer
}
layer over_batch(x: f32[N, ...]) -> f32[N, ...] {
  m, v = moments(x, axis = 0, keepdim = true)
  return (x - m) * rsqrt(v + 0.1)
}
fn wave(x) = sin(2 * x) * cos(x)
fn bump(x) = exp(-x * x)
fn steep(x) = x * x / (1 + x * x)
optimizer smooth_lion(lr: f32 = 1e-2, beta: f32 = 0.9, weight_decay: f32 = 0) {
  state m = zeros()
  direction = tanh(10 * (beta * m + (1 - beta) * grad))
  m = 0.95 * m + 0.05 * grad
  param = (1 - lr * weight_decay) * param - lr * direction * step / (step + 1)
}
)nn";

class Generator {
 public:
  explicit Generator(Choices& choices) : choices_(choices) {}

  RandomTraining run() {
    add_data();
    const int statements = 1 + choices_.below(9);
    for (int i = 0; i < statements; ++i) add_statement();
    add_losses();
    add_optimizer();
    RandomTraining made;
    made.batch = 2 + choices_.below(6);
    made.last_batch = 2 + choices_.below(static_cast<int>(made.batch) - 1);
    made.source = fmt::format("hyper width = {}\n{}\ntrain {{\n{}  batch = {}\n  epochs = 2\n}}\n",
                              1 + choices_.below(9), declarations, body_, made.batch);
    return made;
  }

 private:
  static int elements(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), 1, std::multiplies<>()); }

  int extent() {
    static constexpr int extents[] = {3, 2, 4, 5, 8, 7, 1, 13, 16, 17, 20, 33};
    return extents[choices_.below(12)];
  }

  void line(const std::string& text) { body_ += "  " + text + "\n"; }

  void add_data() {
    Dims dims{extent()};
    while (dims.size() < 3 && choices_.below(3) != 0) dims.insert(dims.begin(), extent() % 6 + 1);
    const bool bytes = choices_.chance(4);
    line(fmt::format("data x: {}[{}], label: u8, goal: f32[4]", bytes ? "u8" : "f32", fmt::join(dims, ", ")));
    line(bytes ? "v0 = x / 255" : "v0 = x - 0.5");
    variables_.push_back({"v0", dims});
  }

  /// The last variable, or an earlier one.
  Variable& pick() {
    const auto count = static_cast<int>(variables_.size());
    Variable& chosen = variables_[static_cast<std::size_t>(count - 1 - choices_.below(count))];
    chosen.used = true;
    return chosen;
  }

  void define(const std::string& value, Dims dims) {
    const std::string name = fmt::format("v{}", ++names_);
    line(fmt::format("{} = {}", name, value));
    variables_.push_back({name, std::move(dims)});
  }

  std::string instance() { return fmt::format("p{}", ++instances_); }
  /// Of a variable with its batch: 1 is its first own dimension.
  int axis(const Dims& dims) { return 1 + choices_.below(static_cast<int>(dims.size())); }

  std::string units() { return choices_.chance(4) ? "width" : std::to_string(extent()); }

  void add_statement() {
    const Variable from = pick();
    const std::string& x = from.name;
    const Dims dims = from.dims;
    const int last = dims.back();
    switch (choices_.below(19)) {
      case 0: {
        static constexpr const char* functions[] = {
            "tanh", "relu",      "sigmoid",  "silu", "gelu",       "softplus",   "mish",
            "elu",  "hardswish", "softsign", "sin",  "cos",        "leaky_relu", "wave",
            "bump", "steep",     "erf",      "abs",  "logsigmoid", "hardtanh",   "selu"};
        return define(fmt::format("{}({})", functions[choices_.below(21)], x), dims);
      }
      case 1: {
        const int units = extent();
        Dims made = dims;
        made.back() = units;
        return define(
            fmt::format("linear({}, {}{}) as {}", x, units, choices_.chance(3) ? ", bias = false" : "", instance()),
            std::move(made));
      }
      case 2: return add_binary(x, dims);
      case 3: {
        static constexpr const char* norms[] = {"layer_norm({}, eps = 0.1) as {}", "rms_norm({}, eps = 0.1) as {}",
                                                "scaled({}) as {}", "over_batch({}) as {}",
                                                "residual({}, width) as {}"};
        return define(fmt::format(fmt::runtime(norms[choices_.below(5)]), x, instance()), dims);
      }
      case 4:
        return define(fmt::format("{}({}, axis = {})", choices_.chance(2) ? "log_softmax" : "softmax", x, axis(dims)),
                      dims);
      case 5: {
        static constexpr const char* reductions[] = {"mean", "sum", "max", "min"};
        const char* name = reductions[choices_.below(4)];
        const int a = axis(dims);
        if (choices_.chance(2) || dims.size() == 1)
          return define(fmt::format("{0} - 0.5 * {1}({0}, axis = {2}, keepdim = true)", x, name, a), dims);
        Dims made = dims;
        made.erase(made.begin() + a - 1);
        return define(fmt::format("tanh({}({}, axis = {}))", name, x, a), std::move(made));
      }
      case 6: {
        if (dims.size() > 1 || last % 2 != 0) return define(fmt::format("flatten({}, start = 1)", x), {elements(dims)});
        return define(fmt::format("reshape({}, [B, 2, {}])", x, last / 2), {2, last / 2});
      }
      case 7: {
        std::vector<int> order(dims.size());
        std::iota(order.begin(), order.end(), 1);
        for (std::size_t i = order.size(); i-- > 1;)
          std::swap(order[i], order[static_cast<std::size_t>(choices_.below(static_cast<int>(i) + 1))]);
        Dims made;
        for (const int d : order) made.push_back(dims[static_cast<std::size_t>(d - 1)]);
        return define(fmt::format("permute({}, [0, {}])", x, fmt::join(order, ", ")), std::move(made));
      }
      case 8: {
        const int start = choices_.below(last), stop = start + 1 + choices_.below(last - start);
        Dims made = dims;
        made.back() = stop - start;
        std::string colons;
        for (std::size_t i = 0; i < dims.size(); ++i) colons += ":, ";
        return define(fmt::format("{}[{}{}:{}]", x, colons, start, stop), std::move(made));
      }
      case 9: return define(fmt::format("dropout({}, p = 0.2)", x), dims);
      case 10: {
        line(fmt::format("v{} = {}", ++names_, x));
        const std::string name = fmt::format("v{}", names_), instances = instance();
        line(fmt::format("for i in 0..{} {{ {} = tanh(linear({}, {}) as {}[i]) }}", 1 + choices_.below(3), name, name,
                         last, instances));
        variables_.push_back({name, dims});
        return;
      }
      case 11: {
        if (dims.size() < 2)
          return define(fmt::format("unsqueeze({0}, 2) * unsqueeze({0}, 1)", x), Dims{dims[0], dims[0]});
        Dims made = dims;
        made.back() = dims[dims.size() - 2];
        return define(fmt::format("0.3 * ({0} @ {0}.mT)", x), std::move(made));
      }
      case 12: return define(fmt::format("where({0} > 0.1, {0}, 0.5 * {0})", x), dims);
      case 13: return define(fmt::format("if training then {0} * 0.5 else {0} * 0.25", x), dims);
      case 14: return define(fmt::format("{0} - 0.5 * stop_gradient({0})", x), dims);
      case 15: return define(fmt::format("{}[:, none]", x), with_front(dims));
      case 16:
        // A causal mask over the last two dimensions, as attention has it.
        if (dims.size() < 2) return define(fmt::format("log(1 + exp({}))", x), dims);
        return define(fmt::format("softmax(where(iota({}) <= unsqueeze(iota({}), 1), {}, -1e30))", last,
                                  dims[dims.size() - 2], x),
                      dims);
      case 17: return define(fmt::format("rsqrt(1 + {0} * {0}) ^ 3", x), dims);
      default: return define(fmt::format("maximum(minimum({0}, 0.7), -0.7) * width / (width + 1)", x), dims);
    }
  }

  static Dims with_front(Dims dims) {
    dims.insert(dims.begin(), 1);
    return dims;
  }

  void add_binary(const std::string& x, const Dims& dims) {
    static constexpr const char* forms[] = {"{} + {}",          "{} * {}",         "{} - {}",
                                            "maximum({}, {})",  "minimum({}, {})", "{} / (2 + tanh({}))",
                                            "0.5 * {} + 2 * {}"};
    for (int attempt = 0; attempt < 3; ++attempt) {
      Variable& other = variables_[static_cast<std::size_t>(choices_.below(static_cast<int>(variables_.size())))];
      if (other.name == x || other.dims != dims) continue;
      other.used = true;
      return define(fmt::format(fmt::runtime(forms[choices_.below(7)]), x, other.name), dims);
    }
    define(fmt::format(fmt::runtime(forms[choices_.below(7)]), x, "cos(" + x + ")"), dims);
  }

  void add_losses() {
    const Variable& last = variables_.back();
    variables_.back().used = true;
    const std::string flat = fmt::format("flatten({}, start = 1)", last.name);
    switch (choices_.below(5)) {
      case 0: line(fmt::format("loss mse(linear({}, 4) as head, goal)", flat)); break;
      case 1:
        line(fmt::format("scores = linear({}, 5) as head", flat));
        line(fmt::format("loss cross_entropy(scores, label{})", choices_.chance(3) ? ", label_smoothing = 0.1" : ""));
        line("metric accuracy = mean(argmax(scores, axis = -1) == label)");
        break;
      case 2: line(fmt::format("loss huber(linear({}, 4) as head, goal, delta = 0.5)", flat)); break;
      case 3: line(fmt::format("loss bce_with_logits(linear({}, 4) as head, goal)", flat)); break;
      default:
        line(fmt::format("out = linear({}, 4) as head", flat));
        line("loss sum(sqrt(1 + (out - goal) ^ 2)) / B");
        line("metric off = mean(abs(out - goal))");
    }
    for (const Variable& variable : variables_)
      if (!variable.used) line(fmt::format("loss 0.5 * mean({0} * {0} / (1 + {0} * {0}))", variable.name));
  }

  void add_optimizer() {
    static constexpr const char* rates[] = {"0.1", "cosine(0.1, warmup = 2)", "step_decay(0.1, every = 2)",
                                            "exponential(0.1, factor = 0.9)"};
    const char* rate = rates[choices_.below(4)];
    static constexpr const char* optimizers[] = {"sgd(lr = {})",
                                                 "sgd(lr = {}, momentum = 0.9, weight_decay = 0.01)",
                                                 "sgd(lr = {}, momentum = 0.9, nesterov = true)",
                                                 "adam(lr = {}, eps = 0.1)",
                                                 "adamw(lr = {}, eps = 0.1)",
                                                 "rmsprop(lr = {}, eps = 0.1)",
                                                 "smooth_lion(lr = {}, weight_decay = 0.01)",
                                                 "adagrad(lr = {}, eps = 0.1)"};
    line("optimizer " + fmt::format(fmt::runtime(optimizers[choices_.below(8)]), rate));
    switch (choices_.below(5)) {
      case 0: break;
      case 1: line("group head { weight_decay = 0.1 }"); break;
      case 2: line("group head.bias { lr = 0.01; weight_decay = 0 }"); break;
      case 3: line("group head.bias { frozen = true }"); break;
      default: line("group bias { lr = 0.2 }");
    }
    if (choices_.chance(3)) line(fmt::format("clip_norm = {}", choices_.chance(2) ? "0.05" : "10.0"));
  }

  Choices& choices_;
  std::vector<Variable> variables_;
  std::string body_;
  int names_ = 0, instances_ = 0;
};

}  // namespace

RandomTraining random_training(Choices& choices) { return Generator(choices).run(); }

// Leave out shorter and shorter stretches, then make single choices smaller.
std::vector<std::uint32_t> shrink(std::vector<std::uint32_t> choices,
                                  const std::function<bool(const std::vector<std::uint32_t>&)>& fails) {
  const auto try_to = [&](std::vector<std::uint32_t> simpler) {
    if (!fails(simpler)) return false;
    choices = std::move(simpler);
    return true;
  };
  for (std::size_t length = choices.size() / 2; length > 0; length /= 2) {
    for (std::size_t at = 0; at + length <= choices.size();) {
      std::vector<std::uint32_t> shorter = choices;
      const auto first = shorter.begin() + static_cast<std::ptrdiff_t>(at);
      shorter.erase(first, first + static_cast<std::ptrdiff_t>(length));
      if (!try_to(std::move(shorter))) at += length;
    }
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    for (const std::uint32_t smaller : {0U, choices[i] / 2}) {
      if (smaller >= choices[i]) continue;
      std::vector<std::uint32_t> simpler = choices;
      simpler[i] = smaller;
      if (try_to(std::move(simpler))) break;
    }
  }
  return choices;
}

}  // namespace nnc::tests
