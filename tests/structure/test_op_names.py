"""Outside ir/ nothing names an elementwise op or a reduction: what the code must know it asks the op's record."""
import os
import pathlib
import subprocess
import unittest

import sources

NNC_OPT = pathlib.Path(os.environ["NNC_BUILD_DIR"]) / "bin" / "nnc-opt"
PLACES = ("frontend", "passes", "runtime", "tools")


def op_names():
    listed = subprocess.run([NNC_OPT, "--list-ops"], check=True, capture_output=True, text=True).stdout
    rows = [line.split(maxsplit=1) for line in listed.splitlines()]
    return {name for name, family in rows if family in ("elementwise", "reduction")}


def named_ops(path, text, names):
    return [f'{path}:{line}: "{literal}"' for line, literal in sources.string_literals(text) if literal in names]


class OpNames(unittest.TestCase):
    def test_the_list_is_there(self):
        names = op_names()
        self.assertGreater(len(names), 20)
        self.assertIn("exp", names)
        self.assertIn("sum", names)

    def test_nothing_names_an_op(self):
        names = op_names()
        found = [line for path in sources.files(".h", ".cpp", folders=PLACES)
                 for line in named_ops(path, sources.read(path), names)]
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_no_scalar_operation_outside_ir(self):
        found = [path for path in sources.files(".h", ".cpp", folders=("frontend", "passes", "tools"))
                 if "ScalarOp::" in sources.read(path)]
        self.assertEqual(found, [])

    def test_a_name_is_seen(self):
        code = 'f("exp"); // "sum"\n#include "exp"\nconst char* s = R"(sum)"; g("export", \'"\', "a\\"exp");\nh("exp");'
        self.assertEqual(named_ops("a.cpp", code, {"exp", "sum"}), ['a.cpp:1: "exp"', 'a.cpp:3: "sum"', 'a.cpp:4: "exp"'])


if __name__ == "__main__":
    unittest.main()
