"""The models in JAX, compiled, with the state donated. Variants: jit."""
import channels_last
import jax
import jax.numpy as jnp
import side
from jax import lax


def linear(p, name, x):
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def convolution(x, filters, stride=1):
    pad = (filters.shape[0] - 1) // 2
    return lax.conv_general_dilated(x, filters, (stride, stride), [(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def normalized(p, name, x, axes):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def cnn(p, x, width):
    for name in ("conv1", "conv2"):
        x = max_pool(jax.nn.relu(convolution(x, p[f"{name}.weight"]) + p[f"{name}.bias"]))
    return linear(p, "fc2", jax.nn.relu(linear(p, "fc1", x.reshape(x.shape[0], -1))))


def resnet(p, x, width):
    def conv_bn(name, x, stride=1):
        return normalized(p, f"{name}.bn", convolution(x, p[f"{name}.conv.weight"], stride), (0, 1, 2))

    x = jax.nn.relu(conv_bn("stem", x))
    for s in range(3):
        for i in range(3):
            name, stride = f"stage.{s}.{i}", 2 if i == 0 and s > 0 else 1
            y = conv_bn(f"{name}.b", jax.nn.relu(conv_bn(f"{name}.a", x, stride)))
            x = conv_bn(f"{name}.shortcut", x, stride) if f"{name}.shortcut.conv.weight" in p else x
            x = jax.nn.relu(y + x)
    return linear(p, "fc", x.mean((1, 2)))


def lstm(p, x, vocab, context, embed, units):
    z = p["embed.weight"][x] @ p["rnn.weight_ih_l0"] + p["rnn.bias_ih_l0"] + p["rnn.bias_hh_l0"]

    def cell(state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ p["rnn.weight_hh_l0"], 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[0], units))
    _, hs = lax.scan(cell, (zeros, zeros), z.transpose(1, 0, 2))
    return linear(p, "out", hs.transpose(1, 0, 2))


def gpt(p, x, vocab, context, width, heads, layers):
    n, t = x.shape
    visible = jnp.tril(jnp.ones((t, t), bool))

    def split_heads(x):
        return x.reshape(n, t, heads, width // heads).transpose(0, 2, 1, 3)

    x = p["wte.weight"][x] + p["wpe.weight"]
    for i in range(layers):
        q, k, v = map(split_heads, jnp.split(linear(p, f"h.{i}.attn.qkv", normalized(p, f"h.{i}.ln_1", x, -1)), 3, -1))
        scores = jnp.where(visible, q @ k.transpose(0, 1, 3, 2) / (width // heads) ** 0.5, -jnp.inf)
        y = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(n, t, width)
        x = x + linear(p, f"h.{i}.attn.proj", y)
        y = jax.nn.gelu(linear(p, f"h.{i}.fc1", normalized(p, f"h.{i}.ln_2", x, -1)), approximate=True)
        x = x + linear(p, f"h.{i}.fc2", y)
    return normalized(p, "ln_f", x, -1) @ p["wte.weight"].T


def mean_square(scores, y):
    return jnp.mean((scores - y) ** 2)


def cross_entropy(scores, labels):
    scores, labels = scores.reshape(-1, scores.shape[-1]), labels.reshape(-1)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1))


def each(function, *trees):
    return jax.tree_util.tree_map(function, *trees)


def zeros_like(p):
    return each(jnp.zeros_like, p)


class Sgd:
    @staticmethod
    def state(p):
        return ()

    @staticmethod
    def update(p, g, state):
        return each(lambda p, g: p - 0.01 * g, p, g), state


class Momentum:
    state = staticmethod(zeros_like)

    @staticmethod
    def update(p, g, state):
        state = each(lambda b, g, p: 0.9 * b + g + 5e-4 * p, state, g, p)
        return each(lambda p, b: p - 0.05 * b, p, state), state


class Adam:
    """With the weights decayed apart from the gradient, as AdamW does."""

    def __init__(self, rate, decay=0.0):
        self.rate, self.decay = rate, decay

    def state(self, p):
        return zeros_like(p), zeros_like(p), jnp.float32(0)

    def update(self, p, g, state):
        mean, square, t = state
        t = t + 1
        mean = each(lambda m, g: 0.9 * m + 0.1 * g, mean, g)
        square = each(lambda v, g: 0.999 * v + 0.001 * g * g, square, g)
        rate, scale = self.rate / (1 - 0.9 ** t), jnp.sqrt(1 - 0.999 ** t)
        p = each(lambda p, m, v: p - self.rate * self.decay * p - rate * m / (jnp.sqrt(v) / scale + 1e-8), p, mean, square)
        return p, (mean, square, t)


# By model: scores of parameters, input and hypers; the loss; the optimizer.
TWINS = {
    "tiny": (side.perceptron(linear, jnp.tanh), mean_square, Sgd()),
    "mlp": (lambda p, x, width, hidden: side.perceptron(linear, jax.nn.relu)(p, x), cross_entropy, Adam(1e-3)),
    "cnn": (cnn, cross_entropy, Momentum()),
    "resnet20": (resnet, cross_entropy, Momentum()),
    "lstm": (lstm, cross_entropy, Adam(1e-3)),
    "gpt": (gpt, cross_entropy, Adam(3e-4, decay=0.1)),
}


def train(job):
    scores_of, loss_of, optimizer = TWINS[job.model]
    batches = [tuple(map(jnp.asarray, batch)) for batch in channels_last.batches_of(job)]
    p = {name: jnp.array(value) for name, value in channels_last.weights_of(job).items()}
    state = [p, optimizer.state(p)]

    def update(p, state, x, y):
        loss, gradients = jax.value_and_grad(lambda p: loss_of(scores_of(p, x, **job.hyper), y))(p)
        return *optimizer.update(p, gradients, state), loss

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step(i):
        *state[:], loss = compiled(*state, *batches[i])
        jax.block_until_ready((state, loss))
        return loss

    return step


if __name__ == "__main__":
    side.main(train)
