"""What the twins of the programs have in common: what a case is, and short forms of PyTorch's constructors."""

from dataclasses import dataclass, field
from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn

FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
BREAST_CANCER = "examples/data/breast_cancer.csv"
# 80 examples of 36 normal numbers and a label below 4: all batches of 8 are full, so that one graph serves them.
NORMAL = "tests/parity/data/normal.csv"
# 40 images of 28 x 28 bytes and a label below 10, in IDX files.
IMAGES = "tests/parity/data/images"
# 12 colour images of 32 x 32 and a label below 10, in CIFAR-10's binary form.
COLOURS = "tests/parity/data/colours"
SHAKESPEARE = "examples/data/tinyshakespeare.txt"
# 40 examples of 7 words below 12 and a label below 3; a source of 6 and a target of 7 tokens, 0 after their ends.
SENTENCES = "tests/parity/data/sentences.npz"
# 16 images of 3 x 16 x 16 bytes, a label below 5, a class below 3 of each pixel.
PICTURES = "tests/parity/data/pictures.npz"
# 4 PNG images of 3 x 48 x 48 in four folders.
PHOTOGRAPHS = "tests/parity/data/photographs"


# The arguments of every relu and sign of a run, which must not be so near to 0 that rounding decides (kink_distance).
kink_arguments = []


def kink(x):
    """Notes that a function bends where x is 0."""
    kink_arguments.append(x.detach().double().numpy().copy())
    return x


def relu(x):
    return F.relu(kink(x))


def modules(**layers):
    return nn.ModuleDict(layers)


def linear(inputs, outputs, bias=True):
    return nn.Linear(inputs, outputs, bias=bias)


def features(x):
    return torch.log(1 + x["features"])


# What `see` noted of each batch since the epoch began.
seen = []


def see(**tensors):
    """Keeps what the metrics of a case need of a batch."""
    seen.append({name: x.detach() for name, x in tensors.items()})


@dataclass
class Case:
    name: str
    model: Callable
    loss: Callable
    optimizer: Callable  # from trained parameters by name
    program: str = ""
    data: str = BREAST_CANCER
    batch: int = 64
    settings: dict = field(default_factory=dict)  # --set
    window: int = 0  # the characters of an example, where the data is a text
    clip_norm: float = 0.0
    clip_value: float = 0.0
    schedule: Callable = None
    metrics: Callable = None  # from what `see` noted of an epoch, each one tensor; then the epoch's report is recorded
    f32_error: float = 1e-6  # what f32 may be off by
    tolerance: float = 1e-5  # what gradients, parameters and states of ours may be off by
    seed: int = 1  # one that kink_distance accepts, from --find-seed

    def __post_init__(self):
        self.program = self.program or f"tests/parity/programs/{self.name}.nn"


def sgd(**settings):
    return lambda named: torch.optim.SGD(named.values(), **settings)


def adam(**settings):
    return lambda named: torch.optim.Adam(named.values(), **settings)


def optimizer(kind, **settings):
    return lambda named: kind(named.values(), **settings)


def without_decay(kind, patterns, **settings):
    """No weight decay for parameters that have one of these components in their path."""

    def make(named):
        def group(name, p):
            return dict(params=[p]) | (dict(weight_decay=0.0) if set(patterns) & set(name.split(".")) else {})

        return kind([group(*item) for item in named.items()], **settings)

    return make


class SignMomentum(torch.optim.Optimizer):
    """Lion (Chen et al. 2023), as examples/custom_optimizer.nn and std's lion spell it: their states differ in name."""

    def __init__(self, params, lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0, state="m"):
        super().__init__(params, dict(lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay))
        self.state_name = state

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault(self.state_name, torch.zeros_like(p))
                mix = group["beta1"] * m + (1 - group["beta1"]) * p.grad
                kink(mix)
                m.mul_(group["beta2"]).add_((1 - group["beta2"]) * p.grad)
                p.sub_(group["lr"] * (torch.sign(mix) + group["weight_decay"] * p))
