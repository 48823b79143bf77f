"""bench/compare.py trains nnc's side of a model, and times no peer whose losses are others than nnc's."""
import json
import os
import pathlib
import py_compile
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["NNC_BUILD_DIR"])
BENCH = pathlib.Path(os.environ["NNC_SOURCE_DIR"]) / "bench"


def compare(*options):
    command = [sys.executable, BENCH / "compare.py", "--nnc", BUILD / "bin", "--models", "tiny", "--rounds", "1", "--seconds",
               "0", "--threads", "1", *options]
    return subprocess.run(command, capture_output=True, text=True)


class Bench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def peer(self, losses):
        """A program in the place of a peer's Python, with these losses."""
        figures = {"losses": losses, "median_ms": 987.5, "least_ms": 987.5, "first_ms": 987.5, "peak_bytes": 1}
        program = self.folder / "peer"
        program.write_text(f"#!/bin/sh\necho '{json.dumps(figures)}'\n")
        program.chmod(0o755)
        return ["--peers", f"pytorch={program}"]

    def test_scripts_compile(self):
        scripts = sorted(BENCH.rglob("*.py"))
        self.assertGreater(len(scripts), 4)
        for script in scripts:
            py_compile.compile(str(script), cfile=str(self.folder / "compiled"), doraise=True)

    def test_nnc_alone(self):
        done = compare("--peers", "")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\| nnc +\| +\d+\.\d{3} \|")

    def test_a_peer_with_other_losses_has_no_time(self):
        done = compare(*self.peer([1.0] * 20))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"error: tiny: pytorch: the loss of step 0 is 1, nnc's is 0\.\d+")
        self.assertIn("failed", done.stdout)
        self.assertNotIn("987.5", done.stdout)

    def test_a_peer_without_losses_has_no_time(self):
        done = compare(*self.peer([]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("error: tiny: pytorch: 0 losses, expected 20", done.stderr)
        self.assertNotIn("987.5", done.stdout)

    def test_unknown_names(self):
        for options, message in [(["--peers", "pytorhc"], "no peer `pytorhc`"), (["--models", "mpl"], "no model `mpl`")]:
            done = compare(*options)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
