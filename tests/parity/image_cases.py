"""Twins of the programs around convolution and pooling."""

import torch
import torch.nn.functional as F
from torch import nn

from twins import FASHION_MNIST, NORMAL, Case, linear, modules, relu, sgd


def conv_layers_model():
    return modules(
        along=nn.Conv1d(3, 4, 3, stride=2, padding=1),
        first=nn.Conv2d(1, 4, 3, padding=1),
        grouped=nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False),
        depthwise=nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6),
        up=nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        wide=nn.ConvTranspose2d(4, 2, (2, 3), stride=(1, 2), dilation=(2, 1), bias=False),
        deep=nn.Conv3d(1, 2, 2, stride=(1, 1, 2), padding=(0, 1, 1)),
        of_a=linear(24, 1),
        of_h=linear(336, 1),
        of_c=linear(32, 1),
    )


def conv_layers_loss(m, batch):
    x = batch["features"]
    h = x.reshape(-1, 1, 6, 6)
    for name in ("first", "grouped", "depthwise", "up", "wide"):
        h = torch.tanh(m[name](h))
    a = torch.tanh(m["along"](x.reshape(-1, 3, 12)))
    c = torch.tanh(m["deep"](x.reshape(-1, 1, 2, 3, 6)))
    scores = m["of_a"](a.flatten(1)) + m["of_h"](h.flatten(1)) + m["of_c"](c.flatten(1))
    return F.mse_loss(scores[:, 0], batch["label"] + 2)


def pools(h):
    flat, deep = h.reshape(-1, 4, 36), h.reshape(-1, 2, 2, 6, 6)
    return dict(
        m0=F.max_pool2d(h, 2),
        m1=F.max_pool2d(h, 3, stride=2, padding=1),
        m2=F.max_pool2d(h, (3, 2), stride=1, dilation=(2, 1)),
        m3=F.max_pool2d(h, (2, 4), ceil_mode=True),
        m4=F.max_pool1d(flat, 4, stride=3),
        m5=F.max_pool3d(deep, (1, 2, 3), padding=(0, 1, 1)),
        m6=F.max_pool2d(h, 5),
        a0=F.avg_pool2d(h, 2),
        a1=F.avg_pool2d(h, 3, stride=2, padding=1),
        a2=F.avg_pool2d(h, 3, stride=2, padding=1, count_include_pad=False),
        a3=F.avg_pool2d(h, 3, stride=2, padding=1, ceil_mode=True),
        a4=F.avg_pool1d(flat, 4, stride=3, ceil_mode=True),
        a5=F.avg_pool3d(deep, 2),
        a6=F.adaptive_avg_pool2d(h, (6, 3)),
        a7=F.adaptive_avg_pool2d(h, (4, 5)),
        a8=F.adaptive_avg_pool2d(h, 1),
    )


def pool_layers_model():
    with torch.no_grad():
        heads = {name: linear(y[0].numel(), 2) for name, y in pools(torch.zeros(1, 4, 6, 6)).items()}
    return modules(first=nn.Conv2d(1, 4, 3, padding=1), **heads)


def pool_layers_loss(m, batch):
    h = torch.tanh(m["first"](batch["features"].reshape(-1, 1, 6, 6)))
    scores = sum(m[name](y.flatten(1)) for name, y in pools(h).items())
    return F.cross_entropy(scores, (batch["label"] > 1).long())


def cnn_model(channels, hidden):
    return modules(
        model=modules(
            conv1=nn.Conv2d(1, channels, 5, padding=2),
            conv2=nn.Conv2d(channels, 2 * channels, 5, padding=2),
            fc1=linear(98 * channels, hidden),
            fc2=linear(hidden, 10),
        )
    )


def cnn_loss(m, x):
    m = m["model"]
    h = (x["image"] / 255).reshape(-1, 1, 28, 28)
    h = F.max_pool2d(relu(m["conv1"](h)), 2)
    h = F.max_pool2d(relu(m["conv2"](h)), 2)
    scores = m["fc2"](relu(m["fc1"](h.flatten(1))))
    return F.cross_entropy(scores, x["label"].long(), label_smoothing=0.1)


def wide_convolutions_model():
    return modules(
        model=modules(
            first=nn.Conv2d(1, 32, 3, stride=2, padding=1),
            second=nn.Conv2d(32, 32, 5, padding=2),
            third=nn.Conv2d(32, 48, 3),
            head=linear(48, 10),
        )
    )


def wide_convolutions_loss(m, batch):
    m = m["model"]
    h = (batch["image"] / 255).reshape(-1, 1, 28, 28)
    for name in ("first", "second", "third"):
        h = torch.tanh(m[name](h))
    return F.cross_entropy(m["head"](h.mean((2, 3))), batch["label"].long())


CASES = [
    Case(
        "wide_convolutions",
        wide_convolutions_model,
        wide_convolutions_loss,
        sgd(lr=0.05, momentum=0.9),
        data=FASHION_MNIST,
        batch=4,
        f32_error=3e-6,
    ),
    Case("conv_layers", conv_layers_model, conv_layers_loss, sgd(lr=0.002, momentum=0.9), data=NORMAL, batch=8),
    Case("pool_layers", pool_layers_model, pool_layers_loss, sgd(lr=0.02, momentum=0.9), data=NORMAL, batch=8),
    Case(
        "cnn",
        lambda: cnn_model(channels=2, hidden=8),
        cnn_loss,
        sgd(lr=0.05, momentum=0.9, weight_decay=5e-4),
        program="examples/cnn.nn",
        data=FASHION_MNIST,
        batch=8,
        settings={"channels": 2, "hidden": 8, "drop": 0},
    ),
]
