#include "tests/unit/random_statements.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace nnc::tests {

namespace {

constexpr int most_elements = 400;  // of an example

class Statement {
 public:
  Statement(Choices& choices, RandomBody& body)
      : choices_(choices), body_(body), variables_(body.variables), names_(body.names) {}

  void add() {
    const Variable from = pick();
    const std::string& x = from.name;
    const Dims dims = from.dims;
    const int last = dims.back();
    switch (choices_.below(34)) {
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
      case 18: return add_rows(x, dims);
      case 19: return add_by_label(x, dims);
      case 20: return add_joined(x, dims);
      case 21: return add_ordered(x, dims);
      case 22: return add_steps(x, dims);
      case 23: return add_padded(x, dims);
      case 24:
      case 25: return add_scan(x, dims);
      case 26: return add_recurrent(x, dims);
      case 27: return add_convolution(x, dims);
      case 28: return add_pooling(x, dims);
      case 29: return add_channel_norm(x, dims);
      case 30: return add_attention(x, dims);
      case 31: return add_shared(x, dims);
      case 32: return add_gated(x, dims);
      default: return define(fmt::format("maximum(minimum({0}, 0.7), -0.7) * width / (width + 1)", x), dims);
    }
  }

 private:
  static int elements(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), 1, std::multiplies<>()); }

  int extent() { return random_extent(choices_); }
  void line(const std::string& text) { body_.line(text); }

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

  std::string instance() { return fmt::format("p{}", ++body_.instances); }
  /// Of a variable with its batch: 1 is its first own dimension.
  int axis(const Dims& dims) { return 1 + choices_.below(static_cast<int>(dims.size())); }

  std::string units() { return choices_.chance(4) ? "width" : std::to_string(extent()); }

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

  /// The axis a of a tensor with its batch, among others that are left as they are.
  static std::string along(int a, const std::string& subscript) {
    std::string text;
    for (int i = 0; i < a; ++i) text += ":, ";
    return text + subscript;
  }
  std::string other(const std::string& x) { return choices_.chance(2) ? fmt::format("tanh({})", x) : x; }

  void add_rows(const std::string& x, Dims dims) {
    const int a = axis(dims);
    int& extent = dims[static_cast<std::size_t>(a) - 1];
    const int count = 1 + choices_.below(extent);
    const char* rows[] = {"iota({0})", "{1} - iota({0})", "{1} - maximum(iota({0}) - 1, 0)",
                          "i32({1} * (iota({0}) > 1))"};
    const std::string index = fmt::format(fmt::runtime(rows[choices_.below(4)]), count, extent - 1);
    extent = count;
    define(fmt::format("take({}, {}, axis = {})", x, index, a), dims);
  }

  void add_by_label(const std::string& x, Dims dims) {
    const std::string ones = fmt::format("{}", fmt::join(std::vector<std::string>(dims.size(), ", 1"), ""));
    switch (choices_.below(4)) {
      case 0:
        return define(fmt::format("{0} + reshape(embedding(i32(label), {4}, {1}) as {2}, [B{3}, {1}])", x, dims.back(),
                                  instance(), ones.substr(3), choices_.below(2) == 0 ? 5 : 50),
                      dims);
      case 1:
        return define(fmt::format("one_hot(label, 5) * mean(flatten({}, start = 1), axis = 1, keepdim = true)", x),
                      {5});
      case 2: {
        const int a = axis(dims);
        int& extent = dims[static_cast<std::size_t>(a) - 1];
        const std::string index = fmt::format("reshape(minimum(i32(label), {}), [B{}])", extent - 1, ones);
        extent = 1;
        return define(fmt::format("gather({}, {}, axis = {})", x, index, a), dims);
      }
      default: return define(fmt::format("where(reshape(label, [B{0}]) > 2, {1}, -0.5 * {1})", ones, x), dims);
    }
  }

  void add_joined(const std::string& x, Dims dims) {
    if (elements(dims) > most_elements) return define(fmt::format("wave({})", x), dims);
    const int a = axis(dims);
    int& extent = dims[static_cast<std::size_t>(a) - 1];
    const std::string y = other(x);
    switch (choices_.below(3)) {
      case 0: extent *= 2; return define(fmt::format("concat([{}, {}], axis = {})", x, y, a), dims);
      case 1:
        dims.insert(dims.begin() + a - 1, 2);
        return define(fmt::format("stack([{}, {}], axis = {})", y, x, a), dims);
      default: {
        std::vector<int> times(dims.size(), 1);
        times[static_cast<std::size_t>(a) - 1] = 2;
        extent *= 2;
        return define(fmt::format("repeat({}, [1, {}])", x, fmt::join(times, ", ")), dims);
      }
    }
  }

  void add_ordered(const std::string& x, Dims dims) {
    const int a = axis(dims);
    int& extent = dims[static_cast<std::size_t>(a) - 1];
    switch (choices_.below(4)) {
      case 0: return define(fmt::format("0.3 * cumsum({}, axis = {})", x, a), dims);
      case 1: {
        line(fmt::format("v{}, _ = sort({}, axis = {}{})", ++names_, x, a,
                         choices_.chance(2) ? ", descending = true" : ""));
        break;
      }
      case 2: {
        extent = 1 + choices_.below(extent);
        line(fmt::format("v{}, _ = top_k({}, {}, axis = {})", ++names_, x, extent, a));
        break;
      }
      default: return define(fmt::format("{0} * prod(1 + 0.1 * {0}, axis = {1}, keepdim = true)", x, a), dims);
    }
    variables_.push_back({fmt::format("v{}", names_), dims});
  }

  void add_steps(const std::string& x, Dims dims) {
    const int a = axis(dims);
    int& extent = dims[static_cast<std::size_t>(a) - 1];
    const int step = 1 + choices_.below(3), start = choices_.below(extent);
    if (choices_.chance(2)) {
      const std::string subscript = along(a, fmt::format("{}::-{}", start, step));
      extent = start / step + 1;
      return define(fmt::format("{}[{}]", x, subscript), dims);
    }
    const std::string subscript = along(a, fmt::format("{}::{}", start - extent, step));
    extent = (extent - start + step - 1) / step;
    define(fmt::format("{}[{}]", x, subscript), dims);
  }

  void add_padded(const std::string& x, Dims dims) {
    if (elements(dims) > most_elements) return define(fmt::format("bump({})", x), dims);
    std::vector<int> low{0}, high{0};
    for (int& extent : dims) {
      low.push_back(choices_.below(3));
      high.push_back(choices_.below(3));
      extent += low.back() + high.back();
    }
    define(fmt::format("pad({}, [{}], [{}])", x, fmt::join(low, ", "), fmt::join(high, ", ")), dims);
  }

  /// Over the first dimension of two or more; the result has the time where it was, or is the last carry.
  void add_scan(const std::string& x, Dims dims) {
    if (dims.size() < 2) return define(fmt::format("steep({})", x), dims);
    const int steps = dims[0], first = choices_.below(steps > 2 ? 2 : 1);
    const Dims row(dims.begin() + 1, dims.end());
    const int n = ++names_;
    const std::string start = fmt::format("zeros([B, {}])", fmt::join(row, ", "));
    static constexpr const char* reads[] = {"{0}[:, t]", "take({0}, {1} - t, axis = 1)",
                                            "{0}[:, t] * take({0}, {1} - t, axis = 1)"};
    const std::string read = fmt::format(fmt::runtime(reads[choices_.below(3)]), x, steps - 1);
    static constexpr const char* bodies[] = {"c{0} = tanh(0.5 * c{0} + {1})",
                                             "c{0} = cell({1}, c{0}) as {2}",
                                             "old = c{0}; c{0} = 0.5 * d{0} + {1}; d{0} = tanh(old)",
                                             "c{0} = c{0} * sigmoid({1}) + dropout({1}, p = 0.2)",
                                             "r = {1}; scan s in 0..3 carry e = c{0} {{ e = sin(e + r) }}; c{0} = e",
                                             "c{0} = where(t < 1, {1}, c{0} + 0.3 * (linear({1}, {3}) as {2}))",
                                             "c{0} = 0.5 * c{0} + softmax({1} + f32(t))"};
    const int body = choices_.below(7);
    const std::string text = fmt::format(fmt::runtime(bodies[body]), n, read, instance(), row.back());
    const bool yields = choices_.chance(2);
    line(fmt::format("{}scan t in {}..{} carry c{} = {}, d{} = {} {{ {}{} }}", yields ? fmt::format("y{} = ", n) : "",
                     first, steps, n, start, n, choices_.chance(2) ? start : "0.5 * " + x + "[:, 0]", text,
                     yields ? fmt::format("; yield c{} - {}", n, read) : ""));
    if (!yields) {
      line(fmt::format("v{0} = c{0} + d{0}", n));
      variables_.push_back({fmt::format("v{}", n), row});
      return;
    }
    std::vector<int> order{1, 0};
    for (std::size_t i = 2; i <= dims.size(); ++i) order.push_back(static_cast<int>(i));
    line(fmt::format("v{0} = permute(y{0}, [{1}]) * 0.5", n, fmt::join(order, ", ")));
    dims[0] = steps - first;
    variables_.push_back({fmt::format("v{}", n), dims});
  }

  void add_recurrent(const std::string& x, Dims dims) {
    if (dims.size() != 2) return define(fmt::format("softsign({})", x), dims);
    const int units = 1 + choices_.below(6), layers = 1 + choices_.below(2);
    const bool both = choices_.chance(2);
    const int kind = choices_.below(3);
    static constexpr const char* kinds[] = {"rnn", "gru", "lstm"};
    const int n = ++names_;
    line(fmt::format("v{0}, h{0}{1} = {2}({3}, {4}, layers = {5}, bidirectional = {6}{7}) as {8}", n,
                     kind == 2 ? fmt::format(", c{}", n) : "", kinds[kind], x, units, layers, both,
                     choices_.chance(3) ? ", dropout = 0.2" : "", instance()));
    variables_.push_back({fmt::format("v{}", n), {dims[0], units * (both ? 2 : 1)}});
    line(fmt::format("loss 0.1 * mean(h{0} * h{0})", n));
  }

  /// The convolutions and pools of so many spatial dimensions; others see what there is as one channel or as a row.
  std::string as_image(const std::string& x, Dims& dims) {
    if (dims.size() == 2 || dims.size() == 3) return x;
    const Dims flat{1, elements(dims)};
    dims = flat;
    return fmt::format("reshape({}, [B, {}])", x, fmt::join(flat, ", "));
  }

  void add_convolution(const std::string& x, Dims dims) {
    const std::string image = as_image(x, dims);
    const auto spatial = static_cast<int>(dims.size()) - 1;
    const int groups = choices_.chance(3) ? dims[0] : 1, channels = groups * (1 + choices_.below(groups > 1 ? 2 : 8));
    const int stride = 1 + choices_.below(2), padding = choices_.below(2);
    std::vector<int> kernel;
    for (int i = 1; i <= spatial; ++i) {
      int& extent = dims[static_cast<std::size_t>(i)];
      kernel.push_back(1 + choices_.below(std::min(3, extent + 2 * padding)));
      extent = (extent + 2 * padding - kernel.back()) / stride + 1;
    }
    dims[0] = channels;
    define(fmt::format("conv{}d({}, {}, [{}], stride = {}, padding = {}, groups = {}) as {}", spatial, image, channels,
                       fmt::join(kernel, ", "), stride, padding, groups, instance()),
           dims);
  }

  void add_pooling(const std::string& x, Dims dims) {
    const std::string image = as_image(x, dims);
    const auto spatial = static_cast<int>(dims.size()) - 1;
    if (choices_.chance(4)) return define(fmt::format("global_avg_pool({})", image), {dims[0]});
    const int stride = 1 + choices_.below(2);
    std::vector<int> kernel, padding;
    for (int i = 1; i <= spatial; ++i) {
      int& extent = dims[static_cast<std::size_t>(i)];
      kernel.push_back(1 + choices_.below(std::min(3, extent)));
      padding.push_back(choices_.below(kernel.back() / 2 + 1));
      extent = (extent + 2 * padding.back() - kernel.back()) / stride + 1;
    }
    define(fmt::format("{}_pool{}d({}, [{}], stride = {}, padding = [{}])", choices_.chance(2) ? "max" : "avg", spatial,
                       image, fmt::join(kernel, ", "), stride, fmt::join(padding, ", ")),
           dims);
  }

  void add_channel_norm(const std::string& x, const Dims& dims) {
    static constexpr const char* norms[] = {"batch_norm({}, eps = 0.1) as {}", "group_norm({}, 1, eps = 0.1) as {}",
                                            "instance_norm({}, eps = 0.1, affine = true) as {}", "centred({}) as {}"};
    define(fmt::format(fmt::runtime(norms[choices_.below(4)]), x, instance()), dims);
  }

  void add_attention(const std::string& x, const Dims& dims) {
    if (dims.size() != 2) return define(fmt::format("rsqrt(1 + {0} * {0})", x), dims);
    const int heads = dims[1] % 2 == 0 ? 1 + choices_.below(2) : 1;
    if (choices_.chance(3))
      return define(
          fmt::format("transformer_encoder_layer({}, {}, feedforward = 5, eps = 0.1) as {}", x, heads, instance()),
          dims);
    define(fmt::format("multi_head_attention({}, {}, causal = {}) as {}", x, heads, choices_.chance(2), instance()),
           dims);
  }

  void add_shared(const std::string& x, Dims dims) {
    const std::string layer = instance();
    const int n = ++names_;
    dims.back() = extent();
    line(fmt::format("a{} = linear({}, {}) as share {}", n, x, dims.back(), layer));
    line(fmt::format("v{0} = a{0} * (linear(sin({1}), {2}) as share {3})", n, x, dims.back(), layer));
    variables_.push_back({fmt::format("v{}", n), dims});
  }

  void add_gated(const std::string& x, Dims dims) {
    const int a = axis(dims);
    int& extent = dims[static_cast<std::size_t>(a) - 1];
    if (extent % 2 != 0) return define(fmt::format("prelu({}) as {}", x, instance()), dims);
    extent /= 2;
    if (choices_.chance(2)) return define(fmt::format("glu({}, axis = {})", x, a), dims);
    const int n = ++names_;
    line(fmt::format("a{0}, b{0} = chunk({1}, 2, axis = {2})", n, x, a));
    line(fmt::format("v{0} = a{0} - tanh(b{0})", n));
    variables_.push_back({fmt::format("v{}", n), dims});
  }

  Choices& choices_;
  RandomBody& body_;
  std::vector<Variable>& variables_;
  int& names_;
};

}  // namespace

const char* const own_declarations = R"nn(
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
layer centred(x: f32[N, D, ...]) -> f32[N, D, ...] {
  state mean_so_far: f32[D] = zeros()
  m = mean_so_far
  if training {
    m = 0.5 * m + 0.5 * mean(axis_last(x, 1), axis = [0] + (if rank(x) > 2 then [1] else []) + (if rank(x) > 3 then [2] else []) + (if rank(x) > 4 then [3] else []))
    mean_so_far = m
  }
  return x - along_axis(m, 1, rank(x))
}
layer cell(x: f32[N, ..., D], h: f32[N, ..., D]) -> f32[N, ..., D] {
  return tanh((linear(x, D) as input) + (linear(h, D, bias = false) as inner))
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

int random_extent(Choices& choices) {
  static constexpr int extents[] = {3, 2, 4, 5, 8, 7, 1, 13, 16, 17, 20, 33};
  return extents[choices.below(12)];
}

void add_statement(Choices& choices, RandomBody& body) { Statement(choices, body).add(); }

}  // namespace nnc::tests
