"""The compiler knows no layer, loss or optimizer: a user's copy of std under other names compiles to the same ops."""
import itertools
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import sources

NNC = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin" / "nnc"
STD = sorted((sources.ROOT / "frontend" / "std").glob("*.nn"))
PROGRAMS = [sources.ROOT / "examples" / name for name in ("mlp.nn", "custom_optimizer.nn")]
PROGRAMS += sorted((sources.ROOT / "tests" / "parity" / "programs").glob("*.nn"))

COMPILED = ("mlp.nn", "recurrent_layers.nn", "norms.nn", "batch_norm.nn")

PREFIX = "renamed_"
TOKEN = re.compile(r'//[^\n]*|"[^"\n]*"|[A-Za-z_][A-Za-z_0-9]*')
DECLARATION = re.compile(r"^(?:layer|fn|optimizer|schedule|init)\s+(\w+)\s*\(", re.M)
LOCATION = re.compile(r'\s+loc\((?:"[^"]*"|[^")])*\)')
# What `clip_norm` means is std's, whoever writes it: a program has no way to name these.
OWN_OF_STD = ("std/clipping.nn",)


def rename(text, names):
    """Renames declarations and their calls: a name right before `(`. Parameters, arguments and locals keep theirs, as
    `init: init` and `init = zeros()` do; so do comments and texts."""
    def renamed(match):
        word, after = match.group(), text[match.end():match.end() + 1]
        return PREFIX + word if word in names and after == "(" else word
    return TOKEN.sub(renamed, text)


def printed(path, stage):
    """The lines of the module at that stage."""
    done = subprocess.run([NNC, f"--emit={stage}", path], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{path}: {done.stderr}")
    return done.stdout.splitlines()


def ops(lines):
    """The lines without locations, the prefix and alignment."""
    return [re.sub(r" +", " ", LOCATION.sub("", line)).replace(PREFIX, "") for line in lines]


def std_locations(lines):
    """The std files that the lines come from."""
    return {found for line in lines for found in re.findall(r'"(std/[^"]*)"', line)}


class Renaming(unittest.TestCase):
    def setUp(self):
        self.std = "".join(path.read_text(encoding="utf-8") for path in STD)
        self.names = set(DECLARATION.findall(self.std))

    def test_all_of_std_is_renamed(self):
        copy = rename(self.std, self.names)
        declared = DECLARATION.findall(copy)
        self.assertGreater(len(declared), 20)
        self.assertEqual({PREFIX + name for name in self.names}, set(declared))

    def test_parameters_keep_their_names(self):
        source = "layer a(x, b: init = b(1)) {\n  param w = b  // b(2)\n  return b(x, b = c(b)) as b\n}"
        self.assertEqual(rename(source, {"a", "b", "c"}),
                         f"layer {PREFIX}a(x, b: init = {PREFIX}b(1)) {{\n  param w = b  // b(2)\n"
                         f"  return {PREFIX}b(x, b = {PREFIX}c(b)) as b\n}}")

    def test_a_copy_under_other_names_gives_the_same_ops(self):
        self.assertGreater(len(PROGRAMS), 5)
        copy = rename(self.std, self.names)
        for program in PROGRAMS:
            with self.subTest(program=program.name), tempfile.TemporaryDirectory() as folder:
                text = program.read_text(encoding="utf-8")
                path = pathlib.Path(folder) / program.name
                path.write_text(rename(text, self.names) + "\n" + copy, encoding="utf-8")
                # Passes see paths and places too: they make the same programs of both.
                stage = "program" if program.name in COMPILED else "step"
                given, renamed = printed(program, stage), printed(path, stage)
                differing = [pair for pair in itertools.zip_longest(ops(renamed), ops(given)) if pair[0] != pair[1]]
                self.assertEqual(differing[:1], [])
                # The comparison is of two sources: the copy's ops come from the user's file.
                self.assertTrue(std_locations(given))
                self.assertEqual(std_locations(renamed) - set(OWN_OF_STD), set())


if __name__ == "__main__":
    unittest.main()
