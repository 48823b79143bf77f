#!/usr/bin/env python3
"""Times one training step of examples/mlp.nn in nnc, PyTorch and JAX: the same shapes, batch, optimizer and threads.

    pip install torch jax numpy
    python3 bench/step_time.py --nnc build/release/bin [--rounds 5] [--threads 2] [--seconds 2]

Machines are noisy: in each round every side runs in turn in a process of its own, and the table has the median over the
rounds of each side's median step, and of the ratio to nnc within a round. A step is forward, loss, backward and Adam on
random data in memory; nnc's includes gathering the batch. The last losses show that all sides train: PyTorch and JAX
see one batch again and again and learn it by heart, nnc sees a hundred.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH, WIDTHS = 128, (784, 512, 256, 10)


def timed(step, seconds):
    """The median of the steps within so many seconds, after some to warm up, in milliseconds; and the last loss."""
    for _ in range(20):
        loss = step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        loss = step()
        times.append((time.perf_counter() - begin) * 1e3)
    return {"ms": statistics.median(times), "loss": float(loss)}


def pytorch(threads, seconds):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    images, labels = torch.rand(BATCH, WIDTHS[0]), torch.randint(0, WIDTHS[-1], (BATCH,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, seconds)


def jax(threads, seconds):
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    bound = [n ** -0.5 for n in WIDTHS]
    parameters = [(jnp.asarray(rng.uniform(-b, b, (i, o)).astype(np.float32)), jnp.zeros(o, np.float32))
                  for i, o, b in zip(WIDTHS, WIDTHS[1:], bound)]
    images = jnp.asarray(rng.random((BATCH, WIDTHS[0]), np.float32))
    labels = jnp.asarray(rng.integers(0, WIDTHS[-1], BATCH))

    def loss_of(parameters):
        x = images
        for weight, bias in parameters[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        scores = x @ parameters[-1][0] + parameters[-1][1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1))

    def train(state):
        parameters, mean, square, t = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        t = t + 1
        each = jax.tree_util.tree_map
        mean = each(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
        square = each(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
        rate = 1e-3 / (1 - 0.9 ** t)
        scale = jnp.sqrt(1 - 0.999 ** t)
        parameters = each(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / scale + 1e-8), parameters, mean, square)
        return (parameters, mean, square, t), loss

    compiled = jax.jit(train, donate_argnums=0)
    zeros = jax.tree_util.tree_map(jnp.zeros_like, parameters)
    state = [(parameters, zeros, jax.tree_util.tree_map(jnp.zeros_like, parameters), jnp.float32(0))]

    def step():
        state[0], loss = compiled(state[0])
        return loss.block_until_ready()

    return timed(step, seconds)


def nnc(binaries, threads, seconds):
    steps = max(200, int(seconds * 600))
    command = [str(binaries / "nnc-train"), str(ROOT / "examples/mlp.nn"), "--synthetic", "--max-steps", str(steps),
               "--threads", str(threads), "--quiet", "--summary=json"]
    summary = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return {"ms": summary["step_ms_median"], "loss": summary["train_loss"], "compile_ms": summary["compile_ms"]}


def in_turn(arguments):
    """The figures of one round: each side in a process of its own."""
    figures = {"nnc": nnc(arguments.nnc, arguments.threads, arguments.seconds)}
    for side in ("pytorch", "jax"):
        command = [sys.executable, __file__, "--side", side, "--threads", str(arguments.threads),
                   "--seconds", str(arguments.seconds)]
        environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
        if arguments.threads == 1:
            environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        figures[side] = json.loads(output.splitlines()[-1])
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nnc", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of nnc-train")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--side", choices=("pytorch", "jax"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps({"pytorch": pytorch, "jax": jax}[arguments.side](arguments.threads, arguments.seconds)))
        return
    rounds = [in_turn(arguments) for _ in range(arguments.rounds)]
    print(f"mlp, batch {BATCH}, {arguments.threads} threads, {arguments.rounds} rounds in turn")
    print("side      step ms   least   over nnc   last loss")
    for side in ("nnc", "pytorch", "jax"):
        times = [figures[side]["ms"] for figures in rounds]
        ratio = statistics.median(figures[side]["ms"] / figures["nnc"]["ms"] for figures in rounds)
        loss = statistics.median(figures[side]["loss"] for figures in rounds)
        print(f"{side:8} {statistics.median(times):8.3f} {min(times):7.3f} {ratio:10.2f} {loss:11.3f}")
    print(f"nnc compiles in {statistics.median(figures['nnc']['compile_ms'] for figures in rounds):.0f} ms")


if __name__ == "__main__":
    main()
