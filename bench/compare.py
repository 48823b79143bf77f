#!/usr/bin/env python3
"""Times training steps of bench/models in nnc and in its peers: the same weights, batches, optimizer and threads.

    pip install torch jax
    cmake --build build/release --target nnc nnc-train primitives_time
    python3 bench/compare.py                                   # all models, on all processors
    python3 bench/compare.py --threads 1 --models mlp,cnn
    python3 bench/compare.py --peers pytorch --sweep           # shapes that nobody tuned anything for
    python3 bench/compare.py --peers pytorch,compile,jax,tensorflow=tfenv/bin/python,xla=tfenv/bin/python,primitives

Every side starts from the same weights and takes the same batches in the same order. The losses of the first steps of
each side are compared with nnc's: a side that does not train as nnc does is an error and has no time.

Machines are noisy, so in each round every side runs in turn, in a process of its own, on as many processors as it has
threads. The table has, of each side, the median over the rounds of the median step, the fastest step, the median over the
rounds of nnc's median over the side's, the time to the first step's loss with compilation, the most memory that the
process had, and by how much a loss differs from nnc's at most. nnc's steps include gathering the batch. `primitives` are
the matrix products and convolutions of nnc's step, run back to back (bench/primitives_time.cpp).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import workload

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = {
    "pytorch": ("with_pytorch", "eager"),
    "compile": ("with_pytorch", "compile"),
    "jax": ("with_jax", "jit"),
    "tensorflow": ("with_tensorflow", "graph"),
    "xla": ("with_tensorflow", "xla"),
}
PRIMITIVES = "primitives"
IMAGES = ("cnn", "resnet20")
MODULES = {"with_pytorch": "torch", "with_jax": "jax", "with_tensorflow": "tensorflow"}

class Failed(Exception):
    pass


def check_losses(model, losses, expected):
    """By which part of itself a loss differs at most."""
    if len(losses) < len(expected):
        raise Failed(f"{len(losses)} losses, expected {len(expected)}")
    largest = 0
    for i, (loss, wanted) in enumerate(zip(losses, expected)):
        differs = abs(loss - wanted) / abs(wanted)
        if not differs <= model.tolerance(i):
            raise Failed(f"the loss of step {i} is {loss:.7g}, nnc's is {wanted:.7g}")
        largest = max(largest, differs)
    return largest


class Nnc:
    name = "nnc"

    def __init__(self, binaries):
        self.binaries = binaries

    def train(self, work, steps, threads):
        """Without kernels kept from another run: all of them are compiled."""
        command = [str(self.binaries / "nnc-train"), *work.model.command_line(), *work.train_options(steps), "--no-kernel-cache",
                   "--init", str(work.folder / "weights.safetensors"), "--threads", str(threads)]
        return json.loads(workload.last_line(workload.run(command, **on_processors(threads))))

    def figures(self, work, threads, seconds):
        first = self.train(work, 1, threads)
        few = self.train(work, work.model.compared, threads)
        timed = max(5, int(seconds * 1e3 / few["step_ms_median"]))
        summary = self.train(work, work.model.compared + timed, threads)
        return {"losses": summary["losses"], "median_ms": summary["step_ms_median"], "least_ms": summary["step_ms_min"],
                "first_ms": first["compile_ms"] + first["step_ms_median"], "peak_bytes": summary["peak_rss_bytes"]}


class Peer:
    def __init__(self, name, python, script, variant):
        self.name, self.python, self.script, self.variant = name, python, script, variant

    def check(self):
        module = MODULES[self.script]
        if subprocess.run([self.python, "-c", f"import {module}, numpy"], capture_output=True).returncode != 0:
            raise Failed(f"{self.python} has no {module} with numpy: pip install {module}, or leave {self.name} out of --peers")

    def figures(self, work, threads, seconds):
        command = [self.python, str(ROOT / f"bench/peers/{self.script}.py"), str(work.folder), self.variant]
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu",
                           CUDA_VISIBLE_DEVICES="", TORCHINDUCTOR_FORCE_DISABLE_CACHES="1")
        if threads == 1:
            environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        return json.loads(workload.last_line(workload.run(command, env=environment, **on_processors(threads))))


class Primitives:
    name = PRIMITIVES

    def __init__(self, binaries):
        self.program = binaries.parent / "bench/primitives_time"

    def check(self):
        if not self.program.exists():
            raise Failed(f"no {self.program}: cmake --build {self.program.parent.parent} --target primitives_time, or leave "
                         f"{self.name} out of --peers")

    def figures(self, work, threads, seconds):
        command = [str(self.program), *work.model.command_line(), "--threads", str(threads), "--seconds", str(seconds)]
        return json.loads(workload.run(command, **on_processors(threads)))


def on_processors(count):
    """Lets a process use so many of the processors that this one may use."""
    chosen = sorted(os.sched_getaffinity(0))[-count:]
    return {"preexec_fn": lambda: os.sched_setaffinity(0, chosen)}


def one_round(sides, work, threads, seconds):
    """The figures of each side by name, nnc first; what went wrong, where it did."""
    figures = {}
    for side in sides:
        try:
            figure = figures[side.name] = side.figures(work, threads, seconds)
            if "losses" in figure:
                expected = figures["nnc"]["losses"][:work.model.compared]
                figure["differs"] = check_losses(work.model, figure["losses"], expected)
        except (Failed, RuntimeError) as error:
            if side.name == "nnc":
                raise Failed(f"{work.model.describe()}: {error}") from error
            figures[side.name] = {"error": str(error)}
            print(f"error: {work.model.describe()}: {side.name}: {error}", file=sys.stderr, flush=True)
    return figures


def rounds_of(model, sides, arguments):
    """Rounds of figures; a side that failed once does not run again."""
    with tempfile.TemporaryDirectory() as folder:
        work = workload.make(model, pathlib.Path(folder), arguments.nnc, arguments.threads, arguments.seconds)
        rounds = []
        for _ in range(arguments.rounds):
            rounds.append(one_round(sides, work, arguments.threads, arguments.seconds))
            sides = [side for side in sides if "error" not in rounds[-1][side.name]]
        return work, rounds


def ratio(rounds, name):
    return statistics.median(figures["nnc"]["median_ms"] / figures[name]["median_ms"] for figures in rounds)


def write_table(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    for number, row in enumerate(lines):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        if number == 1:
            cells[1:] = ["-" * (width - 1) + ":" for width in widths[1:]]
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def table(name, sides, arguments):
    """Writes a model's table; gives whether all sides could be timed."""
    work, rounds = rounds_of(workload.NAMED[name], sides, arguments)
    rows, well = [], True
    for side in sides:
        if any("error" in figures.get(side.name, {}) for figures in rounds):
            well = False
            rows.append([side.name, "failed", "", "", "", "", ""])
            continue
        of = lambda key: [figures[side.name][key] for figures in rounds]
        row = [side.name, f"{statistics.median(of('median_ms')):.3f}", f"{min(of('least_ms')):.3f}",
               f"{ratio(rounds, side.name):.2f}"]
        if side.name == PRIMITIVES:
            row += ["", "", ""]
        else:
            row += [f"{statistics.median(of('first_ms')):.0f}", f"{max(of('peak_bytes')) / 2 ** 20:.0f}",
                    f"{max(of('differs')):.0e}"]
        rows.append(row)
    print(f"{name}: batch {work.batch}, threads {arguments.threads}, rounds {arguments.rounds}\n")
    write_table(["side", "step ms", "fastest", "nnc over it", "first step ms", "peak MiB", "loss differs by"], rows)
    return well


def sweep(models, sides, arguments):
    """One table of all odd shapes; gives whether all could be timed."""
    rows, well = [], True
    for model in models:
        _, rounds = rounds_of(model, sides, arguments)
        row = [model.describe()]
        for side in sides:
            failed = any("error" in figures.get(side.name, {}) for figures in rounds)
            well = well and not failed
            row.append("failed" if failed else
                       f"{statistics.median(figures[side.name]['median_ms'] for figures in rounds):.3f}")
            if side.name != "nnc":
                row.append("" if failed else f"{ratio(rounds, side.name):.2f}")
        rows.append(row)
        print(" ".join(row), file=sys.stderr, flush=True)
    header = ["model", "nnc ms"]
    for side in sides[1:]:
        header += [f"{side.name} ms", "nnc over it"]
    write_table(header, rows)
    return well


def peers_of(words, binaries):
    """What is timed beside nnc, if it is there."""
    peers = []
    for word in words.split(",") if words else []:
        name, _, python = word.partition("=")
        if name == PRIMITIVES:
            peers.append(Primitives(binaries))
        elif name in PEERS:
            peers.append(Peer(name, python or sys.executable, *PEERS[name]))
        else:
            raise Failed(f"no peer `{name}`: there are {', '.join(PEERS)} and {PRIMITIVES}")
        peers[-1].check()
    return peers


def for_model(peers, model):
    """PyTorch's image models run in both memory formats, since none is always the faster."""
    result = []
    for peer in peers:
        result.append(peer)
        if isinstance(peer, Peer) and peer.script == "with_pytorch" and model.file in IMAGES:
            result.append(Peer(f"{peer.name}, channels_last", peer.python, peer.script, f"{peer.variant}-channels_last"))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nnc", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of nnc and nnc-train")
    parser.add_argument("--models", default=",".join(workload.NAMED))
    parser.add_argument("--peers", default=f"pytorch,jax,{PRIMITIVES}",
                        help=f"NAME or NAME=PYTHON, of {', '.join(PEERS)}, {PRIMITIVES}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=2, help="of timed steps, a side and round")
    parser.add_argument("--sweep", action="store_true", help="odd shapes of the models instead of their own")
    arguments = parser.parse_args()
    try:
        names = arguments.models.split(",")
        for name in names:
            if name not in workload.NAMED:
                raise Failed(f"no model `{name}`: there are {', '.join(workload.NAMED)}")
        nnc, peers = Nnc(arguments.nnc), peers_of(arguments.peers, arguments.nnc)
        if arguments.sweep:
            files = {workload.NAMED[name].file for name in names}
            return 0 if sweep([model for model in workload.ODD if model.file in files], [nnc, *peers], arguments) else 1
        well = [table(name, [nnc, *for_model(peers, workload.NAMED[name])], arguments) for name in names]
        return 0 if all(well) else 1
    except (Failed, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
