#include "tests/unit/random_training.h"

#include "tests/unit/random_statements.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nnc::tests {

namespace {

class Generator {
 public:
  explicit Generator(Choices& choices) : choices_(choices) {}

  RandomTraining run() {
    add_data();
    const int statements = 1 + choices_.below(9);
    for (int i = 0; i < statements; ++i) add_statement(choices_, body_);
    add_losses();
    add_optimizer();
    RandomTraining made;
    made.batch = 1 + choices_.below(7);
    made.last_batch = 1 + choices_.below(static_cast<int>(made.batch));
    made.source = fmt::format("hyper width = {}\n{}\ntrain {{\n{}  batch = {}\n  epochs = 2\n}}\n",
                              1 + choices_.below(9), own_declarations, body_.text, made.batch);
    return made;
  }

 private:
  void add_data() {
    Dims dims{random_extent(choices_)};
    while (dims.size() < 3 && choices_.below(3) != 0) dims.insert(dims.begin(), random_extent(choices_) % 6 + 1);
    const bool bytes = choices_.chance(4);
    body_.line(fmt::format("data x: {}[{}], label: u8, goal: f32[4]", bytes ? "u8" : "f32", fmt::join(dims, ", ")));
    body_.line(bytes ? "v0 = x / 255" : "v0 = x - 0.5");
    body_.variables.push_back({"v0", dims});
  }

  void add_losses() {
    const Variable& last = body_.variables.back();
    body_.variables.back().used = true;
    const std::string flat = fmt::format("flatten({}, start = 1)", last.name);
    switch (choices_.below(5)) {
      case 0: body_.line(fmt::format("loss mse(linear({}, 4) as head, goal)", flat)); break;
      case 1:
        body_.line(fmt::format("scores = linear({}, 5) as head", flat));
        body_.line(
            fmt::format("loss cross_entropy(scores, label{})", choices_.chance(3) ? ", label_smoothing = 0.1" : ""));
        body_.line("metric accuracy = mean(argmax(scores, axis = -1) == label)");
        break;
      case 2: body_.line(fmt::format("loss huber(linear({}, 4) as head, goal, delta = 0.5)", flat)); break;
      case 3: body_.line(fmt::format("loss bce_with_logits(linear({}, 4) as head, goal)", flat)); break;
      default:
        body_.line(fmt::format("out = linear({}, 4) as head", flat));
        body_.line("loss sum(sqrt(1 + (out - goal) ^ 2)) / B");
        body_.line("metric off = mean(abs(out - goal))");
    }
    for (const Variable& variable : body_.variables)
      if (!variable.used) body_.line(fmt::format("loss 0.5 * mean({0} * {0} / (1 + {0} * {0}))", variable.name));
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
    body_.line("optimizer " + fmt::format(fmt::runtime(optimizers[choices_.below(8)]), rate));
    switch (choices_.below(5)) {
      case 0: break;
      case 1: body_.line("group head { weight_decay = 0.1 }"); break;
      case 2: body_.line("group head.bias { lr = 0.01; weight_decay = 0 }"); break;
      case 3: body_.line("group head.bias { frozen = true }"); break;
      default: body_.line("group bias { lr = 0.2 }");
    }
    if (choices_.chance(3)) body_.line(fmt::format("clip_norm = {}", choices_.chance(2) ? "0.05" : "10.0"));
  }

  Choices& choices_;
  RandomBody body_;
};

}  // namespace

RandomTraining random_training(Choices& choices) { return Generator(choices).run(); }

}  // namespace nnc::tests
