"""Every #include keeps to the table of folders: who may see whom, and who knows which library."""
import re
import unittest

import sources

MAY_INCLUDE = {
    "ir": {"ir"},
    "frontend": {"frontend", "ir"},
    "passes": {"passes", "ir"},
    "runtime": {"runtime", "ir"},
    "tools": set(sources.FOLDERS) - {"tests", "bench"},
    "tests": set(sources.FOLDERS),
    "bench": set(sources.FOLDERS),
}
# Headers outside the project, and the places that may know them; an entry that ends in / or * is a prefix.
LIBRARIES = {
    "fmt/": ["*"],
    "zlib.h": ["runtime/data/", "runtime/checkpoint*", "tests/"],
    "png.h": ["runtime/data/"],
    "jpeglib.h": ["runtime/data/"],
    "nlohmann/": ["runtime/data/", "runtime/checkpoint*", "runtime/safetensors*", "tools/", "tests/"],
    "CLI/": ["tools/", "bench/"],
    "catch2/": ["tests/"],
    "dnnl": ["runtime/onednn/"],
    "oneapi/": ["runtime/onednn/"],
    "llvm/": ["runtime/jit/", "tests/"],
    "omp.h": ["runtime/", "bench/"],
    "immintrin.h": ["bench/"],  # what the machine can do, beside what is emitted
    "xmmintrin.h": ["ir/denormals.h"],  # the mode of the arithmetic
}
SYSTEM = ("dlfcn.h", "fcntl.h", "sched.h", "stdlib.h", "unistd.h", "sys/")  # POSIX, for what touches files and processes
SYSTEM_PLACES = ["runtime/", "tools/", "tests/", "bench/"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def allowed(path, places):
    return any(path.startswith(place.rstrip("*")) for place in places)


def violations(path, text):
    """What is wrong with the includes of a file of that path."""
    folder = path.split("/")[0]
    found = []
    for bracket, name in INCLUDE.findall(text):
        if bracket == '"':
            target = name.split("/")[0]
            if target not in sources.FOLDERS:
                found.append(f'{path}: "{name}" is not written from the root')
            elif target not in MAY_INCLUDE[folder]:
                found.append(f'{path}: {folder} may not include "{name}"')
            continue
        library = next((known for known in LIBRARIES if name.startswith(known)), None)
        if library is not None:
            places = LIBRARIES[library]
        elif name.startswith(SYSTEM):
            places = SYSTEM_PLACES
        elif "/" not in name and "." not in name:
            places = ["*"]  # the C++ standard library
        else:
            places = []
        if not allowed(path, places):
            found.append(f"{path}: <{name}> has no business here")
    return found


class Includes(unittest.TestCase):
    def test_all_files_keep_to_the_table(self):
        paths = sources.files(".h", ".cpp")
        self.assertGreater(len(paths), 50)
        found = [line for path in paths for line in violations(path, sources.read(path))]
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_quoted_includes_exist(self):
        for path in sources.files(".h", ".cpp"):
            for bracket, name in INCLUDE.findall(sources.read(path)):
                if bracket == '"':
                    self.assertTrue((sources.ROOT / name).is_file(), f"{path} includes {name}")

    def test_violations_are_seen(self):
        for path, text in [
            ("ir/graph.h", '#include "passes/pass.h"'),
            ("frontend/parser.cpp", '#include "runtime/trainer.h"'),
            ("passes/cse.cpp", '  # include "frontend/ast.h"'),
            ("runtime/trainer.cpp", '#include "tools/driver.h"'),
            ("tools/driver.cpp", '#include "driver.h"'),
            ("passes/cse.cpp", "#include <nlohmann/json.hpp>"),
            ("runtime/trainer.cpp", "#include <llvm/IR/Module.h>"),
            ("runtime/trainer.cpp", "#include <oneapi/dnnl/dnnl.h>"),
            ("ir/text.cpp", "#include <unistd.h>"),
        ]:
            self.assertEqual(len(violations(path, text)), 1, (path, text))

    def test_headers_open_with_what_they_do(self):
        for path in sources.files(".h"):
            text = sources.read(path)
            self.assertTrue(text.startswith("//"), f"{path} does not open with a comment")
            self.assertIn("#pragma once", text, path)


if __name__ == "__main__":
    unittest.main()
