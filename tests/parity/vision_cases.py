"""Twins of the networks of convolutions and batch norms in examples/."""

import torch
import torch.nn.functional as F
from torch import nn

from std_cases import inverse_sqrt
from twins import PHOTOGRAPHS, PICTURES, Case, adam, modules, relu, see, sgd


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


# --- ResNet-50 --------------------------------------------------------------------------------------------------------


def steady_norm(channels, bent, of_bent, weight=0.3, bias=1.5, weight_of_bent=1.0):
    """The relu behind it bends in the first `bent` channels only; arguments of the others are far above 0. Rounding decides
    few then, and yet the gradient of the bias is not 0, as it is where a batch norm follows that takes off what all positions
    have in common."""
    layer = nn.BatchNorm2d(channels)
    with torch.no_grad():
        layer.weight.fill_(weight)
        layer.bias.fill_(bias)
        layer.weight[:bent] = weight_of_bent
        layer.bias[:bent] = of_bent
    return layer


def bottleneck(inputs, width, stride):
    half = max(2, width // 2)
    layers = dict(
        conv1=conv(inputs, width),
        bn1=steady_norm(width, half, 0.8),
        conv2=conv(width, width, 3, stride),
        bn2=steady_norm(width, half, 0.8),
        conv3=conv(width, 4 * width),
        bn3=steady_norm(4 * width, 2 * width, 0.0, weight=0.1, bias=0.0, weight_of_bent=0.1),
    )
    if stride != 1 or inputs != 4 * width:
        layers |= dict(downsample=nn.Sequential(conv(inputs, 4 * width, stride=stride), steady_norm(4 * width, 2 * width, 0.5)))
    return modules(**layers)


def resnet50_model(width, classes):
    model, inputs = modules(conv1=conv(3, width, 7, stride=2), bn1=steady_norm(width, 2, 0.8)), width
    for stage, blocks in enumerate([3, 4, 6, 3]):
        made = []
        for i in range(blocks):
            made.append(bottleneck(inputs, width * 2**stage, stride=2 if i == 0 and stage > 0 else 1))
            inputs = 4 * width * 2**stage
        model[f"layer{stage + 1}"] = nn.ModuleList(made)
    model["fc"] = nn.Linear(inputs, classes)
    return modules(model=model)


def resnet50_loss(m, batch):
    def bottled(block, x):
        y = relu(block["bn1"](block["conv1"](x)))
        y = relu(block["bn2"](block["conv2"](y)))
        y = block["bn3"](block["conv3"](y))
        return relu((block["downsample"](x) if "downsample" in block else x) + y)

    m, label = m["model"], batch["label"].long()
    means, deviations = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).to(batch["image"].dtype)[..., None, None]
    x = (batch["image"] / 255 - means) / deviations
    x = F.max_pool2d(relu(m["bn1"](m["conv1"](x))), 3, stride=2, padding=1)
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for block in m[stage]:
            x = bottled(block, x)
    scores = m["fc"](x.mean(dim=(2, 3)))
    see(scores=scores, label=label)
    return F.cross_entropy(scores, label)


def top_metrics(scores, label):
    hits = scores.topk(5).indices == label[:, None]
    return dict(top1=hits[:, 0].double().mean(), top5=hits.any(dim=1).double().mean())


CASES = [
    Case(
        "resnet50",
        program="examples/resnet50.nn",
        seed=87,
        data=PHOTOGRAPHS,
        batch=4,
        settings=dict(size=48, classes=6, width=2, warmup=2500),
        model=lambda: resnet50_model(width=2, classes=6),
        loss=resnet50_loss,
        metrics=top_metrics,
        optimizer=sgd(lr=0.1, momentum=0.9, weight_decay=1e-4),
        schedule=inverse_sqrt(2500),
        # Fifty batch norms, each over as few as 16 values, multiply what rounding does; losses are within 1e-5 all the same.
        f32_error=6e-6,
        tolerance=5e-5,
    ),
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
