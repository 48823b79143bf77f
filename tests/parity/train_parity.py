#!/usr/bin/env python3
"""train_parity.py NNC_TRAIN: from the fixtures' initial weights, nnc-train reports PyTorch's losses, and the metrics
of the cases that have them, to 1e-5."""

import json
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
FIXTURES = HERE / "fixtures"
STEPS = 10
TOLERANCE = 1e-5


def expected_figures(case):
    """The losses as `loss`, and what the case reports, such as `report.train.accuracy`."""
    raw = (FIXTURES / f"{case}.steps.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    figures = {}
    for name, tensor in json.loads(raw[8 : 8 + length]).items():
        if name == "loss" or name.startswith("report."):
            begin, end = tensor["data_offsets"]
            figures[name] = struct.unpack(f"<{(end - begin) // 4}f", raw[8 + length + begin : 8 + length + end])
    return figures


def reported_figures(nnc_train, case):
    command = [nnc_train, REPOSITORY / case["program"], "--data", REPOSITORY / case["data"]]
    command += ["--init", FIXTURES / f"{case['name']}.init.safetensors", "--batch", str(case["batch"])]
    command += ["--no-shuffle", "--max-steps", str(STEPS), "--summary=json"]
    for setting in case["set"]:
        command += ["--set", setting]
    reports = case.get("reports", False)
    if reports:
        command += ["--valid", REPOSITORY / case["data"]]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"exit status {run.returncode}\n{run.stderr}")
    summary = json.loads(run.stdout.splitlines()[-1])
    figures = {"loss": summary["losses"]}
    for graph, part in (("train", "train"), ("eval", "valid")) if reports else ():
        values = {"loss": summary[f"{part}_loss"]} | summary[f"{part}_metrics"]
        figures |= {f"report.{graph}.{name}": [value] for name, value in values.items()}
    return figures


def main():
    (nnc_train,) = sys.argv[1:]
    failures = 0
    for case in json.loads((FIXTURES / "cases.json").read_text()):
        theirs = expected_figures(case["name"])
        try:
            ours = reported_figures(nnc_train, case)
            if ours.keys() != theirs.keys():
                raise RuntimeError(f"only one side has {', '.join(sorted(ours.keys() ^ theirs.keys()))}")
            off = [abs(a - b) / abs(b) for name in ours for a, b in zip(ours[name], theirs[name], strict=True)]
            good = all(error <= TOLERANCE for error in off)
            print(f"{case['name']}: {len(off)} figures are off by at most {max(off):.1e}{'' if good else ': FAILED'}")
        except Exception as error:
            good = False
            print(f"{case['name']}: FAILED: {error}")
        failures += not good
    sys.exit(1 if failures else 0)


main()
