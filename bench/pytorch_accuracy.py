#!/usr/bin/env python3
"""What PyTorch reaches with the models, data and settings of examples/mlp.nn and examples/custom_optimizer.nn.

    pip install torch numpy
    python3 bench/pytorch_accuracy.py [SEEDS [EPOCHS]]        # 3 and 3 unless said; EPOCHS of mlp.nn
"""
import csv
import gzip
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
BREAST_CANCER = pathlib.Path(__file__).parent.parent / "examples/data/breast_cancer.csv"


def idx(name, header):
    return np.frombuffer(gzip.open(FASHION_MNIST / name).read(), np.uint8, offset=header)


def mlp(seed, epochs):
    """Accuracy on the t10k images after each epoch, and the seconds that the training of each took."""
    images = [torch.tensor(idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255)) for part in ("train", "t10k")]
    labels = [torch.tensor(idx(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64)) for part in ("train", "t10k")]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    accuracies, seconds = [], []
    for _ in range(epochs):
        begin = time.perf_counter()
        for batch in torch.randperm(len(labels[0])).split(128):
            optimizer.zero_grad()
            F.cross_entropy(model(images[0][batch]), labels[0][batch]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)
        with torch.no_grad():
            accuracies.append((model(images[1]).argmax(1) == labels[1]).float().mean().item())
    return accuracies, seconds


class Gated(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.value, self.gate = nn.Linear(inputs, units), nn.Linear(inputs, units)

    def forward(self, x):
        return self.value(x) * torch.sigmoid(self.gate(x))


def custom_optimizer(seed, epochs=50):
    """Accuracy on a random fifth of the data after the last epoch."""
    rows = list(csv.reader(open(BREAST_CANCER)))
    label_at = rows[0].index("label")
    table = torch.tensor(np.array(rows[1:], dtype=np.float32))
    labels = table[:, label_at]
    features = torch.cat([table[:, :label_at], table[:, label_at + 1 :]], 1)
    torch.manual_seed(seed)
    order = torch.randperm(len(table))
    valid, train = order[: round(0.2 * len(table))], order[round(0.2 * len(table)) :]
    model = nn.Sequential(Gated(30, 64), Gated(64, 64), nn.Linear(64, 1))
    momenta = [torch.zeros_like(p) for p in model.parameters()]
    for _ in range(epochs):
        for batch in train[torch.randperm(len(train))].split(32):
            model.zero_grad()
            logit = model(torch.log(1 + features[batch]))[:, 0]
            p = torch.sigmoid(torch.where(labels[batch] > 0.5, logit, -logit))
            (-((1 - p) ** 2) * torch.log(p + 1e-7)).mean().backward()
            with torch.no_grad():
                for parameter, m in zip(model.parameters(), momenta):
                    direction = torch.sign(0.9 * m + 0.1 * parameter.grad)
                    m.mul_(0.99).add_(0.01 * parameter.grad)
                    parameter.sub_(3e-4 * (direction + 0.01 * parameter))
    with torch.no_grad():
        logit = model(torch.log(1 + features[valid]))[:, 0]
        return ((logit > 0) == (labels[valid] > 0.5)).float().mean().item()


if __name__ == "__main__":
    seeds, epochs = (int(word) for word in (sys.argv[1:] + ["3", "3"][len(sys.argv) - 1:]))
    for seed in range(seeds):
        accuracies, seconds = mlp(seed, epochs)
        print(f"seed {seed}  mlp, after each epoch:", *(f"{a:.3f}" for a in accuracies), "  seconds:", *(f"{s:.1f}" for s in seconds),
              f"  custom_optimizer: {custom_optimizer(seed):.3f}", flush=True)
