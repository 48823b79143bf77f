"""Twins of the programs around std's layers, losses, optimizers and schedules, on data of normal numbers."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler

from twins import NORMAL, Case, kink, linear, modules, optimizer

BATCH = 8
TOTAL_STEPS = 20


# --- Models and losses ------------------------------------------------------------------------------------------------


def activations_loss(m, batch):
    x = 3 * m["fc1"](batch["features"]).reshape(-1, 21, 3)
    y = [
        F.leaky_relu(kink(x[:, 0])),
        F.leaky_relu(kink(x[:, 1]), 0.3),
        F.elu(x[:, 2]),
        F.elu(kink(x[:, 3]), 0.7),
        F.selu(kink(x[:, 4])),
        F.celu(x[:, 5], 0.5),
        F.mish(x[:, 6]),
        F.softplus(x[:, 7]),
        F.softplus(x[:, 8], 2, 3),
        F.softsign(x[:, 9]),
        F.hardtanh(x[:, 10]),
        F.hardtanh(x[:, 11], -2, 0.5),
        F.relu6(kink(2 * x[:, 12])),
        F.hardswish(x[:, 13]),
        F.hardsigmoid(x[:, 14]),
        F.logsigmoid(x[:, 15]),
        F.glu(x[:, 16:18], dim=1)[:, 0],
        F.glu(x[:, 18:20].reshape(-1, 6)),
        m["one"](kink(x[:, 20])),
        m["each"](kink(x[:, 2])),
    ]
    return F.mse_loss(sum(y).sum(dim=1), batch["label"])


def class_losses_loss(m, batch):
    f, label = batch["features"], batch["label"].long()
    x = m["fc1"](f).reshape(-1, 3, 4)
    weight = torch.tensor([1, 2.5, 0.5, 0.25], dtype=x.dtype)
    logp = F.log_softmax(x, dim=2)
    return (
        F.cross_entropy(x[:, 0], label, weight)
        + 0.5 * F.cross_entropy(x[:, 1], label, ignore_index=2, label_smoothing=0.2)
        + 0.3 * F.cross_entropy(x[:, 2], label, weight, ignore_index=1, label_smoothing=0.1)
        + 0.1 * F.cross_entropy(x[:, 0], F.softmax(f[:, :4], dim=1), label_smoothing=0.3)
        + 0.7 * F.cross_entropy(x[:, 1], F.softmax(f[:, 4:8], dim=1), weight)
        + 0.2 * F.nll_loss(logp[:, 1], label, weight, ignore_index=3)
        + 0.05 * F.nll_loss(logp.permute(0, 2, 1), label[:, None].expand(-1, 3), reduction="sum")
    )


def regression_losses_loss(m, batch):
    f = batch["features"]
    x, y = m["fc1"](f).reshape(-1, 8, 3), f[:, :24].reshape(-1, 8, 3)
    t = (f[:, :3] > 0).to(x.dtype)
    p = torch.sigmoid(x)
    for i in (0, 1, 3):
        kink(x[:, i] - y[:, i])

    def vector(*values):
        return torch.tensor(values, dtype=x.dtype)

    def logits(i):
        return F.log_softmax(x[:, i], dim=-1)

    return (
        F.l1_loss(x[:, 0], y[:, 0])
        + 0.2 * F.l1_loss(x[:, 1], y[:, 1], reduction="sum")
        + F.smooth_l1_loss(x[:, 1], y[:, 1])
        + F.smooth_l1_loss(x[:, 2], y[:, 2], beta=0.4)
        + F.smooth_l1_loss(x[:, 3], y[:, 3], beta=0)
        + F.huber_loss(x[:, 3], y[:, 3], delta=0.5, reduction="sum")
        + F.binary_cross_entropy(p[:, 4], t)
        + 0.3 * F.binary_cross_entropy(p[:, 5], torch.sigmoid(y[:, 5]), vector(1, 2, 3))
        + F.binary_cross_entropy_with_logits(x[:, 6], t, pos_weight=vector(0.5, 1, 4))
        + F.binary_cross_entropy_with_logits(x[:, 5], t, vector(0.25))
        + F.kl_div(logits(7), F.softmax(y[:, 7], dim=-1))
        + F.kl_div(logits(0), (y[:, 0] > 0.5).to(x.dtype), reduction="batchmean")
        + F.kl_div(logits(6), F.log_softmax(y[:, 6], dim=-1), log_target=True, reduction="sum")
    )


def hinge(x, s, margin=1.0):
    return F.relu(kink(margin - s * x))


def distance_losses_loss(m, batch):
    f = batch["features"]
    x = m["fc1"](f).reshape(-1, 4, 5)
    s = 2 * (f[:, :5] > 0).to(x.dtype) - 1
    far = F.triplet_margin_loss(x[:, 3], x[:, 0], x[:, 1], margin=2, p=3, swap=True)
    return (
        hinge(x[:, 0], s).mean()
        + 0.5 * hinge(2 * x[:, 0], s, 0.5).sum()
        + F.hinge_embedding_loss(kink(x[:, 1]).abs(), s)
        + F.margin_ranking_loss(x[:, 0], x[:, 2], s, margin=0.2)
        + F.cosine_embedding_loss(x[:, 1], x[:, 2], s[:, 0], margin=-0.3)
        + F.cosine_similarity(x, f[:, None, 5:10], dim=2)[:, 3].mean()
        + F.triplet_margin_loss(x[:, 1], x[:, 2], x[:, 3])
        + far
        + (F.pairwise_distance(kink(x[:, 0]), x[:, 3], p=1) * batch["label"]).mean()
    )


def bilinear_loss(m, batch):
    x = batch["features"].reshape(-1, 4, 9)
    y = m["pair"](x, torch.tanh(x[:, :, :4]))
    return F.cross_entropy(m["square"](y[:, 0], y[:, 1]), batch["label"].long())


def image_norms_loss(m, batch):
    f = batch["features"]
    x = (0.1 * m["fc1"](f)).reshape(-1, 4, 3, 4)
    x = torch.tanh(m["groups"](x))
    x = x + F.instance_norm(x)
    x = torch.tanh(m["instance"](0.1 * x))
    x = F.group_norm((x * f[:, :12].reshape(-1, 1, 3, 4)).mean(dim=(2, 3)), 1, eps=1e-3)
    return F.cross_entropy(m["head"](x), batch["label"].long())


def batch_norm_loss(m, batch):
    f = batch["features"]
    x = torch.tanh(m["images"]((3 + 2 * m["fc1"](f)).reshape(-1, 4, 3, 4)))
    x = m["sequences"]((0.1 * x).reshape(-1, 6, 8) * f[:, None, :8])
    x = m["rows"](torch.tanh(x).mean(dim=2))
    x = m["untracked"](torch.tanh(m["fc2"](x)))
    return F.cross_entropy(m["head"](x), batch["label"].long())


def batch_norm_model():
    return modules(
        fc1=linear(36, 48),
        images=nn.BatchNorm2d(4),
        sequences=nn.BatchNorm1d(6, eps=1e-3, momentum=0.3),
        rows=nn.BatchNorm1d(6, affine=False),
        fc2=linear(6, 3, bias=False),
        untracked=nn.BatchNorm1d(3, track_running_stats=False),
        head=linear(3, 4),
    )


def attention(size, heads, **settings):
    return nn.MultiheadAttention(size, heads, batch_first=True, **settings)


def causal(size):
    return torch.triu(torch.ones(size, size, dtype=torch.bool), diagonal=1)


def attention_loss(m, batch):
    x = batch["features"].reshape(-1, 6, 6)
    a = x + 3 * m["own"](x, x, x, attn_mask=causal(6))[0]
    a = a + 3 * m["other"](a, x[:, :4], x[:, :4], attn_mask=torch.arange(4) == torch.arange(6)[:, None])[0]
    a = a + 3 * m["sizes"](a, x[:, 1:, :4], x[:, 1:, :5])[0]
    a = a + 3 * m["added"](a, a, x, attn_mask=x)[0]
    return F.cross_entropy(m["head"](a)[:, 5], batch["label"].long())


def attention_model():
    return modules(
        own=attention(6, 2),
        other=attention(6, 3),
        sizes=attention(6, 2, kdim=4, vdim=5, bias=False),
        added=attention(6, 1),
        head=linear(6, 4),
    )


def encoder_layer(kind=nn.TransformerEncoderLayer, size=6, heads=2, feedforward=8, **settings):
    return kind(size, heads, feedforward, dropout=0.0, batch_first=True, **settings)


def encoder_loss(m, batch):
    x = m["post"](batch["features"].reshape(-1, 6, 6))
    x = m["pre"](x, src_mask=causal(6))
    return F.cross_entropy(m["head"](x.mean(dim=1)), batch["label"].long())


def decoder_loss(m, batch):
    x, memory = batch["features"][:, :18].reshape(-1, 3, 6), batch["features"][:, 18:].reshape(-1, 3, 6)
    x = m["post"](x, memory, tgt_mask=causal(3))
    x = m["pre"](x, memory, memory_mask=causal(3))
    return F.cross_entropy(m["head"](x.mean(dim=1)), batch["label"].long())


def two_blocks(kind):
    pre = dict(heads=3, feedforward=5, activation="gelu", norm_first=True, layer_norm_eps=1e-2)
    return lambda: modules(post=encoder_layer(kind), pre=encoder_layer(kind, **pre), head=linear(6, 4))


def two_layers_loss(m, batch):
    return F.cross_entropy(m["fc2"](torch.tanh(m["fc1"](batch["features"]))), batch["label"].long())


# --- Optimizers and schedules -----------------------------------------------------------------------------------------


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, with the bias corrections of its first version."""

    def __init__(self, params, lr, beta1, beta2, eps, weight_decay):
        super().__init__(params, dict(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay))
        self.steps = 0

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for group in self.param_groups:
            beta1, beta2 = group["beta1"], group["beta2"]
            for p in group["params"]:
                state = self.state[p]
                m = state.setdefault("exp_avg", torch.zeros_like(p))
                v = state.setdefault("exp_avg_sq", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - beta1)
                v.lerp_(p.grad**2, 1 - beta2)
                update = m / (1 - beta1**self.steps) / ((v / (1 - beta2**self.steps)).sqrt() + group["eps"])
                update += group["weight_decay"] * p
                ratio = p.norm() / update.norm() if p.norm() > 0 and update.norm() > 0 else 1.0
                p.sub_(group["lr"] * ratio * update)


def scheduled(kind, warmup=0, **settings):
    """A scheduler, after a line over `warmup` steps up to the peak."""

    def make(optimizer):
        after = kind(optimizer, **settings)
        if warmup == 0:
            return after
        up = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        return lr_scheduler.SequentialLR(optimizer, [up, after], milestones=[warmup])

    return make


def inverse_sqrt(warmup):
    def factor(step):
        return min((step + 1) / warmup, (warmup / (step + 1)) ** 0.5)

    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, factor)


def one_cycle(**settings):
    return scheduled(lr_scheduler.OneCycleLR, total_steps=TOTAL_STEPS, cycle_momentum=False, **settings)


def two_layers(**case):
    return dict(model=lambda: modules(fc1=linear(36, 3), fc2=linear(3, 4)), loss=two_layers_loss, **case)


def normal(name, **case):
    return Case(name, data=NORMAL, batch=BATCH, **case)


CASES = [
    normal(
        "activations",
        model=lambda: modules(fc1=linear(36, 63), one=nn.PReLU(), each=nn.PReLU(3, init=0.1)),
        loss=activations_loss,
        optimizer=optimizer(
            torch.optim.Adam, lr=0.02, betas=(0.9, 0.9), eps=1e-3, weight_decay=0.1, amsgrad=True
        ),
        schedule=scheduled(lr_scheduler.LinearLR, warmup=3, start_factor=1, end_factor=0.25, total_iters=17),
    ),
    normal(
        "class_losses",
        model=lambda: modules(fc1=linear(36, 12)),
        loss=class_losses_loss,
        optimizer=optimizer(torch.optim.NAdam, lr=0.05, betas=(0.9, 0.95), eps=1e-4, weight_decay=0.1),
        schedule=scheduled(lr_scheduler.MultiStepLR, warmup=2, milestones=[2, 5], gamma=0.5),
    ),
    normal(
        "regression_losses",
        model=lambda: modules(fc1=linear(36, 24)),
        loss=regression_losses_loss,
        optimizer=optimizer(torch.optim.RAdam, lr=0.05, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.05),
        schedule=scheduled(lr_scheduler.ExponentialLR, warmup=2, gamma=0.8),
    ),
    normal(
        "distance_losses",
        model=lambda: modules(fc1=linear(36, 20)),
        loss=distance_losses_loss,
        optimizer=optimizer(torch.optim.RMSprop, lr=0.01, alpha=0.9, eps=1e-3),
        schedule=scheduled(lr_scheduler.PolynomialLR, warmup=3, total_iters=17, power=2),
    ),
    normal(
        "bilinear",
        seed=2,
        model=lambda: modules(pair=nn.Bilinear(9, 4, 3), square=nn.Bilinear(3, 3, 4, bias=False)),
        loss=bilinear_loss,
        optimizer=optimizer(
            torch.optim.RMSprop, lr=0.02, alpha=0.6, eps=3e-2, weight_decay=0.1, momentum=0.7, centered=True
        ),
        schedule=scheduled(lr_scheduler.CosineAnnealingWarmRestarts, warmup=2, T_0=2, T_mult=2, eta_min=0.001),
    ),
    normal(
        "image_norms",
        model=lambda: modules(
            fc1=linear(36, 48),
            groups=nn.GroupNorm(2, 4),
            instance=nn.InstanceNorm2d(4, eps=1e-3, affine=True),
            head=linear(4, 4),
        ),
        loss=image_norms_loss,
        optimizer=optimizer(
            torch.optim.Adagrad,
            lr=0.2,
            lr_decay=0.1,
            weight_decay=0.05,
            initial_accumulator_value=0.1,
            eps=1e-4,
        ),
        schedule=one_cycle(max_lr=0.2),
    ),
    normal(
        "batch_norm",
        f32_error=3e-6,
        model=batch_norm_model,
        loss=batch_norm_loss,
        optimizer=optimizer(torch.optim.Adam, lr=0.01, eps=1e-2),
    ),
    normal(
        "attention",
        model=attention_model,
        loss=attention_loss,
        optimizer=optimizer(torch.optim.Adadelta, lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.01),
        schedule=scheduled(lr_scheduler.ConstantLR, warmup=4, factor=1),
    ),
    normal(
        "transformer_encoder",
        model=two_blocks(nn.TransformerEncoderLayer),
        loss=encoder_loss,
        optimizer=optimizer(Lamb, lr=0.02, beta1=0.8, beta2=0.9, eps=1e-2, weight_decay=0.1),
        schedule=scheduled(lr_scheduler.StepLR, warmup=2, step_size=3, gamma=0.5),
    ),
    normal(
        "transformer_decoder",
        model=two_blocks(nn.TransformerDecoderLayer),
        loss=decoder_loss,
        optimizer=optimizer(torch.optim.Adamax, lr=0.01, betas=(0.8, 0.9), eps=1e-2, weight_decay=0.1),
        schedule=inverse_sqrt(3),
    ),
    normal(
        "amsgrad",
        optimizer=optimizer(torch.optim.Adam, lr=0.1, betas=(0.8, 0.7), eps=1e-3, weight_decay=0.1, amsgrad=True),
        schedule=one_cycle(max_lr=0.1, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=20),
        **two_layers(),
    ),
    normal(
        "adamw_amsgrad",
        seed=2,
        optimizer=optimizer(
            torch.optim.AdamW, lr=0.1, betas=(0.8, 0.7), eps=1e-3, weight_decay=0.2, amsgrad=True
        ),
        schedule=scheduled(lr_scheduler.CosineAnnealingWarmRestarts, T_0=4),
        **two_layers(),
    ),
    normal(
        "nadam_decoupled",
        optimizer=optimizer(
            torch.optim.NAdam,
            lr=0.03,
            betas=(0.9, 0.95),
            eps=1e-3,
            weight_decay=0.1,
            momentum_decay=0.3,
            decoupled_weight_decay=True,
        ),
        **two_layers(),
    ),
    normal(
        "radam_decoupled",
        optimizer=optimizer(
            torch.optim.RAdam, lr=0.03, betas=(0.9, 0.8), eps=1e-3, weight_decay=0.1, decoupled_weight_decay=True
        ),
        **two_layers(),
    ),
]
