"""The models in PyTorch. Variants: eager, compile; with `-channels_last`, images in that format."""
import side
import torch
from torch import nn
from torch.nn import functional as F


class Cnn(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, 2 * width, 5, padding=2)
        self.fc1 = nn.Linear(2 * width * 7 * 7, 512)
        self.fc2 = nn.Linear(512, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class ConvBn(nn.Module):
    def __init__(self, inputs, outputs, kernel=3, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a = ConvBn(inputs, outputs, stride=stride)
        self.b = ConvBn(outputs, outputs)
        if stride != 1 or inputs != outputs:
            self.shortcut = ConvBn(inputs, outputs, kernel=1, stride=stride)

    def forward(self, x):
        y = self.b(F.relu(self.a(x)))
        return F.relu(y + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class ResNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = ConvBn(3, width)
        self.stage = nn.ModuleList()
        inputs = width
        for s in range(3):
            outputs, blocks = width * 2 ** s, []
            for i in range(3):
                blocks.append(Residual(inputs, outputs, 2 if i == 0 and s > 0 else 1))
                inputs = outputs
            self.stage.append(nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for blocks in self.stage:
            x = blocks(x)
        return self.fc(x.mean((2, 3)))


class Lstm(nn.Module):
    def __init__(self, vocab, context, embed, units):
        super().__init__()
        self.embed = nn.Embedding(vocab, embed)
        self.rnn = nn.LSTM(embed, units, batch_first=True)
        self.out = nn.Linear(units, vocab)

    def forward(self, x):
        return self.out(self.rnn(self.embed(x))[0])


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (part.view(n, t, self.heads, width // self.heads).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(n, t, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.fc2(F.gelu(self.fc1(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocab, context, width, heads, layers):
        super().__init__()
        self.wte = nn.Embedding(vocab, width)
        self.wpe = nn.Embedding(context, width)
        self.h = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)

    def forward(self, x):
        x = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        return F.linear(self.ln_f(self.h(x)), self.wte.weight)


class Perceptron(nn.Module):
    """Three linear layers with that function between them."""

    def __init__(self, widths, activation):
        super().__init__()
        self.activation = activation
        self.fc1, self.fc2, self.fc3 = (nn.Linear(i, o) for i, o in zip(widths, widths[1:]))

    def forward(self, x):
        return self.fc3(self.activation(self.fc2(self.activation(self.fc1(x)))))


def cross_entropy(scores, labels):
    return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), labels.reshape(-1))


def adam(parameters):
    return torch.optim.Adam(parameters, 1e-3, fused=True)


def adamw(parameters):
    return torch.optim.AdamW(parameters, 3e-4, weight_decay=0.1, fused=True)


def momentum(parameters):
    return torch.optim.SGD(parameters, 0.05, momentum=0.9, weight_decay=5e-4, fused=True)


def sgd(parameters):
    return torch.optim.SGD(parameters, 0.01, fused=True)


# By model: the network of these hypers, its input and target, the loss, the optimizer.
TWINS = {
    "tiny": (lambda: Perceptron((16, 64, 64, 1), torch.tanh), "x", "y", F.mse_loss, sgd),
    "mlp": (lambda width, hidden: Perceptron((784, width, hidden, 10), F.relu), "x", "label", cross_entropy, adam),
    "cnn": (Cnn, "image", "label", cross_entropy, momentum),
    "resnet20": (ResNet, "image", "label", cross_entropy, momentum),
    "lstm": (Lstm, "text", "next", cross_entropy, adam),
    "gpt": (Gpt, "text", "next", cross_entropy, adamw),
}


def train(job):
    torch.set_num_threads(job.threads)
    network_of, given, wanted, loss_of, optimizer_of = TWINS[job.model]
    network = network_of(**job.hyper)
    weights = {name: torch.tensor(value) for name, value in job.weights.items()}
    missing = network.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all(key.endswith("num_batches_tracked") for key in missing.missing_keys), missing
    del weights
    job.weights = None
    channels_last = job.variant.endswith("-channels_last")
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(network.parameters())

    def tensors(batch):
        x, y = torch.tensor(batch[given]), torch.tensor(batch[wanted])
        x = x.to(memory_format=torch.channels_last) if channels_last else x if x.is_floating_point() else x.long()
        return x, y if y.is_floating_point() else y.long()

    batches = [tensors(batch) for batch in job.batches]
    forward = lambda x, y: loss_of(network(x), y)
    if job.variant.startswith("compile"):
        forward = torch.compile(forward)

    def step(i):
        loss = forward(*batches[i])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


if __name__ == "__main__":
    side.main(train)
