"""The names in nnc --explain are those of the values and kernels that nnc prints of the same file."""
import os
import pathlib
import re
import subprocess
import unittest

EXAMPLES = pathlib.Path(os.environ["NNC_SOURCE_DIR"]) / "examples"
NNC = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin/nnc"


def nnc(*arguments):
    return subprocess.run([NNC, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def graphs(text, opening):
    """The parts of a text, by the graph's name that opens them."""
    parts = re.split(opening, text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Explain(unittest.TestCase):
    def test_values_and_kernels_have_the_names_that_are_printed(self):
        for name in ("mlp", "cnn", "char_lstm", "gpt"):
            file = EXAMPLES / f"{name}.nn"
            explained = graphs(nnc(file, "--explain"), r"^(\S+@\d+|init|report)$")
            values = graphs(nnc(file, "--emit=optimized"), r"^graph @(\S+?)\(")
            kernels = graphs(nnc(file, "--emit=program"), r"^program @(\S+?)\(")
            self.assertIn("train", " ".join(explained))
            for graph, text in explained.items():
                with self.subTest(example=name, graph=graph):
                    made = set(re.findall(r"%[\w.]+(?=[^=\n]* = )", values[graph]))
                    shown = {value for row in re.findall(r"^  (?:forward|backward|update) +((?:%[\w.]+(?:, )?)+)", text, re.MULTILINE)
                             for value in row.split(", ")}
                    self.assertTrue(shown)
                    self.assertLessEqual(shown, made)
                    run = set(re.findall(r"run (@k\d+)", kernels[graph]))
                    named = set(re.findall(r"@k\d+", text))
                    self.assertNotRegex(text, r"(?m)^  \w+ +%[^@>]* kernel ")
                    self.assertTrue(named)
                    self.assertLessEqual(named, run)  # copies to where results belong are of no line


if __name__ == "__main__":
    unittest.main()
