"""Twins of the networks over sequences of tokens in examples/."""

import torch
import torch.nn.functional as F
from torch import nn

from std_cases import causal, encoder_layer, inverse_sqrt
from twins import SENTENCES, Case, adam, linear, modules

VOCABULARY = 12


def embedding(size, std=1.0):
    table = nn.Embedding(VOCABULARY, size)
    with torch.no_grad():
        table.weight.mul_(std)
    return table


def gru_model():
    gru = nn.GRU(5, 4, batch_first=True, bidirectional=True)
    return modules(model=modules(embed=embedding(5), gru=gru, out=linear(8, 3)))


def gru_loss(m, batch):
    m = m["model"]
    last = m["gru"](m["embed"](batch["words"].long()))[1]
    return F.cross_entropy(m["out"](torch.cat([last[0], last[1]], dim=1)), batch["label"].long())


def translation_model():
    settings = dict(size=8, heads=2, feedforward=32)
    return modules(
        model=modules(
            embed=embedding(8, 8**-0.5),
            encoder=nn.ModuleList([encoder_layer(**settings)]),
            decoder=nn.ModuleList([encoder_layer(nn.TransformerDecoderLayer, **settings)]),
        )
    )


def placed(x):
    _, time, size = x.shape
    angle = torch.arange(time)[:, None] / 10000 ** (torch.arange(0, size, 2) / size).to(x.dtype)
    return size**0.5 * x + torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


def translation_loss(m, batch):
    m = m["model"]
    source, target = batch["source"].long(), batch["target"].long()
    absent = source == 0
    memory = placed(m["embed"](source))
    for layer in m["encoder"]:
        memory = layer(memory, src_key_padding_mask=absent)
    x = placed(m["embed"](target[:, :-1]))
    for layer in m["decoder"]:
        x = layer(x, memory, tgt_mask=causal(x.shape[1]), memory_key_padding_mask=absent)
    scores = x @ m["embed"].weight.mT
    return F.cross_entropy(scores.mT, target[:, 1:], ignore_index=0, label_smoothing=0.1)


CASES = [
    Case(
        "gru_classifier",
        program="examples/gru_classifier.nn",
        data=SENTENCES,
        batch=8,
        settings=dict(vocab=VOCABULARY, length=7, classes=3, width=5, units=4, drop=0.0, clip=0.3),
        model=gru_model,
        loss=gru_loss,
        optimizer=adam(lr=1e-3),
        clip_norm=0.3,
    ),
    Case(
        "translation",
        program="examples/translation.nn",
        data=SENTENCES,
        batch=8,
        settings=dict(vocab=VOCABULARY, length=6, width=8, heads=2, layers=1, drop=0.0, warmup=5, eps=1e-3),
        model=translation_model,
        loss=translation_loss,
        optimizer=adam(lr=1e-3, betas=(0.9, 0.98), eps=1e-3),
        schedule=inverse_sqrt(5),
    ),
]
