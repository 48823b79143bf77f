#!/usr/bin/env python3
"""Writes the parity fixtures: what PyTorch computes in the first ten steps of each program (README.md).

For each case, fixtures/<case>.init.safetensors holds the weights before the first step, by nnc's paths, and
fixtures/<case>.steps.safetensors, with N in 1, 10:

    loss                           ten batch losses, each before its update
    stepN.grad.<param>             gradients of step N, before clipping; none for frozen parameters
    stepN.param.<param>            parameters after step N
    stepN.state.<param>.<state>    optimizer states after step N
    stepN.statistic.<state>        layers' states after step N
    report.train.<name>            of cases with metrics: the loss and the metrics of the last epoch, as far as it went
    report.eval.<name>             the same of all data with the last weights, when not training

fixtures/cases.json lists the cases with their program, data, settings and batch. Batches are in file order, the last
one of an epoch smaller.

PyTorch computes in f64 from the f32 weights and inputs, and the results are rounded to f32: whoever is within 1e-5 of
these values is as right as f32 allows. Each case also runs in f32, which must agree to the case's f32_error, so that no
fixture asks for more digits than f32 has.
"""

import argparse
import json
import struct
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import image_cases
import network_cases
import option_cases
import recurrent_cases
import sequence_cases
import std_cases
import vision_cases
from datasets import read_data
from twins import FASHION_MNIST, Case, SignMomentum, adam, features, kink_arguments, linear, modules, relu, seen, sgd

STEPS = 10
RECORDED = (1, 10)
MIN_KINK_DISTANCE = 20
HERE = Path(__file__).resolve().parent


# --- Files ------------------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    """8-byte length, JSON header, data; names sorted, header padded to 8 bytes."""
    header, data = {}, b""
    for name in sorted(tensors):
        values = np.asarray(tensors[name], dtype="<f4", order="C")
        header[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + values.nbytes],
        }
        data += values.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# --- Twins of the programs --------------------------------------------------------------------------------------------


def mlp_model(width):
    return modules(model=modules(fc1=linear(784, width), fc2=linear(width, width // 2), fc3=linear(width // 2, 10)))


def mlp_loss(m, x):
    m = m["model"]
    h = torch.flatten(x["image"] / 255, start_dim=1)
    scores = m["fc3"](relu(m["fc2"](relu(m["fc1"](h)))))
    return F.cross_entropy(scores, x["label"].long())


def gated(inputs, units):
    return modules(value=linear(inputs, units), gate=linear(inputs, units))


def custom_optimizer_loss(m, x):
    def apply(g, v):
        return g["value"](v) * torch.sigmoid(g["gate"](v))

    logit = m["head"](apply(m["g2"], apply(m["g1"], features(x))))[:, 0]
    p = torch.sigmoid(torch.where(x["label"] > 0.5, logit, -logit))
    return torch.mean(-((1 - p) ** 2) * torch.log(p + 1e-7))


def sigmoid_mse_loss(m, x):
    return F.mse_loss(m["fc2"](torch.sigmoid(m["fc1"](features(x))))[:, 0], x["label"])


def tanh_momentum_loss(m, x):
    h = torch.tanh(m["mix"](torch.tanh(m["mix"](features(x)))))
    return F.cross_entropy(m["head"](h), x["label"].long())


def softmax_nesterov_loss(m, x):
    p = torch.softmax(m["fc2"](relu(m["fc1"](features(x)))), dim=-1)
    return F.mse_loss(p[:, 1] + 0.5 * p[:, 2], x["label"])


def log_softmax_dampening_loss(m, x):
    return F.nll_loss(F.log_softmax(m["fc2"](torch.tanh(m["fc1"](features(x)))), dim=-1), x["label"].long())


def smoothing_adam_loss(m, x):
    scores = m["fc2"](relu(m["fc1"](features(x))))
    return F.cross_entropy(scores, x["label"].long(), label_smoothing=0.1)


def two_layers_loss(m, x):
    return F.cross_entropy(m["fc2"](torch.tanh(m["fc1"](features(x)))), x["label"].long())


def groups_loss(m, x):
    h = features(x)
    for layer in m["h"]:
        h = torch.tanh(layer(h))
    return F.cross_entropy(m["head"](h), x["label"].long())


def groups_model():
    m = modules(h=nn.ModuleList([linear(30, 10), linear(10, 10), linear(10, 10)]), head=linear(10, 2))
    m["h"][1].requires_grad_(False)
    return m


def groups_optimizer(named):
    def settings(name):
        return dict(lr=0.03 if name.startswith("head.") else 0.01, weight_decay=0.0 if name.endswith("bias") else 0.1)

    return torch.optim.Adam([dict(params=[p], **settings(name)) for name, p in named.items()])


def class_axis_loss(m, x):
    scores = m["fc2"](torch.tanh(m["fc1"](features(x)))).reshape(-1, 3, 4)
    target = x["label"].long()[:, None] + (x["features"][:, 4:8] > 0.125)
    return F.cross_entropy(scores, target)


def norms_model():
    return modules(
        fc1=linear(30, 12),
        norm1=nn.LayerNorm(12),
        fc2=linear(12, 12),
        fc3=linear(12, 12),
        # Its default is the epsilon of the type that computes; ours that of f32.
        norm2=nn.RMSNorm(12, eps=torch.finfo(torch.float32).eps),
        head=linear(12, 1),
    )


def norms_loss(m, x):
    h = m["norm1"](0.01 * m["fc1"](features(x)))
    h = m["norm2"](0.01 * m["fc3"](F.silu(m["fc2"](h))))
    return F.binary_cross_entropy_with_logits(m["head"](h)[:, 0], x["label"])


def norm_options_model():
    norm = nn.LayerNorm(12, eps=0.1, bias=False)
    return modules(fc1=linear(30, 12), norm=norm, fc2=linear(12, 12), fc3=linear(12, 12), head=linear(12, 1))


def norm_options_loss(m, x):
    h = F.layer_norm(m["fc2"](m["norm"](m["fc1"](features(x)))), [12])
    logit = m["head"](F.rms_norm(m["fc3"](h), [12], eps=0.1))[:, 0]
    weight = torch.tensor(2.5, dtype=logit.dtype)
    entropy = F.binary_cross_entropy_with_logits(logit, x["label"], pos_weight=weight)
    return entropy + 0.5 * F.huber_loss(3 * logit, x["label"])


def norm_options_optimizer(named):
    def settings(name):
        return dict(weight_decay=0.0 if name.endswith("bias") else 0.1)

    groups = [dict(params=[p], **settings(name)) for name, p in named.items()]
    return torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-3)


def gelu_huber_lion_loss(m, x):
    h = F.gelu(m["fc1"](features(x)))
    h = F.gelu(m["fc2"](h), approximate="tanh")
    return F.huber_loss(m["fc3"](h)[:, 0], x["label"], delta=0.4)


def rearrange_model():
    return modules(word=nn.Embedding(256, 6), place=nn.Embedding(14, 6), head=linear(16 * 6, 10))


def rearrange_loss(m, x):
    row = x["image"][:, 13, ::2].long()
    e = m["word"](row) + m["place"](torch.arange(14))
    order = torch.sort(row, dim=1, stable=True)[1]
    ordered = torch.gather(e, 1, order[..., None].expand(-1, -1, 6))
    sums = torch.flip(torch.cumsum(e, 1), [1]) / 14
    parts = torch.cat([ordered[:, ::2], sums[:, :7], e[:, [5, 3]]], 1)
    return F.cross_entropy(m["head"](parts.flatten(1)), x["label"].long())


def step_decay(**settings):
    return lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, **settings)


def warmup_cosine(optimizer, warmup, total, final):
    """Linear over `warmup` steps, then a half cosine from the peak down to `final` at step `total`."""
    up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    down = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=final)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[warmup])


# --- Cases ------------------------------------------------------------------------------------------------------------


def two_layers(middle, outputs, bias=True):
    return lambda: modules(fc1=linear(30, middle), fc2=linear(middle, outputs, bias))


CASES = [
    Case(
        "mlp",
        model=lambda: mlp_model(16),
        loss=mlp_loss,
        optimizer=adam(lr=1e-3),
        program="examples/mlp.nn",
        data=FASHION_MNIST,
        batch=128,
        settings={"width": 16},
        seed=2,
    ),
    Case(
        "custom_optimizer",
        model=lambda: modules(g1=gated(30, 64), g2=gated(64, 64), head=linear(64, 1)),
        loss=custom_optimizer_loss,
        optimizer=lambda named: SignMomentum(named.values(), lr=3e-4, weight_decay=0.01),
        program="examples/custom_optimizer.nn",
        seed=14,
    ),
    Case("sigmoid_mse", two_layers(12, 1, bias=False), sigmoid_mse_loss, sgd(lr=0.1)),
    Case(
        "tanh_momentum",
        lambda: modules(mix=linear(30, 30), head=linear(30, 2)),
        tanh_momentum_loss,
        sgd(lr=0.02, momentum=0.9),
    ),
    Case(
        "softmax_nesterov",
        two_layers(12, 3),
        softmax_nesterov_loss,
        sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    Case(
        "log_softmax_dampening",
        two_layers(12, 2),
        log_softmax_dampening_loss,
        sgd(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
    ),
    Case(
        "smoothing_adam",
        two_layers(12, 5),
        smoothing_adam_loss,
        adam(lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.02),
    ),
    Case(
        "cosine_warmup",
        two_layers(12, 2),
        two_layers_loss,
        sgd(lr=0.1, momentum=0.9),
        schedule=lambda optimizer: warmup_cosine(optimizer, warmup=4, total=18, final=0.01),
    ),
    Case("clip_norm", two_layers(12, 2), two_layers_loss, sgd(lr=0.2, weight_decay=0.1), clip_norm=0.5),
    Case("groups", groups_model, groups_loss, groups_optimizer),
    Case("class_axis", two_layers(12, 12), class_axis_loss, sgd(lr=0.1)),
    Case("norms", norms_model, norms_loss, lambda named: torch.optim.AdamW(named.values(), lr=0.01)),
    Case(
        "norm_options",
        norm_options_model,
        norm_options_loss,
        norm_options_optimizer,
        schedule=step_decay(step_size=3),
    ),
    Case(
        "gelu_huber_lion",
        lambda: modules(fc1=linear(30, 12), fc2=linear(12, 12), fc3=linear(12, 1)),
        gelu_huber_lion_loss,
        lambda named: SignMomentum(named.values(), lr=3e-3, weight_decay=0.1, state="exp_avg"),
        schedule=step_decay(step_size=4, gamma=0.5),
        seed=7,
    ),
    Case("rearrange", rearrange_model, rearrange_loss, sgd(lr=0.02, momentum=0.9), data=FASHION_MNIST),
    *std_cases.CASES,
    *image_cases.CASES,
    *recurrent_cases.CASES,
    *network_cases.CASES,
    *option_cases.CASES,
    *sequence_cases.CASES,
    *vision_cases.CASES,
]


# --- Runs -------------------------------------------------------------------------------------------------------------


def columns_of(case, columns):
    """A text as examples of the case's window; the rest is dropped."""
    if not case.window:
        return columns
    return {k: v[: len(v) // case.window * case.window].reshape(-1, case.window) for k, v in columns.items()}


def epoch(columns, batch, dtype):
    for start in range(0, len(next(iter(columns.values()))), batch):
        yield {k: torch.tensor(v[start : start + batch]).to(dtype) for k, v in columns.items()}


class Report:
    """The loss by example and the metrics of the batches since `begin`."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.begin()

    def begin(self):
        seen.clear()
        self.losses, self.sizes = [], []

    def add(self, batch, loss):
        self.losses.append(loss.item())
        self.sizes.append(len(next(iter(batch.values()))))

    def values(self):
        whole = {name: torch.cat([batch[name] for batch in seen]) for name in seen[0]}
        return {"loss": np.average(self.losses, weights=self.sizes)} | self.metrics(**whole)


def run(case, columns, dtype):
    """The initial weights, the recorded tensors in f64, and the arguments of relu and sign."""
    kink_arguments.clear()
    torch.manual_seed(case.seed)
    model = case.model()  # PyTorch's default initialization, f32
    initial = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    initial |= {name: b.numpy().copy() for name, b in model.named_buffers() if b.is_floating_point()}
    model = model.to(dtype)
    parameters = dict(model.named_parameters())
    trained = {name: p for name, p in parameters.items() if p.requires_grad}
    optimizer = case.optimizer(trained)
    schedule = case.schedule(optimizer) if case.schedule else None
    record, losses, norms, largest, report = {}, [], [], 0, Report(case.metrics)

    def keep(name, tensor):
        record[name] = tensor.detach().double().numpy().copy()

    examples = list(islice(epoch(columns, case.batch, dtype), None if case.metrics else STEPS))
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        batch = examples[(step - 1) % len(examples)]
        if batch is examples[0]:
            report.begin()
        loss = case.loss(model, batch)
        loss.backward()
        report.add(batch, loss)
        losses.append(loss.item())
        if step in RECORDED:
            for name, p in trained.items():
                keep(f"step{step}.grad.{name}", p.grad)
        if case.clip_value:
            largest = max(largest, *(p.grad.abs().max().item() for p in trained.values()))
            nn.utils.clip_grad_value_(trained.values(), case.clip_value)
        if case.clip_norm:
            norms.append(float(nn.utils.clip_grad_norm_(trained.values(), case.clip_norm)))
        optimizer.step()
        if schedule:
            schedule.step()
        if step in RECORDED:
            for name, p in parameters.items():
                keep(f"step{step}.param.{name}", p)
            for name, b in model.named_buffers():
                if b.is_floating_point():  # not num_batches_tracked
                    keep(f"step{step}.statistic.{name}", b)
            for name, p in trained.items():
                for key, state in optimizer.state[p].items():
                    if key != "step" and state is not None:
                        keep(f"step{step}.state.{name}.{key}", state)
    record["loss"] = np.array(losses)
    if case.clip_norm:
        assert case.clip_norm < max(norms), f"{case.name}: clip_norm {case.clip_norm} never met"
    assert not case.clip_value or case.clip_value < largest, f"{case.name}: clip_value {case.clip_value} never met"
    bends = list(kink_arguments)
    if case.metrics:
        reports = {"train": report.values()}
        report.begin()
        model.eval()
        with torch.no_grad():
            for batch in examples:
                report.add(batch, case.loss(model, batch))
        reports["eval"] = report.values()
        record |= {f"report.{graph}.{name}": np.array(float(x)) for graph in reports for name, x in reports[graph].items()}
    return initial, record, bends


def relative_error(ours, theirs):
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def kink_distance(exact, rounded):
    """How many rounding errors the nearest argument of a relu or sign is from 0.

    If rounding decided one, a weight would move by 2 lr or an example's gradient vanish, in one engine only. The
    rounding error of an argument is taken as the largest within its row or its column, of an image within its plane,
    between f64 and f32.
    """
    distance = np.inf
    for a, b in zip(exact, rounded):
        error = np.abs(a - b)
        if a.ndim == 2:
            error = np.minimum(error.max(axis=0, keepdims=True), error.max(axis=1, keepdims=True))
        else:
            error = error.max(axis=(2, 3), keepdims=True) if a.ndim == 4 else error.max()
        distance = min(distance, np.min(np.abs(a) / np.maximum(error, 1e-30)))
    return distance


def find_seed(case, columns):
    for case.seed in range(1, 400):
        (_, exact, exact_kinks), (_, rounded, kinks) = (run(case, columns, d) for d in (torch.float64, torch.float32))
        distance = kink_distance(exact_kinks, kinks)
        error = max(relative_error(rounded[name], exact[name]) if exact[name].any() else np.inf for name in exact)
        if distance > MIN_KINK_DISTANCE and error < case.f32_error:
            print(f"{case.name}: seed {case.seed} has an f32 error of {error:.1e} and keeps {distance:.2g} rounding errors from every kink")
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "fixtures")
    parser.add_argument("--only", help="the cases to compute, separated by commas; cases.json lists all of them")
    parser.add_argument("--find-seed", action="store_true", help="print a seed for each case, write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    arguments.out.mkdir(parents=True, exist_ok=True)

    cases = [case for case in CASES if not arguments.only or case.name in arguments.only.split(",")]
    data = {path: read_data(path) for path in {case.data for case in cases}}
    for case in cases:
        columns = columns_of(case, data[case.data])
        if arguments.find_seed:
            find_seed(case, columns)
            continue
        initial, exact, arguments_exact = run(case, columns, torch.float64)
        _, rounded, arguments_rounded = run(case, columns, torch.float32)
        for name, values in exact.items():
            # Every tensor must be able to fail a comparison by relative error.
            assert np.linalg.norm(values) > 0, f"{case.name}: {name} is zero"
        errors = {name: relative_error(rounded[name], exact[name]) for name in exact}
        worst = max(errors, key=errors.get)
        print(f"{case.name}: {len(exact)} tensors, f32 is off by at most {errors[worst]:.1e} ({worst})")
        assert errors[worst] < case.f32_error, f"{case.name}: f32 cannot reach the fixture"
        distance = kink_distance(arguments_exact, arguments_rounded)
        assert distance > MIN_KINK_DISTANCE, f"{case.name}: {distance:.2g} rounding errors from a kink: try --find-seed"
        write_safetensors(arguments.out / f"{case.name}.init.safetensors", initial)
        write_safetensors(arguments.out / f"{case.name}.steps.safetensors", exact)

    if not arguments.find_seed:
        listed = [
            {"name": c.name, "program": c.program, "data": c.data, "batch": c.batch}
            | {"set": [f"{k}={v}" for k, v in c.settings.items()]}
            | ({"reports": True} if c.metrics else {})
            | ({"tolerance": c.tolerance} if c.tolerance != 1e-5 else {})
            for c in CASES
        ]
        lines = ",\n".join("  " + json.dumps(case) for case in listed)
        (arguments.out / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
