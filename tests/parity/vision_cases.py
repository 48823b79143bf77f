"""Twins of the networks of convolutions and batch norms in examples/."""

import torch
import torch.nn.functional as F
from torch import nn

from twins import PICTURES, Case, adam, modules, relu


def conv(inputs, outputs, kernel=1, stride=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=(kernel - 1) // 2, bias=bias)


def norm(channels):
    """Weights and biases that keep most arguments of the relu behind it away from 0."""
    layer = nn.BatchNorm2d(channels)
    nn.init.uniform_(layer.weight, 0.8, 1.2)
    nn.init.uniform_(layer.bias, 0.5, 1.5)
    return layer


# --- U-Net ------------------------------------------------------------------------------------------------------------


def conv_bn(inputs, outputs):
    return modules(conv=conv(inputs, outputs, 3), bn=norm(outputs))


def block(inputs, outputs):
    return modules(a=conv_bn(inputs, outputs), b=conv_bn(outputs, outputs))


def unet_model():
    model = modules(
        down=nn.ModuleList([block(3, 2), block(2, 4)]),
        middle=block(4, 8),
        up=nn.ModuleList([nn.ConvTranspose2d(4, 2, 2, stride=2), nn.ConvTranspose2d(8, 4, 2, stride=2)]),
        join=nn.ModuleList([block(4, 2), block(8, 4)]),
        out=conv(2, 3, bias=True),
    )
    return modules(model=model)


def unet_loss(m, batch):
    def apply(block, x):
        for part in (block["a"], block["b"]):
            x = relu(part["bn"](part["conv"](x)))
        return x

    m = m["model"]
    x, skips = batch["image"] / 255, []
    for part in m["down"]:
        skips.append(apply(part, x))
        x = F.max_pool2d(skips[-1], 2)
    x = apply(m["middle"], x)
    for i in reversed(range(len(skips))):
        x = apply(m["join"][i], torch.cat([skips[i], m["up"][i](x)], dim=1))
    return F.cross_entropy(m["out"](x), batch["mask"].long())


CASES = [
    Case(
        "unet",
        program="examples/unet.nn",
        seed=2,
        data=PICTURES,
        batch=2,
        settings=dict(size=16, classes=3, width=2, depth=2),
        model=unet_model,
        loss=unet_loss,
        optimizer=adam(lr=1e-3),
        f32_error=3e-6,
    ),
]
