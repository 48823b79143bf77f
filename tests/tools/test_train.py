"""nnc-train as users and scripts meet it: exit statuses, files, stderr, and the figures of --summary=json."""
import json
import math
import os
import pathlib
import random
import resource
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(os.environ["NNC_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin"
CUSTOM = ROOT / "examples/custom_optimizer.nn"
CANCER = ROOT / "examples/data/breast_cancer.csv"

# What is asked for to the letter; planned_bytes is absent, since nothing is planned without a Program.
KEYS = {"steps", "epochs", "train_loss", "valid_loss", "best_valid_loss", "best_epoch", "train_metrics", "valid_metrics",
        "losses", "stop_reason", "step_ms_median", "step_ms_min", "compile_ms", "examples_per_s", "peak_rss_bytes",
        "planned_bytes", "flops_per_step", "parameters"}

LINE = """
hyper rate = 0.1
hyper patience = 100
train {
  data x: f32[2], y: f32
  scores = linear(x, 1) as fit
  loss mse(scores[:, 0], y)
  metric error = mean((scores[:, 0] - y) ^ 2)
  optimizer sgd(lr = rate)
  batch = 4
  epochs = 3
  stop patience = patience, min_delta = 1e-3
}
"""


def run(*arguments, **options):
    return subprocess.run([BIN / "nnc-train", *map(str, arguments)], capture_output=True, text=True, **options)


class Train(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.line = self.dir / "line.nn"
        self.line.write_text(LINE)
        self.points = self.dir / "points.csv"
        rng = random.Random(1)
        rows = [(rng.random(), rng.random()) for _ in range(10)]
        self.points.write_text("a,b,y\n" + "".join(f"{a},{b},{2 * a - b + 1}\n" for a, b in rows))

    def figures(self, *arguments, status=0):
        done = run(*arguments, "--summary=json")
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertTrue(done.stdout.endswith("\n"))
        return json.loads(done.stdout.splitlines()[-1])

    def test_the_work_of_a_loop_is_that_of_all_its_steps(self):
        loop = self.dir / "loop.nn"
        loop.write_text("""
layer net(x: f32[N, D]) -> f32[N, D] {
  param w: f32[D, D] = uniform(0.1)
  ys = scan t in 0..10 carry h = x {
    h = tanh(h @ w)
    yield h
  }
  return ys[9]
}
train {
  data x: f32[8], y: f32[8]
  loss mse(net(x) as model, y)
  optimizer sgd(lr = 0.1)
  batch = 4
  epochs = 1
}
""")
        products = 10 * 3 * 2 * 4 * 8 * 8  # of each step forward, and for both gradients
        for how in ([], ["--reference"]):
            figures = self.figures(loop, "--synthetic", "--max-steps", "1", "--quiet", *how)
            self.assertGreaterEqual(figures["flops_per_step"], 0.9 * products)
            self.assertLess(figures["flops_per_step"], 2 * products)

    def test_a_profile_tells_instructions_and_lines(self):
        trace = self.dir / "trace.json"
        done = run(self.line, "--data", self.points, "--profile", "--trace", trace, "--quiet", "--summary=json")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^train@4: 5 runs, \d+\.\d{3} [mu]s each; at best [1-9]\d*\.\d GB/s, [1-9]\d*\.\d GFLOP/s$")
        self.assertRegex(done.stdout, rf"(?m)^ .* @k\d+ mul sum .* +{self.line}:6:12$")
        self.assertRegex(done.stdout, rf"(?m)^ .*  {self.line}:7: loss mse\(scores\[:, 0\], y\)$")
        self.assertRegex(done.stdout, r"(?m)^train@2: 2 runs, ")
        self.assertEqual(json.loads(lines[-1])["steps"], 9)
        events = json.loads(trace.read_text())["traceEvents"]
        self.assertIn("train@4", [event["args"].get("name") for event in events if event["ph"] == "M"])
        timed = [event for event in events if event["ph"] == "X"]
        self.assertTrue(any(" mul sum " in event["name"] for event in timed))
        self.assertTrue(all(event["dur"] > 0 and event["ts"] >= 0 for event in timed))

    def test_a_trace_alone_prints_no_tables(self):
        trace = self.dir / "trace.json"
        done = run(self.line, "--data", self.points, "--trace", trace, "--quiet")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertTrue(json.loads(trace.read_text())["traceEvents"])

    def test_a_trace_that_cannot_be_written_is_an_error(self):
        done = run(self.line, "--data", self.points, "--trace", self.dir / "no/trace.json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/trace.json", done.stderr)
        self.assertNotIn("epoch", done.stderr)
        done = run(self.line, "--data", self.points, "--trace", self.dir)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"{self.dir}: error: expected a file to write the trace to, found a directory\n")

    def test_a_file_beyond_the_limit_of_sizes_is_an_error(self):
        out = self.dir / "out"
        limited = lambda *args: subprocess.run(args, capture_output=True, text=True,
                                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
        done = limited(BIN / "nnc-train", self.line, "--data", self.points, "--no-kernel-cache", "--out", out)
        self.assertEqual((done.returncode, done.stderr), (1, f"{out}: error: cannot write to the output directory: File too large\n"))
        self.assertEqual(list(out.iterdir()), [])
        done = limited(BIN / "nnc", self.line, "-o", self.dir / "line.txt")
        self.assertEqual((done.returncode, done.stderr), (1, f"{self.dir}/line.txt: error: cannot write it: File too large\n"))
        self.assertEqual(list(self.dir.glob("line.txt*")), [])

    def test_summary_has_every_key(self):
        figures = self.figures(self.line, "--data", self.points, "--val-split", "0.2")
        self.assertEqual(set(figures), KEYS)
        self.assertEqual(figures["stop_reason"], "epochs")
        self.assertEqual((figures["steps"], figures["epochs"]), (6, 3))  # 8 examples: 4 + 4
        self.assertEqual(len(figures["losses"]), 6)
        self.assertEqual(set(figures["train_metrics"]), {"error"})
        self.assertEqual(set(figures["valid_metrics"]), {"error"})
        self.assertAlmostEqual(figures["train_metrics"]["error"], figures["train_loss"], places=6)
        self.assertLessEqual(figures["best_valid_loss"], figures["valid_loss"])
        self.assertIn(figures["best_epoch"], (1, 2, 3))
        self.assertEqual(figures["parameters"], 3)
        for key in ("step_ms_median", "step_ms_min", "compile_ms", "examples_per_s", "peak_rss_bytes", "planned_bytes",
                    "flops_per_step"):
            self.assertGreater(figures[key], 0, key)
        self.assertLessEqual(figures["step_ms_min"], figures["step_ms_median"])

    def test_weights_are_read_and_written_without_a_second_copy(self):
        wide = self.dir / "wide.nn"
        # Frozen, so that a step needs little memory that would hide a copy made before it.
        wide.write_text("train {\n data x: f32[4000], y: f32\n  h = linear(x, 4000) as wide\n"
                        "  loss mse(sum(h, axis = 1), y)\n  optimizer sgd(lr = 1e-6)\n  group wide.weight { frozen = true }\n  batch = 2\n  epochs = 1\n}\n")
        arguments = [wide, "--synthetic", "--max-steps", "1"]
        weights = 4000 * 4000 * 4
        peak = self.figures(*arguments)["peak_rss_bytes"]
        with_out = self.figures(*arguments, "--out", self.dir / "out")["peak_rss_bytes"]
        with_init = self.figures(*arguments, "--init", self.dir / "out/last.safetensors")["peak_rss_bytes"]
        self.assertGreater(peak, weights)
        self.assertLess(max(with_out, with_init) - peak, weights / 2)

    def test_memory_grows_by_what_is_planned(self):
        deep = self.dir / "deep.nn"
        deep.write_text("train {\n data x: f32[1], y: f32\n  h = tanh(linear(x, 2000) as a)\n  h = tanh(linear(h, 2000) as b)\n"
                        "  h = tanh(linear(h, 2000) as c)\n  loss mse(sum(h, axis = 1), y)\n  optimizer adam(lr = 1e-6)\n"
                        "  batch = 2\n  epochs = 1\n}\n")
        few, many = (self.figures(deep, "--synthetic", "--max-steps", "2", "--batch", batch) for batch in ("16", "12000"))
        planned = many["planned_bytes"] - few["planned_bytes"]
        grown = many["peak_rss_bytes"] - few["peak_rss_bytes"]
        value = 12000 * 2000 * 4
        self.assertGreater(planned, 3 * value)
        self.assertGreater(grown, planned - value / 2)
        self.assertLess(grown, planned + value / 2)

    def test_without_validation_its_figures_are_null(self):
        figures = self.figures(self.line, "--data", self.points)
        self.assertEqual(set(figures), KEYS)
        for key in ("valid_loss", "best_valid_loss", "best_epoch", "valid_metrics"):
            self.assertIsNone(figures[key], key)
        self.assertEqual(figures["steps"], 9)  # 10 examples: 4 + 4 + 2
        self.assertEqual(len(figures["losses"]), 9)

    def test_the_summary_is_all_of_standard_output(self):
        self.assertEqual(len(run(self.line, "--data", self.points, "--summary=json").stdout.splitlines()), 1)
        self.assertEqual(run(self.line, "--data", self.points).stdout, "")

    def test_stderr_is_plain_lines_for_people(self):
        done = run(self.line, "--data", self.points, "--val-split", "0.2")
        self.assertNotIn("\x1b", done.stderr)
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("reference interpreter", done.stderr)
        self.assertIn("reference interpreter", run(self.line, "--data", self.points, "--reference").stderr)
        epochs = [line for line in done.stderr.splitlines() if line.startswith("epoch")]
        self.assertEqual(len(epochs), 3, done.stderr)
        self.assertRegex(epochs[0], r"^epoch 1/3  [\d.]+ s  loss [\d.]+  error [\d.]+  valid loss [\d.]+  error [\d.]+  best$")
        self.assertEqual(run(self.line, "--data", self.points, "--quiet").stderr, "")

    def test_with_or_without_reference_is_the_same(self):
        first = self.figures(self.line, "--data", self.points)
        second = self.figures(self.line, "--data", self.points, "--reference")
        for ours, theirs in zip(first["losses"], second["losses"], strict=True):
            self.assertTrue(math.isclose(ours, theirs, rel_tol=1e-5), (ours, theirs))

    def test_the_seed_decides_everything(self):
        losses = [self.figures(self.line, "--data", self.points, "--seed", seed)["losses"] for seed in (1, 1, 2)]
        self.assertEqual(losses[0], losses[1])
        self.assertNotEqual(losses[0], losses[2])

    def test_images_are_augmented_as_the_seed_says(self):
        common = [ROOT / "examples/resnet20.nn", "--data", ROOT / "tests/parity/data/colours", "--set", "width=2",
                  "--set", "blocks=1", "--batch", 4, "--epochs", 1, "--seed", 3]
        plain = self.figures(*common)["losses"]
        augmented = [self.figures(*common, "--set", "augment=true", *options)["losses"]
                     for options in ([], [], ["--reference"])]
        self.assertEqual(augmented[0], augmented[1])
        self.assertNotEqual(augmented[0], plain)
        for ours, reference in zip(augmented[0], augmented[2], strict=True):
            self.assertAlmostEqual(ours, reference, delta=1e-4)

    def test_max_steps_ends_within_an_epoch(self):
        figures = self.figures(self.line, "--data", self.points, "--max-steps", "4", "--out", self.dir / "out")
        self.assertEqual((figures["steps"], figures["epochs"], figures["stop_reason"]), (4, 1, "max_steps"))
        self.assertTrue((self.dir / "out/last.safetensors").is_file())

    def test_no_improvement(self):
        figures = self.figures(self.line, "--data", self.points, "--set", "rate=0.0", "--set", "patience=2", "--epochs", "50")
        self.assertEqual((figures["epochs"], figures["stop_reason"]), (3, "no_improvement"))

    def test_divergence_is_status_3(self):
        figures = self.figures(self.line, "--data", self.points, "--set", "rate=1e30", status=3)
        self.assertEqual(figures["stop_reason"], "diverged")
        self.assertIsNone(figures["losses"][-1])

    def test_synthetic(self):
        figures = self.figures(self.line, "--synthetic", "--epochs", "1")
        self.assertEqual((figures["steps"], figures["epochs"]), (100, 1))
        self.assertIsNone(figures["valid_loss"])

    def test_out_holds_last_and_best(self):
        out = self.dir / "deep/out"
        run(self.line, "--data", self.points, "--out", out, check=True)
        self.assertTrue({"last.safetensors", "best.safetensors"} <= set(os.listdir(out)))
        self.assertFalse([name for name in os.listdir(out) if name.endswith(".part")])
        again = self.figures(self.line, "--data", self.points, "--init", out / "last.safetensors", "--no-shuffle", "--max-steps", "1")
        fresh = self.figures(self.line, "--data", self.points, "--no-shuffle", "--max-steps", "1")
        self.assertLess(again["losses"][0], fresh["losses"][0])

    def test_a_run_that_was_killed_is_resumed_to_the_same_bits(self):
        program = self.dir / "noisy.nn"
        program.write_text("""
train {
  data features: f32[30], label: u8
  x = batch_norm(features) as norm
  scores = linear(dropout(relu(linear(x, 1024) as hidden), 0.3), 2) as fit
  loss cross_entropy(scores, label)
  metric accuracy = mean(argmax(scores, axis = -1) == label)
  optimizer adamw(lr = cosine(1e-2))
  batch = 32
  epochs = 100
}
""")
        whole, cut = self.dir / "whole", self.dir / "cut"
        data = ("--data", CANCER, "--val-split", "0.2")
        expected = self.figures(program, *data, "--seed", "5", "--out", whole)
        state = cut / "run.safetensors"
        process = subprocess.Popen([BIN / "nnc-train", program, *data, "--seed", "5", "--out", cut, "--quiet"])
        while not state.exists():
            time.sleep(1e-3)
        process.kill()
        self.assertEqual(process.wait(), -signal.SIGKILL)
        # Once more, within an epoch, and then to the end.
        header = state.read_bytes()
        header = json.loads(header[8:8 + int.from_bytes(header[:8], "little")])
        steps = int(header["__metadata__"]["nnc.steps"])
        self.assertEqual(steps % 15, 0)
        self.figures(program, *data, "--resume", cut, "--max-steps", steps + 7)
        done = run(program, *data, "--resume", cut, "--summary=json")
        self.assertTrue(done.stderr.startswith(f"resuming after step {steps + 7:,}\n"), done.stderr)
        found = json.loads(done.stdout)
        for key in ("steps", "epochs", "train_loss", "train_metrics", "valid_loss", "valid_metrics", "best_valid_loss",
                    "best_epoch", "stop_reason"):
            self.assertEqual(found[key], expected[key], key)
        self.assertEqual(set(os.listdir(cut)), set(os.listdir(whole)))
        for name in os.listdir(whole):
            self.assertEqual((cut / name).read_bytes(), (whole / name).read_bytes(), name)

    def test_a_run_that_cannot_be_resumed_says_why(self):
        out = self.dir / "out"
        self.figures(self.line, "--data", self.points, "--out", out, "--no-shuffle", "--max-steps", "2")
        before = (out / "run.safetensors").read_bytes()
        done = run(self.line, "--data", self.points, "--resume", out, "--batch", "5", "--seed", "3")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.splitlines(), [
            f"{out}/run.safetensors: error: its run has seed 0, this one has seed 3: leave out --seed",
            f"{out}/run.safetensors: error: its run has batches of 4, this one has batches of 5: it resumes with those it began with"])
        self.assertEqual((out / "run.safetensors").read_bytes(), before)
        for dry in ((), ("--dry-run",)):
            done = run(self.line, "--data", self.points, "--resume", self.dir / "none", *dry)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"{self.dir}/none/run.safetensors: error: there is no such file, so no run to resume; "
                                          "--out DIR begins one\n")
        self.assertFalse((self.dir / "none").exists())
        done = run(self.line, "--data", self.points, "--resume", out / "run.safetensors")
        self.assertEqual(done.stderr, f"{out}/run.safetensors: error: expected the folder that a run wrote to, found a file\n")
        # Order and seed need not be said again. What a killed writer left goes, what another program did stays.
        (out / "run.safetensors.4194304.part").write_text("half")
        (out / "run.safetensors.part").write_text("of somebody")
        self.assertEqual(self.figures(self.line, "--data", self.points, "--resume", out)["steps"], 9)
        self.assertEqual(set(os.listdir(out)), {"best.safetensors", "last.safetensors", "run.safetensors", "run.safetensors.part"})

    def test_an_unwritable_out_is_one_error_before_the_first_step(self):
        (self.dir / "file").write_text("in the way")
        done = run(self.line, "--data", self.points, "--out", self.dir / "file/out", "--summary=json")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        self.assertNotIn("epoch", done.stderr)

    def test_dry_run_checks_and_trains_nothing(self):
        done = run(self.line, "--data", self.points, "--val-split", "0.2", "--dry-run", "--out", self.dir / "new")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("8 for training, 2 for validation", done.stderr)
        self.assertNotIn("epoch 1", done.stderr)
        self.assertFalse((self.dir / "new").exists())
        figures = self.figures(self.line, "--data", self.points, "--dry-run")
        self.assertEqual((figures["steps"], figures["parameters"]), (0, 3))
        self.points.write_text("a,b,y\n1,2,3\n1,two,3\n")
        self.assertEqual(run(self.line, "--data", self.points, "--dry-run").returncode, 1)
        self.assertEqual(run(self.line, "--synthetic", "--dry-run", "--init", self.dir / "none").returncode, 1)
        (self.dir / "file").write_text("")
        self.assertEqual(run(self.line, "--synthetic", "--dry-run", "--out", self.dir / "file/out").returncode, 1)

    def test_val_split_that_leaves_nothing(self):
        for fraction in ("0.01", "0.99"):
            done = run(self.line, "--data", self.points, "--val-split", fraction)
            self.assertEqual(done.returncode, 1)
            self.assertIn("--val-split", done.stderr)

    def test_a_printed_module_trains_like_its_source(self):
        batches = ["--data", self.points, "--max-steps", "3", "--val-split", "0.2"]  # 8 and 2 examples
        source = self.figures(self.line, *batches, "--batch", "2")
        for stage in ("graph", "step", "optimized"):
            module = self.dir / f"{stage}.ir"
            subprocess.run([BIN / "nnc", self.line, "--batch", "2", f"--emit={stage}", "-o", module], check=True)
            self.assertEqual(self.figures(module, *batches)["losses"], source["losses"], stage)
            done = run(module, "--data", self.points)  # 10 = 5 * 2: fits
            self.assertEqual(done.returncode, 0, done.stderr)
            done = run(module, "--data", self.points, "--val-split", "0.1")  # 9 is odd
            self.assertEqual(done.returncode, 1)
            self.assertIn("the data needs `train` for batches of 1, and the module has it for 2; train the .nn source", done.stderr)

    def test_validation_columns_go_by_name(self):
        lines = self.points.read_text().splitlines()
        swapped = self.dir / "swapped.csv"
        swapped.write_text("".join(",".join(line.split(",")[i] for i in (2, 1, 0)) + "\n" for line in lines))
        losses = [self.figures(self.line, "--data", self.points, "--valid", valid)["valid_loss"]
                  for valid in (self.points, swapped)]
        self.assertEqual(losses[0], losses[1])
        swapped.write_text("a,c,y\n1,2,3\n")
        done = run(self.line, "--data", self.points, "--valid", swapped)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no column `b`, which field `x` takes in the training data", done.stderr)

    def test_without_an_improved_epoch_there_is_no_best(self):
        out = self.dir / "out"
        out.mkdir()
        (out / "best.safetensors").write_text("of an earlier run")
        valid = self.dir / "valid.csv"
        valid.write_text("a,b,y\n1,2,3e38\n")  # its square is infinite
        figures = self.figures(self.line, "--data", self.points, "--valid", valid, "--out", out)
        for key in ("valid_loss", "best_valid_loss", "best_epoch"):
            self.assertIsNone(figures[key], key)
        self.assertEqual(set(os.listdir(out)), {"last.safetensors", "run.safetensors"})

    def test_what_does_not_go_is_said_before_anything_is_made(self):
        out = self.dir / "out"
        done = run(self.line, "--synthetic", "--init", self.dir / "none", "--out", out)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("executing", done.stderr)
        self.assertFalse(out.exists())
        (out / "best.safetensors").mkdir(parents=True)
        done = run(self.line, "--synthetic", "--out", out)
        self.assertEqual(done.returncode, 1)
        self.assertIn("best.safetensors: error: expected a file to replace, found a directory", done.stderr)
        self.assertNotIn("executing", done.stderr)

    def test_seeds_are_all_of_u64_and_decimal(self):
        losses = [self.figures(self.line, "--data", self.points, "--seed", seed)["losses"]
                  for seed in (2**64 - 1, 0, "0010", 10)]
        self.assertNotEqual(losses[0], losses[1])
        self.assertEqual(losses[2], losses[3])

    def test_a_signal_before_training_is_one_line_of_figures(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([BIN / "nnc-train", "-", "--synthetic", "--summary=json"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            # More than a pipe holds: written only when the process reads.
            process.stdin.write(b"# comment\n" * 100000)
            process.stdin.flush()
            process.send_signal(number)
            stdout = process.stdout.read()
            self.assertEqual(process.wait(timeout=300), 128 + number)
            process.stdin.close()
            process.stdout.close()
            process.stderr.close()
            figures = json.loads(stdout)
            self.assertEqual(set(figures), KEYS)
            self.assertEqual((figures["steps"], figures["stop_reason"], figures["train_loss"]), (0, "signal", None))

    def check_signal(self, number, status):
        out = self.dir / "out"
        process = subprocess.Popen([BIN / "nnc-train", CUSTOM, "--data", CANCER, "--epochs", "100000", "--out", out,
                                    "--summary=json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("epoch"):
                break
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=300)
        self.assertEqual(process.returncode, status, stderr)
        figures = json.loads(stdout)
        self.assertEqual(figures["stop_reason"], "signal")
        self.assertGreaterEqual(figures["epochs"], 1)
        self.assertTrue((out / "last.safetensors").is_file())

    def test_sigint(self):
        self.check_signal(signal.SIGINT, 130)

    def test_sigterm(self):
        self.check_signal(signal.SIGTERM, 143)


if __name__ == "__main__":
    unittest.main()
