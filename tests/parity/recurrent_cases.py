"""Twins of the programs with loops over time."""

import torch
import torch.nn.functional as F
from torch import nn

from twins import NORMAL, Case, adam, linear, modules


def recurrent_model():
    return modules(
        lstm=nn.LSTM(6, 5, batch_first=True),
        gru=nn.GRU(5, 4, batch_first=True),
        head=linear(4, 4),
        sum=linear(5, 4, bias=False),
    )


def recurrent_loss(m, batch):
    x = m["lstm"](batch["features"].reshape(-1, 6, 6))[0]
    h = m["gru"](x)[1][0]
    s = torch.zeros_like(x[:, 0])
    for t in range(6):
        s = s * 0.5 + x[:, t] * x[:, t]
    return F.cross_entropy(m["head"](h) + m["sum"](s), batch["label"].long())


CASES = [
    Case(
        "recurrent",
        data=NORMAL,
        batch=8,
        model=recurrent_model,
        loss=recurrent_loss,
        optimizer=adam(lr=0.02),
        clip_norm=0.5,
    ),
]
