"""Twins of the programs around what the other programs leave at its default, and around std's metrics and functions."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler

from std_cases import encoder_layer, normal
from twins import SignMomentum, kink, linear, modules, optimizer, relu, see, sgd

# --- Metrics ----------------------------------------------------------------------------------------------------------


def metrics_loss(m, batch):
    label = batch["label"].long()
    scores = m["head"](torch.tanh(m["norm"](m["fc1"](batch["features"]))))
    see(scores=scores, label=label, first=batch["features"][:, 0])
    return F.cross_entropy(scores, label)


def metrics(scores, label, first):
    """By the confusion matrix, where classes are counted."""
    matrix = torch.bincount(4 * label + scores.argmax(dim=1), minlength=16).reshape(4, 4).double()
    precision = torch.nan_to_num(matrix.diag() / matrix.sum(dim=0))
    recall = matrix.diag() / matrix.sum(dim=1)
    f1 = torch.nan_to_num(2 * precision * recall / (precision + recall))
    score, high = scores[:, 1] - scores[:, 0], label > 1
    residual = first - score
    return dict(
        accuracy=matrix.trace() / len(label),
        best2=(scores.topk(2).indices == label[:, None]).any(dim=1).double().mean(),
        precision=precision.mean(),
        precision1=precision[1],
        recall=recall.mean(),
        recall1=recall[1],
        f1=f1.mean(),
        f1_of_3=f1[3],
        mistaken=matrix[3, 1],
        perplexity=F.cross_entropy(scores, label).exp(),
        of_first=F.cross_entropy(scores[..., None], label[:, None]).exp(),
        sides=((score > 0.5) == high).double().mean(),
        above=((score > -0.25) == high).double().mean(),
        mae=residual.abs().mean(),
        rmse=residual.norm() / len(residual) ** 0.5,
        r2=1 - residual.norm() ** 2 / (first - first.mean()).norm() ** 2,
    )


# --- Convolution and pooling ------------------------------------------------------------------------------------------


def images(m, x):
    """What the program pools, and the results."""
    rows = x.reshape(-1, 6, 6)
    a = torch.tanh(m["again"](torch.tanh(m["along"](rows))))
    c = torch.tanh(m["mixed"](torch.tanh(m["deep"](x.reshape(-1, 2, 3, 2, 3)))))
    h = torch.tanh(m["up"](torch.tanh(m["images"](x.reshape(-1, 1, 6, 6)))))
    return dict(
        m0=F.max_pool1d(a, 3, stride=2, padding=1),
        m1=F.max_pool1d(rows, 2, stride=1, dilation=3, ceil_mode=True),
        m2=F.max_pool3d(c, (2, 1, 1), stride=1, ceil_mode=True),
        m3=F.max_pool2d(h, 3, stride=2, ceil_mode=True),
        a0=F.avg_pool1d(a, 3, stride=2, padding=1, count_include_pad=False),
        a1=F.avg_pool3d(c, 2, stride=(2, 1, 1), padding=(1, 0, 0), ceil_mode=True),
        a2=F.avg_pool3d(c, (3, 2, 2), stride=1, padding=1, count_include_pad=False),
        a3=F.adaptive_avg_pool1d(a, 3),
        a4=F.adaptive_avg_pool3d(c, (3, 2, 1)),
        g0=F.adaptive_max_pool2d(h, 1),
        g1=F.adaptive_avg_pool1d(a, 1),
    )


def image_options_model():
    m = modules(
        along=nn.Conv1d(6, 6, 2, dilation=2, groups=3, bias=False),
        again=nn.Conv1d(6, 4, 3, padding=1),
        deep=nn.Conv3d(2, 4, (2, 1, 2), dilation=(2, 1, 1), padding=(1, 0, 0), groups=2, bias=False),
        mixed=nn.Conv3d(4, 2, 1),
        images=nn.Conv2d(1, 2, 2),
        up=nn.ConvTranspose2d(2, 2, 2, stride=2),
    )
    with torch.no_grad():
        m.update({name: linear(y[0].numel(), 4) for name, y in images(m, torch.zeros(1, 36)).items()})
    return m


def image_options_loss(m, batch):
    scores = sum(m[name](y.flatten(1)) for name, y in images(m, batch["features"]).items())
    return F.cross_entropy(scores, batch["label"].long())


# --- Recurrent layers -------------------------------------------------------------------------------------------------


def sequence_options_model():
    settings = dict(num_layers=2, bidirectional=True, bias=False, batch_first=True)
    return modules(
        rnn=nn.RNN(6, 4, **settings),
        lstm=nn.LSTM(8, 3, **settings),
        gru=nn.GRU(6, 4, **settings),
        relu=nn.RNN(8, 3, nonlinearity="relu", batch_first=True),
        decoder=encoder_layer(nn.TransformerDecoderLayer, feedforward=3),
        head=nn.Bilinear(11, 9, 4),
    )


def sequence_options_loss(m, batch):
    f = batch["features"]
    a, ha = m["rnn"](f.reshape(-1, 6, 6), f[:, :16].reshape(-1, 4, 4).transpose(0, 1).contiguous())
    b, (hb, cb) = m["lstm"](a)
    c, hc = m["gru"](b, ha)
    d, _ = m["relu"](c, hb[:1].abs())
    e = m["decoder"](b, c[..., :6], tgt_mask=torch.eye(6, dtype=torch.bool))
    scores = m["head"](torch.cat([d[:, -1], hc[1], hc[2]], dim=1), torch.cat([e[:, 0], cb[0]], dim=1))
    return F.cross_entropy(scores, batch["label"].long())


# --- Losses -----------------------------------------------------------------------------------------------------------


def loss_reductions_loss(m, batch):
    f, label = batch["features"].reshape(-1, 6, 6), batch["label"].long()
    x = m["fc1"](batch["features"]).reshape(-1, 6, 6)
    s = 2 * (f[:, 0] > 0).to(x.dtype) - 1
    p = torch.sigmoid(x)
    weight = torch.tensor([1, 2, 0.5, 3], dtype=x.dtype)
    classes, rows = F.log_softmax(x[:, :4], dim=1), label[:, None].expand(-1, 6)
    kink(x - f - 4)
    kink(5 - s * (x[:, 0] - x[:, 5]))
    kink(9 - s * x[:, 4])
    return (
        0.1 * F.cross_entropy(x[:, 0, :4], label, reduction="sum")
        + (F.cross_entropy(x[:, 1, :4], label, weight, ignore_index=3, reduction="none") * f[:, 0, 0]).mean()
        + (F.nll_loss(classes, rows, ignore_index=0, reduction="none") * f[:, 1]).mean()
        + (F.mse_loss(x, f, reduction="none") * f).mean()
        + 0.01 * F.mse_loss(x[:, 0], f[:, 0], reduction="sum")
        + (F.l1_loss(x, f + 4, reduction="none") * f).mean()
        + (F.huber_loss(x[:, 1], f[:, 1], reduction="none") * f[:, 2]).mean()
        + 0.1 * F.smooth_l1_loss(x[:, 2], f[:, 2], reduction="sum")
        + 0.1 * F.binary_cross_entropy(p[:, 0], (f[:, 0] > 0).to(x.dtype), reduction="sum")
        + (F.binary_cross_entropy_with_logits(x[:, 1], p[:, 2], reduction="none") * f[:, 1]).mean()
        + (F.kl_div(F.log_softmax(x[:, 3], dim=-1), F.softmax(f[:, 3], dim=-1), reduction="none") * f[:, 0]).mean()
        + 0.1 * F.hinge_embedding_loss(x[:, 4] + 3, s, margin=2, reduction="sum")
        + (F.relu(9 - s * x[:, 4]) * f[:, 4]).mean()
        + 0.1 * F.margin_ranking_loss(x[:, 0], x[:, 5], s, margin=5, reduction="sum")
        + 0.1 * F.cosine_embedding_loss(x.flatten(0, 1), f.flatten(0, 1), s.flatten(), margin=-0.9, reduction="sum")
        + F.cosine_similarity(x, f, dim=1, eps=2).mean()
        + (
            F.triplet_margin_loss(x[:, :2], f[:, :2], f[:, 2:4], margin=5, eps=0.1, reduction="none") * f[:, :2, 0]
        ).mean()
        + F.pairwise_distance(x[:, 0], f[:, 0], p=4, eps=0.2).mean()
    )


# --- Functions --------------------------------------------------------------------------------------------------------


def functions_loss(m, batch):
    f, label = batch["features"].reshape(-1, 6, 6), batch["label"].long()
    x = m["fc1"](batch["features"]).reshape(-1, 6, 6)
    for of_row, bounds in enumerate([(-0.6, 0.3), (0.1,), (0.2,)]):
        for bound in bounds:
            kink(x[:, of_row] - bound)
    best = f.argsort(dim=1, descending=True)
    one_hot = F.one_hot(label, 6).to(x.dtype)
    attend = F.scaled_dot_product_attention
    a = x.logsumexp(dim=2) + x.logsumexp(dim=(1, 2), keepdim=True)[..., 0]
    a = a + x[:, 0].clamp(-0.6, 0.3) + x[:, 1].clamp(min=0.1) + x[:, 2].clamp(max=0.2)
    a = a + x[:, 3] * (f > 1).any(dim=2) + x[:, 4] * (f > -1).all(dim=2)
    a = a + ((f > 1.5).flatten(1).any(dim=1)[:, None].to(x.dtype) + (f > -2).all(dim=1)) * x[:, 5]
    a = a + x[:, 0].gather(1, f[:, 0].argsort(dim=1)) + x.gather(1, best)[:, 1]
    a = a + x[:, :, [3, 1, 2, 0]][:, :, 2] + x[..., [1, 0]][..., 1]
    a = a + x[:, :2, :3].repeat(1, 3, 2)[:, 3] + torch.stack([x[:, 0], 2 * x[:, 1]], dim=1)[:, 1] + x.flip(-1)[:, 2]
    a = a + x.softmax(dim=1)[:, 2] + x.log_softmax(dim=-2)[:, 3]
    a = a + attend(x, x[:, 1:], f[:, 1:], attn_mask=torch.ones(6, 5, dtype=torch.bool).tril(), scale=0.9)[:, 5]
    a = a + attend(x, f, x, attn_mask=f.masked_fill(torch.ones(6, 6, dtype=torch.bool).triu(1), -torch.inf))[:, 4]
    a = a + attend(x, f[:, :5], x[:, :5], is_causal=True)[:, 3] + attend(f, x, x, is_causal=True)[:, 5]
    a = a + torch.einsum("ni,nij->nj", one_hot, x) + x[:, 0].gather(1, label[:, None])
    a = a + x.sort(dim=1).values[:, 2] + x.topk(3).values[..., 2] + x.prod(dim=1) + x.amin(dim=2)
    a = a + x.norm(dim=2) + 0.1 * x.norm(p=1, dim=(1, 2), keepdim=True)[..., 0] + x.norm(p=torch.inf, dim=1)
    a = a + relu(x).norm(p=3, dim=1) + (0 * x).norm(dim=1)
    return F.cross_entropy(m["head"](torch.tanh(0.1 * a)), label)


def late_cycle(peak, warmup, steps=20):
    """OneCycleLR after a line over `warmup` steps up to what it begins with."""
    other = torch.optim.SGD([torch.zeros(1)], lr=peak)
    cycle = lr_scheduler.OneCycleLR(other, peak, total_steps=steps - warmup, cycle_momentum=False)
    rates = []
    for _ in range(steps - warmup):
        rates.append(cycle.get_last_lr()[0] / peak)
        other.step()
        cycle.step()
    rates = [rates[0] * (i + 1) / warmup for i in range(warmup)] + rates
    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: rates[step])


CASES = [
    normal(
        "metrics",
        model=lambda: modules(fc1=linear(36, 6, bias=False), norm=nn.BatchNorm1d(6), head=linear(6, 4)),
        loss=metrics_loss,
        metrics=metrics,
        optimizer=sgd(lr=0.2),
        # A line between powers: PyTorch's falls to 0.
        schedule=lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.25 + 0.75 * (1 - step / 20) ** 2),
        clip_value=0.05,
    ),
    normal(
        "image_options",
        seed=18,
        model=image_options_model,
        loss=image_options_loss,
        optimizer=sgd(lr=0.5, momentum=0.9),
        schedule=late_cycle(0.5, warmup=3),
    ),
    normal(
        "sequence_options",
        seed=15,
        model=sequence_options_model,
        loss=sequence_options_loss,
        optimizer=optimizer(torch.optim.NAdam, lr=0.01, betas=(0.8, 0.999), eps=1e-3),
    ),
    normal(
        "loss_reductions", model=lambda: modules(fc1=linear(36, 36)), loss=loss_reductions_loss, optimizer=sgd(lr=0.1)
    ),
    normal(
        "functions",
        model=lambda: modules(fc1=linear(36, 36), head=linear(6, 4)),
        loss=functions_loss,
        optimizer=optimizer(SignMomentum, lr=0.003, beta1=0.8, beta2=0.6, state="exp_avg"),
    ),
]
