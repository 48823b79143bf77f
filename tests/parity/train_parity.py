#!/usr/bin/env python3
"""train_parity.py NNC_TRAIN: from the fixtures' initial weights, nnc-train reports PyTorch's losses to 1e-5."""

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


def expected_losses(case):
    raw = (FIXTURES / f"{case}.steps.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    begin, end = json.loads(raw[8 : 8 + length])["loss"]["data_offsets"]
    return struct.unpack(f"<{STEPS}f", raw[8 + length + begin : 8 + length + end])


def reported_losses(nnc_train, case):
    command = [nnc_train, REPOSITORY / case["program"], "--data", REPOSITORY / case["data"]]
    command += ["--init", FIXTURES / f"{case['name']}.init.safetensors", "--batch", str(case["batch"])]
    command += ["--no-shuffle", "--max-steps", str(STEPS), "--summary=json"]
    for setting in case["set"]:
        command += ["--set", setting]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"exit status {run.returncode}\n{run.stderr}")
    return json.loads(run.stdout.splitlines()[-1])["losses"]


def main():
    (nnc_train,) = sys.argv[1:]
    failures = 0
    for case in json.loads((FIXTURES / "cases.json").read_text()):
        theirs = expected_losses(case["name"])
        try:
            ours = reported_losses(nnc_train, case)
            off = [abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)]
            good = all(error <= TOLERANCE for error in off)
            print(f"{case['name']}: losses are off by at most {max(off):.1e}{'' if good else ': FAILED'}")
        except Exception as error:
            good = False
            print(f"{case['name']}: FAILED: {error}")
        failures += not good
    sys.exit(1 if failures else 0)


main()
