"""The models in TensorFlow, with its fused optimizers. Variants: graph, xla."""
import channels_last
import side
import tensorflow as tf


def linear(p, name, x):
    """On all rows at once: a product of more than two dimensions would be one for each example."""
    y = tf.nn.bias_add(tf.reshape(x, [-1, x.shape[-1]]) @ p[f"{name}.weight"], p[f"{name}.bias"])
    return tf.reshape(y, [*x.shape[:-1], y.shape[-1]])


def convolution(x, filters, stride=1):
    pad = (filters.shape[0] - 1) // 2
    padding = "SAME" if stride == 1 else [[0, 0], [pad, pad], [pad, pad], [0, 0]]
    return tf.nn.conv2d(x, filters, stride, padding)


def layer_norm(p, name, x):
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, p[f"{name}.bias"], p[f"{name}.weight"], 1e-5)


def cnn(p, x, width):
    for name in ("conv1", "conv2"):
        x = tf.nn.relu(tf.nn.bias_add(convolution(x, p[f"{name}.weight"]), p[f"{name}.bias"]))
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    return linear(p, "fc2", tf.nn.relu(linear(p, "fc1", tf.reshape(x, [x.shape[0], -1]))))


def resnet(p, x, width):
    def conv_bn(name, x, stride=1):
        y = convolution(x, p[f"{name}.conv.weight"], stride)
        return tf.compat.v1.nn.fused_batch_norm(y, p[f"{name}.bn.weight"], p[f"{name}.bn.bias"], epsilon=1e-5)[0]

    x = tf.nn.relu(conv_bn("stem", x))
    for s in range(3):
        for i in range(3):
            name, stride = f"stage.{s}.{i}", 2 if i == 0 and s > 0 else 1
            y = conv_bn(f"{name}.b", tf.nn.relu(conv_bn(f"{name}.a", x, stride)))
            x = conv_bn(f"{name}.shortcut", x, stride) if f"{name}.shortcut.conv.weight" in p else x
            x = tf.nn.relu(y + x)
    return linear(p, "fc", tf.reduce_mean(x, [1, 2]))


def lstm(p, x, vocab, context, embed, units):
    n, t = x.shape
    rows = tf.reshape(tf.gather(p["embed.weight"], tf.transpose(x)), [t * n, embed])
    z = rows @ p["rnn.weight_ih_l0"] + (p["rnn.bias_ih_l0"] + p["rnn.bias_hh_l0"])
    h = c = tf.zeros([n, units])
    hs = []
    for of_step in tf.split(z, t):
        i, f, g, o = tf.split(of_step + h @ p["rnn.weight_hh_l0"], 4, -1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        hs.append(h)
    return linear(p, "out", tf.stack(hs, axis=1))


def gpt(p, x, vocab, context, width, heads, layers):
    n, t = x.shape
    visible = tf.linalg.band_part(tf.ones([t, t]), -1, 0) > 0

    def split_heads(x):
        return tf.transpose(tf.reshape(x, [n, t, heads, width // heads]), [0, 2, 1, 3])

    x = tf.gather(p["wte.weight"], x) + p["wpe.weight"]
    for i in range(layers):
        q, k, v = map(split_heads, tf.split(linear(p, f"h.{i}.attn.qkv", layer_norm(p, f"h.{i}.ln_1", x)), 3, -1))
        scores = tf.matmul(q, k, transpose_b=True) / (width // heads) ** 0.5
        y = tf.nn.softmax(tf.where(visible, scores, float("-inf"))) @ v
        x = x + linear(p, f"h.{i}.attn.proj", tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [n, t, width]))
        y = tf.nn.gelu(linear(p, f"h.{i}.fc1", layer_norm(p, f"h.{i}.ln_2", x)), approximate=True)
        x = x + linear(p, f"h.{i}.fc2", y)
    return tf.matmul(tf.reshape(layer_norm(p, "ln_f", x), [-1, width]), p["wte.weight"], transpose_b=True)


def mean_square(scores, y):
    return tf.reduce_mean((scores - y) ** 2)


def cross_entropy(scores, labels):
    scores, labels = tf.reshape(scores, [-1, scores.shape[-1]]), tf.reshape(labels, [-1])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))


class Sgd:
    def __init__(self, p):
        pass

    def update(self, p, gradients):
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyGradientDescent(var=p[name].handle, alpha=0.01, delta=gradient)


class Momentum:
    def __init__(self, p):
        self.buffers = {name: tf.Variable(tf.zeros_like(value)) for name, value in p.items()}

    def update(self, p, gradients):
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyMomentum(var=p[name].handle, accum=self.buffers[name].handle, lr=0.05,
                                             grad=gradient + 5e-4 * p[name], momentum=0.9)


class Adam:
    """With the weights decayed apart from the gradient, as AdamW does."""

    def __init__(self, p, rate=1e-3, decay=0.0):
        self.rate, self.decay = rate, decay
        self.means = {name: tf.Variable(tf.zeros_like(value)) for name, value in p.items()}
        self.squares = {name: tf.Variable(tf.zeros_like(value)) for name, value in p.items()}
        self.powers = tf.Variable(1.0), tf.Variable(1.0)

    def update(self, p, gradients):
        power1, power2 = self.powers[0] * 0.9, self.powers[1] * 0.999
        self.powers[0].assign(power1)
        self.powers[1].assign(power2)
        for name, gradient in gradients.items():
            if self.decay:
                p[name].assign_sub(self.rate * self.decay * p[name])
            # TensorFlow adds epsilon before it corrects the mean of squares.
            tf.raw_ops.ResourceApplyAdam(
                var=p[name].handle, m=self.means[name].handle, v=self.squares[name].handle, beta1_power=power1,
                beta2_power=power2, lr=self.rate, beta1=0.9, beta2=0.999, epsilon=1e-8 * tf.sqrt(1 - power2), grad=gradient)


# By model: scores of parameters, input and hypers; the loss; the optimizer.
TWINS = {
    "tiny": (side.perceptron(linear, tf.tanh), mean_square, Sgd),
    "mlp": (lambda p, x, width, hidden: side.perceptron(linear, tf.nn.relu)(p, x), cross_entropy, Adam),
    "cnn": (cnn, cross_entropy, Momentum),
    "resnet20": (resnet, cross_entropy, Momentum),
    "lstm": (lstm, cross_entropy, Adam),
    "gpt": (gpt, cross_entropy, lambda p: Adam(p, 3e-4, decay=0.1)),
}


def train(job):
    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    scores_of, loss_of, optimizer_of = TWINS[job.model]
    batches = [tuple(map(tf.constant, batch)) for batch in channels_last.batches_of(job)]
    p = {name: tf.Variable(value) for name, value in channels_last.weights_of(job).items()}
    optimizer = optimizer_of(p)

    @tf.function(jit_compile=job.variant == "xla")
    def update(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(scores_of(p, x, **job.hyper), y)
        gradients = tape.gradient(loss, p)
        optimizer.update(p, {name: tf.convert_to_tensor(gradient) for name, gradient in gradients.items()})
        return loss

    return lambda i: update(*batches[i]).numpy()


if __name__ == "__main__":
    side.main(train)
