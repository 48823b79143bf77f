"""A side in a process of its own: reads the workload (bench/workload.py), takes the steps, prints one line of JSON.

A side gives `train(job)`, which takes the starting weights by name and the batches as NumPy arrays and returns `step(i)`:
one training step on batch i, done when it returns, whose result is the loss before the update.
"""
import json
import pathlib
import statistics
import struct
import sys
import time
import zipfile

import numpy as np

LEAST_STEPS = 5  # that are timed, however long one takes


class Job:
    def __init__(self, folder, variant):
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        self.model, self.hyper, self.batch = job["model"], job["hyper"], job["batch"]
        self.threads, self.seconds, self.compared = job["threads"], job["seconds"], job["compared"]
        self.variant = variant
        self.weights = safetensors(folder / "weights.safetensors")
        data = dict(np.load(folder / "data.npz"))
        self.batches = [{name: column[i * self.batch:(i + 1) * self.batch] for name, column in data.items()}
                        for i in range(job["batches"])]


def safetensors(path):
    """The tensors of a file, without the `model.` of their names."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name.removeprefix("model.")] = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def perceptron(linear, activation):
    """Of tiny and mlp, where `linear` is linear(weights, name, x)."""
    def forward(weights, x):
        for name in ("fc1", "fc2"):
            x = activation(linear(weights, name, x))
        return linear(weights, "fc3", x)
    return forward


def peak_bytes():
    """Of this program alone: getrusage would count the process that started it."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def measured(step, job):
    batches = len(job.batches)
    begin = time.perf_counter()
    losses = [float(step(0))]
    first = time.perf_counter() - begin
    losses += [float(step(i % batches)) for i in range(1, job.compared)]
    times, end, i = [], time.perf_counter() + job.seconds, job.compared
    while len(times) < LEAST_STEPS or time.perf_counter() < end:
        begin = time.perf_counter()
        step(i % batches)
        times.append(time.perf_counter() - begin)
        i += 1
    return {"losses": losses, "median_ms": statistics.median(times) * 1e3, "least_ms": min(times) * 1e3,
            "first_ms": first * 1e3, "peak_bytes": peak_bytes()}


def main(train):
    job = Job(pathlib.Path(sys.argv[1]), sys.argv[2])
    print(json.dumps(measured(train(job), job)))
