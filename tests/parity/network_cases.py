"""Twins of whole networks: examples/ and the larger programs in programs/, at small widths."""

import torch
import torch.nn.functional as F
from torch import nn

from std_cases import Lamb, attention, encoder_layer, inverse_sqrt, normal, scheduled
from twins import IMAGES, Case, kink, linear, modules, optimizer, relu, without_decay

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


def example(name, settings, **case):
    return Case(name, program=f"examples/{name}.nn", data=IMAGES, batch=4, settings=settings, f32_error=3e-6, **case)


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
]
