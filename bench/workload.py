"""What is timed: a model of bench/models at some sizes, a few fixed batches, and weights that every side starts from.

A folder holds it for all sides: data.npz, which nnc-train reads as it is; weights.safetensors, which nnc-train writes
after one step of its own, under PyTorch's names; job.json, which says the rest. Nothing but Python's own library is
needed here.
"""
import array
import dataclasses
import io
import json
import math
import pathlib
import random
import re
import struct
import subprocess
import zipfile

MODELS = pathlib.Path(__file__).resolve().parent / "models"
BATCHES = 10  # different ones; steps take them in turn

HYPER = re.compile(r"^hyper (\w+) = (\S+)", re.M)
FIELD = re.compile(r"^data (\w+): (\w+)\[([\d,]*)\](?: \w+\(\d+\))?(?: below (\d+))?$", re.M)
BATCH = re.compile(r"^batch (\d+)$", re.M)
ARRAYS = {"f32": ("f", "<f4"), "u8": ("B", "|u1"), "u16": ("H", "<u2"), "i32": ("i", "<i4")}  # of array, of NumPy


# By which part of itself a loss may differ from nnc's, within the steps that are compared. Rounding grows to 1e-6 in most
# models; so it does for six steps where max_pool2d may choose another element, and to 4e-4 in twenty. Where batch_norm
# follows batch_norm it grows so much that in f32 nnc and PyTorch are alike some 5e-3 off from PyTorch in f64 after ten
# steps, with small batches after four. A learning rate 1 % off, or a weight decay left out, makes 1e-4 to 1e-5, but a weight
# decay left out only 3e-6 in the cnn's six steps, which is not seen; in ResNets all of it drowns.
TOLERANCE = {"resnet20": 2e-2}
OTHER_TOLERANCE = 5e-6


@dataclasses.dataclass(frozen=True)
class Model:
    file: str                # of bench/models, without .nn: the twins' name, too
    sizes: dict = dataclasses.field(default_factory=dict)  # of its hypers, where not the file's own
    batch: int = 0           # 0: the file's
    compared: int = 20       # steps whose losses have to agree

    def command_line(self):
        words = [str(MODELS / f"{self.file}.nn")]
        for name, value in self.sizes.items():
            words += ["--set", f"{name}={value}"]
        return words + (["--batch", str(self.batch)] if self.batch else [])

    def tolerance(self, step):
        """Less in the first steps: each multiplies what differs."""
        return min(TOLERANCE.get(self.file, OTHER_TOLERANCE), 1e-5 * 10 ** step)

    def describe(self):
        words = [f"{name} {value}" for name, value in self.sizes.items()]
        return ", ".join([self.file] + words + ([f"batch {self.batch}"] if self.batch else []))


NAMED = {
    "tiny": Model("tiny"),
    "mlp": Model("mlp"),
    "cnn": Model("cnn", compared=6),
    "resnet20": Model("resnet20", compared=10),
    "lstm": Model("lstm"),
    "gptmini": Model("gpt"),
    "gpt2": Model("gpt", {"vocab": 50257, "width": 768, "heads": 12, "layers": 12}, batch=4, compared=8),
}
# Shapes that nobody tuned anything for.
ODD = [
    Model("tiny", batch=1), Model("tiny", batch=1000),
    Model("mlp", batch=1), Model("mlp", batch=7), Model("mlp", batch=1000, compared=10),
    Model("mlp", {"width": 7, "hidden": 7}), Model("mlp", {"width": 33, "hidden": 33}),
    Model("mlp", {"width": 511, "hidden": 255}), Model("mlp", {"width": 511, "hidden": 33}, batch=7),
    Model("cnn", batch=1, compared=6), Model("cnn", batch=5, compared=6), Model("cnn", {"width": 7}, batch=33, compared=6),
    Model("resnet20", batch=1, compared=4), Model("resnet20", batch=5, compared=4), Model("resnet20", {"width": 7}, batch=5, compared=4),
    Model("lstm", batch=1), Model("lstm", {"units": 33, "embed": 7}, batch=7),
    Model("gpt", batch=1), Model("gpt", {"context": 33, "width": 99, "heads": 3, "layers": 2}, batch=5),
    Model("gpt", {"context": 512}, batch=1),
    Model("gpt", {"vocab": 1001, "context": 127, "width": 112, "heads": 7, "layers": 1}, batch=3),
]


def run(command, **options):
    """What a command prints; its last words are the error if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {last_line(done.stderr)}")
    return done.stdout


def last_line(text):
    return (text.strip().splitlines() or ["(no word)"])[-1]


def npy(field_type, shape, values):
    code, descr = ARRAYS[field_type]
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)}) + " " * 80
    header = header[:len(header) // 64 * 64 - 11] + "\n"  # the elements begin at a multiple of 64
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array.array(code, values).tobytes()


def write_data(path, fields, examples):
    """Random examples, the same whenever asked: numbers in [-1, 1), ids in their range."""
    rng = random.Random(0)
    with zipfile.ZipFile(path, "w") as archive:
        for name, field_type, dims, below in fields:
            shape = [examples] + [int(extent) for extent in dims.split(",") if extent]
            count = math.prod(shape)
            if field_type == "f32":
                values = [2 * rng.random() - 1 for _ in range(count)]
            else:
                values = [int(rng.random() * int(below)) for _ in range(count)]
            archive.writestr(f"{name}.npy", npy(field_type, shape, values))


@dataclasses.dataclass
class Workload:
    model: Model
    folder: pathlib.Path
    batch: int

    def train_options(self, steps):
        return ["--data", str(self.folder / "data.npz"), "--no-shuffle", "--max-steps", str(steps),
                "--epochs", str(-(-steps // BATCHES)), "--quiet", "--summary=json"]


def make(model, folder, binaries, threads, seconds):
    """Fills the folder."""
    command = [str(binaries / "nnc"), *model.command_line()]
    header = run([*command, "--emit=graph"]).split("\nslot ", 1)[0]
    workload = Workload(model, folder, int(BATCH.search(header)[1]))
    write_data(folder / "data.npz", FIELD.findall(header), workload.batch * BATCHES)
    run([str(binaries / "nnc-train"), *model.command_line(), *workload.train_options(1), "--out", str(folder)])
    (folder / "last.safetensors").rename(folder / "weights.safetensors")
    hyper = dict(HYPER.findall((MODELS / f"{model.file}.nn").read_text(encoding="utf-8")))
    job = {"model": model.file, "hyper": {name: int(model.sizes.get(name, value)) for name, value in hyper.items()},
           "batch": workload.batch, "batches": BATCHES, "compared": model.compared, "threads": threads, "seconds": seconds}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return workload
