"""docs/language.md: its examples compile, what it calls refused is refused at that line, and std has what it lists;
docs/pipeline.md: the step and the passes that it tells of are those there are.

A block's language says what it is: `nn` compiles, after `train` below if it has none of its own; `nn refused` has a line
with the comment `// an error`, where the compiler must see one; `ebnf` is the grammar.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ["NNC_SOURCE_DIR"])
NNC = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin/nnc"
NNC_OPT = NNC.with_name("nnc-opt")
PAGE = (ROOT / "docs/language.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.S | re.M)

# How what an example declares is called, with x: f32[B, 6] and s: f32[B, 5, 6].
CALLS = {"product": "product(x, 1)", "centred": "centred(x) as c", "gated": "gated(x, 3) as g", "recurrent": "recurrent(s, 3) as r"}
TRAIN = """
train {{
  data x: f32[6], s: f32[5, 6]
  loss mean((linear(flatten({call}, start = 1), 1) as head) ^ 2)
  optimizer sgd(lr = 0.1)
  batch = 4
  epochs = 1
}}
"""


def blocks(kind):
    return [block.group(2) for block in BLOCK.finditer(PAGE) if block.group(1) == kind]


def compiled(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "page.nn"
        path.write_text(text)
        done = subprocess.run([NNC, path, "--emit=program", "-o", os.devnull], capture_output=True, text=True)
    return done.returncode, done.stderr


class LanguagePage(unittest.TestCase):
    def test_each_block_says_what_it_is(self):
        self.assertEqual({block.group(1) for block in BLOCK.finditer(PAGE)}, {"nn", "nn refused", "ebnf"})
        self.assertEqual(len(re.findall("^```", PAGE, re.M)), 2 * len(BLOCK.findall(PAGE)))

    def test_examples_compile(self):
        called = set()
        for text in blocks("nn"):
            if not re.search(r"^train\b", text, re.M):
                name = re.match(r"\w+ (\w+)", text).group(1)
                called.add(name)
                text += TRAIN.format(call=CALLS[name])
            status, errors = compiled(text)
            self.assertEqual((status, errors), (0, ""), text)
        self.assertEqual(called, set(CALLS))

    def test_what_is_refused_is_an_error_at_its_line(self):
        self.assertTrue(blocks("nn refused"))
        for text in blocks("nn refused"):
            line = next(i for i, content in enumerate(text.splitlines(), start=1) if "// an error" in content)
            status, errors = compiled(text)
            self.assertEqual(status, 1, text)
            self.assertRegex(errors, rf"^\S+page\.nn:{line}:\d+: error: ")

    def test_the_library_has_what_is_listed(self):
        listed = dict(re.findall(r"^\| \[(\w+\.nn)\]\(\.\./frontend/std/\1\) \| ([^;\n]*)", PAGE, re.M))
        files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "frontend/std").glob("*.nn")}
        self.assertEqual(set(listed), set(files) - {"clipping.nn"})  # that one has what the settings clip_norm and clip_value do
        for file, names in listed.items():
            for name in re.findall(r"`(\w+)`", names):
                self.assertRegex(files[file], rf"(?m)^(layer|fn|optimizer|schedule|init) {name}\(", file)


class PipelinePage(unittest.TestCase):
    def test_the_step_shown_is_the_one_made(self):
        """docs/pipeline.md: each line of its graph is printed for the model above it, in that order."""
        shown = [block.group(2) for block in BLOCK.finditer((ROOT / "docs/pipeline.md").read_text(encoding="utf-8"))]
        at = next(i for i, text in enumerate(shown) if text.startswith("graph @train@4("))
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "tiny.nn").write_text(shown[at - 1])
            done = subprocess.run([NNC, "tiny.nn", "--emit=optimized", "--stop-after=dce"], cwd=folder, check=True,
                                  capture_output=True, text=True)
        made = iter(done.stdout.splitlines())
        lines = [line for line in shown[at].splitlines() if line.strip() != "..."]
        self.assertGreater(len(lines), 15)
        for line in lines:
            self.assertIn(line, made)  # an iterator: what comes before is used up

    def test_the_passes_told_are_those_there_are(self):
        """docs/pipeline.md: a row for each pass, in the order in which they run."""
        page = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
        done = subprocess.run([NNC_OPT, "--list-passes"], check=True, capture_output=True, text=True)
        passes = [line.split()[0] for line in done.stdout.splitlines()]
        told = [name for name in re.findall(r"(?m)^\| `([a-z-]+)` \| [^|]*\|$", page) if name in passes]
        self.assertEqual(told, passes)


if __name__ == "__main__":
    unittest.main()
