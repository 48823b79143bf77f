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


# --- The layers of std: several layers, both directions, first states given, without biases, last states used -----------


def layers_model():
    def made(kind, inputs, units, **settings):
        return kind(inputs, units, batch_first=True, **settings)

    return modules(
        lstm=made(nn.LSTM, 6, 3, num_layers=2, bidirectional=True),
        gru=made(nn.GRU, 6, 3, num_layers=2, bidirectional=True),
        rnn=made(nn.RNN, 6, 4, num_layers=2, bidirectional=True),
        relu=made(nn.RNN, 8, 5, nonlinearity="relu"),
        given=made(nn.LSTM, 5, 4),
        last=made(nn.GRU, 4, 3, bias=False),
        head=linear(20, 4),
    )


def layers_loss(m, batch):
    x = batch["features"].reshape(-1, 6, 6)
    a, (ha, ca) = m["lstm"](x)
    b, hb = m["gru"](a)
    c, hc = m["rnn"](b)
    d, _ = m["relu"](c)
    e, _ = m["given"](d, (hc[2:3], hc[1:2]))
    f, _ = m["last"](e, ha[:1])
    used = torch.cat([c[:, -1], ha[1], hb[3], ca[2], f[:, -1]], dim=1)
    return F.cross_entropy(m["head"](used), batch["label"].long())


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
    Case(
        "recurrent_layers",
        data=NORMAL,
        batch=8,
        model=layers_model,
        loss=layers_loss,
        optimizer=adam(lr=0.01, eps=1e-3),
    ),
]
