"""Twins of whole networks: examples/ and the larger programs in programs/, at small widths."""

import torch
import torch.nn.functional as F
from torch import nn

from std_cases import Lamb, attention, encoder_layer, inverse_sqrt, normal, scheduled
from twins import (
    COLOURS,
    IMAGES,
    SHAKESPEARE,
    Case,
    adam,
    kink,
    linear,
    modules,
    optimizer,
    relu,
    without_decay,
)

# --- Vision transformer -----------------------------------------------------------------------------------------------


def patches(image, patch):
    n, h, w = image.shape
    x = image.reshape(n, h // patch, patch, w // patch, patch)
    return x.permute(0, 1, 3, 2, 4).reshape(n, -1, patch * patch)


class Positions(nn.Module):
    def __init__(self, time, size):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(time, size))

    def forward(self, x):
        return x + self.weight


def vit_model():
    block = encoder_layer(size=8, heads=2, feedforward=32, activation="gelu", norm_first=True)
    embed, norm, head = linear(49, 8), nn.LayerNorm(8), linear(8, 10)
    model = modules(embed=embed, position=Positions(16, 8), block=nn.ModuleList([block]), norm=norm, head=head)
    return modules(model=model)


def vit_loss(m, batch):
    m = m["model"]
    x = m["position"](m["embed"](patches(batch["image"] / 127.5 - 1, 7)))
    for block in m["block"]:
        x = block(x)
    return F.cross_entropy(m["head"](m["norm"](x).mean(dim=1)), batch["label"].long())


# --- MLP-Mixer --------------------------------------------------------------------------------------------------------


def perceptron(size, hidden, bias=True):
    return modules(fc1=linear(size, hidden), fc2=linear(hidden, size, bias))


def mixer_model():
    block = modules(norm1=nn.LayerNorm(6), tokens=perceptron(16, 4, bias=False), norm2=nn.LayerNorm(6), channels=perceptron(6, 8))
    model = modules(embed=linear(49, 6), block=nn.ModuleList([block]), norm=nn.LayerNorm(6), head=linear(6, 10))
    return modules(model=model)


def mixer_loss(m, batch):
    def apply(p, x):
        return p["fc2"](F.gelu(p["fc1"](x)))

    m = m["model"]
    x = m["embed"](patches(batch["image"] / 127.5 - 1, 7))
    for block in m["block"]:
        x = x + apply(block["tokens"], block["norm1"](x).mT).mT
        x = x + apply(block["channels"], block["norm2"](x))
    scores = m["head"](m["norm"](x).mean(dim=1))
    return F.cross_entropy(scores, batch["label"].long(), label_smoothing=0.1)


# --- Variational autoencoder and siamese network ----------------------------------------------------------------------


def vae_model():
    encoder = modules(fc=linear(784, 3), mean=linear(3, 2), log_variance=linear(3, 2))
    return modules(encoder=encoder, decoder=modules(fc1=linear(2, 3), fc2=linear(3, 784)))


def vae_loss(m, batch):
    x = (batch["image"] / 255).flatten(1)
    h = relu(m["encoder"]["fc"](x))
    mean, log_variance = m["encoder"]["mean"](h), m["encoder"]["log_variance"](h)
    drawn = m["decoder"]["fc2"](relu(m["decoder"]["fc1"](mean)))
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(dim=1)
    return F.binary_cross_entropy_with_logits(drawn, x, reduction="sum") / len(x) + divergence.mean()


def siamese_model():
    return modules(net=modules(fc1=linear(784, 3), fc2=linear(3, 3), fc3=linear(3, 2, bias=False)))


def siamese_loss(m, batch):
    def embedding(x):
        x = F.leaky_relu(kink(m["net"]["fc1"](x.flatten(1))))
        return m["net"]["fc3"](F.leaky_relu(kink(m["net"]["fc2"](x))))

    x, label = batch["image"] / 255, batch["label"]
    distance = F.pairwise_distance(embedding(x[:-1]), embedding(x[1:]))
    same = (label[:-1] == label[1:]).to(x.dtype)
    return (same * distance**2 + (1 - same) * relu(1 - distance) ** 2).mean()


# --- Residual network -------------------------------------------------------------------------------------------------


def conv_bn(inputs, outputs, kernel=3, stride=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=False)
    return modules(conv=conv, bn=nn.BatchNorm2d(outputs))


def residual(inputs, outputs, stride):
    layers = dict(a=conv_bn(inputs, outputs, stride=stride), b=conv_bn(outputs, outputs))
    if stride != 1 or inputs != outputs:
        layers |= dict(shortcut=conv_bn(inputs, outputs, kernel=1, stride=stride))
    return modules(**layers)


def resnet_model(width, blocks):
    stages, inputs = [], width
    for s in range(3):
        stage = []
        for i in range(blocks):
            stage.append(residual(inputs, width * 2**s, stride=2 if i == 0 and s > 0 else 1))
            inputs = width * 2**s
        stages.append(nn.ModuleList(stage))
    return modules(model=modules(stem=conv_bn(3, width), stage=nn.ModuleList(stages), fc=linear(inputs, 10)))


def resnet_loss(m, batch):
    def apply(layer, x):
        return layer["bn"](layer["conv"](x))

    m = m["model"]
    x = relu(apply(m["stem"], (batch["image"] / 255 - 0.5) * 4))
    for stage in m["stage"]:
        for block in stage:
            y = apply(block["b"], relu(apply(block["a"], x)))
            x = relu((apply(block["shortcut"], x) if "shortcut" in block else x) + y)
    return F.cross_entropy(m["fc"](x.mean(dim=(2, 3))), batch["label"].long())


# --- Models of text ---------------------------------------------------------------------------------------------------


def small_normal(layer, deviation):
    """The layer with weights of that deviation, and biases of 0."""
    nn.init.normal_(layer.weight, std=deviation)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)
    return layer


def gpt_model(context, width, layers):
    def block():
        projection = 0.02 / (2 * layers) ** 0.5
        return modules(
            ln_1=nn.LayerNorm(width),
            attn=modules(
                c_attn=small_normal(linear(width, 3 * width), 0.02),
                c_proj=small_normal(linear(width, width), projection),
            ),
            ln_2=nn.LayerNorm(width),
            mlp=modules(
                c_fc=small_normal(linear(width, 4 * width), 0.02),
                c_proj=small_normal(linear(4 * width, width), projection),
            ),
        )

    return modules(
        transformer=modules(
            wte=small_normal(nn.Embedding(65, width), 0.02),
            wpe=small_normal(nn.Embedding(context, width), 0.02),
            h=nn.ModuleList([block() for _ in range(layers)]),
            ln_f=nn.LayerNorm(width),
        )
    )


def gpt_loss(heads):
    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    def attend(m, x):
        q, k, v = m["c_attn"](x).chunk(3, dim=-1)
        y = F.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=True)
        return m["c_proj"](y.transpose(1, 2).flatten(2))

    def loss(m, batch):
        m, text = m["transformer"], batch["text"].long()
        x = m["wte"](text[:, :-1]) + m["wpe"](torch.arange(text.shape[1] - 1))
        for block in m["h"]:
            x = x + attend(block["attn"], block["ln_1"](x))
            h = F.gelu(block["mlp"]["c_fc"](block["ln_2"](x)), approximate="tanh")
            x = x + block["mlp"]["c_proj"](h)
        scores = m["ln_f"](x) @ m["wte"].weight.mT
        return F.cross_entropy(scores.flatten(0, 1), text[:, 1:].flatten())

    return loss


def char_lstm_model(units):
    rnn, out = nn.LSTM(128, units, batch_first=True), linear(units, 65)
    nn.init.normal_(out.weight, std=4)  # gradients long enough to be clipped
    return modules(model=modules(embed=nn.Embedding(65, 128), rnn=rnn, out=out))


def char_lstm_loss(m, batch):
    m, text = m["model"], batch["text"].long()
    scores = m["out"](m["rnn"](m["embed"](text[:, :-1]))[0])
    return F.cross_entropy(scores.flatten(0, 1), text[:, 1:].flatten())


def example(name, settings, data=IMAGES, batch=4, **case):
    program = f"examples/{name}.nn"
    return Case(name, program=program, data=data, batch=batch, settings=settings, f32_error=3e-6, **case)


CASES = [
    example(
        "vit",
        dict(patch=7, width=8, heads=2, blocks=1, drop=0.0, eps=1e-3),
        model=vit_model,
        loss=vit_loss,
        optimizer=without_decay(
            torch.optim.AdamW, ("bias", "norm1", "norm2", "norm", "position"), lr=1e-3, eps=1e-3, weight_decay=0.05
        ),
        schedule=inverse_sqrt(200),
        clip_norm=1.0,
    ),
    example(
        "mlp_mixer",
        dict(patch=7, width=6, hidden=8, blocks=1),
        model=mixer_model,
        loss=mixer_loss,
        optimizer=optimizer(Lamb, lr=5e-3, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01),
        schedule=inverse_sqrt(200),
    ),
    example(
        "vae",
        dict(width=3, code=2, noise=0.0),
        model=vae_model,
        loss=vae_loss,
        optimizer=optimizer(torch.optim.Adam, lr=1e-3),
    ),
    example(
        "siamese",
        dict(width=3, code=2),
        seed=43,
        model=siamese_model,
        loss=siamese_loss,
        optimizer=optimizer(torch.optim.RMSprop, lr=1e-3, momentum=0.5),
        schedule=inverse_sqrt(200),
    ),
    example(
        "resnet20",
        dict(width=2, blocks=1),
        data=COLOURS,
        batch=2,
        seed=314,
        model=lambda: resnet_model(width=2, blocks=1),
        loss=resnet_loss,
        optimizer=without_decay(
            torch.optim.SGD, ("bn", "bias"), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
        ),
        schedule=inverse_sqrt(400),
    ),
    example(
        "gpt",
        dict(context=8, width=8, heads=2, layers=2, eps=1e-3),
        data=SHAKESPEARE,
        window=9,
        model=lambda: gpt_model(context=8, width=8, layers=2),
        loss=gpt_loss(heads=2),
        optimizer=without_decay(
            torch.optim.AdamW, ("bias", "ln_1", "ln_2", "ln_f"), lr=1e-3, eps=1e-3, weight_decay=0.1
        ),
        schedule=inverse_sqrt(100),
        clip_norm=1.0,
    ),
    example(
        "char_lstm",
        dict(window=32, units=4),
        data=SHAKESPEARE,
        window=33,
        model=lambda: char_lstm_model(units=4),
        loss=char_lstm_loss,
        optimizer=adam(lr=2e-3),
        clip_norm=1.0,
    ),
]
