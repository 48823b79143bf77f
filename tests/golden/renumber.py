"""Writes a printed module so that nothing but its meaning stays: other value names, white space, comments.

    renumber.py IN > OUT       nnc-opt of the output is nnc-opt of the input.

Parameters of graphs, rules and programs keep their names, because these are part of the module's meaning.
"""
import random
import re
import sys

TOKEN = re.compile(r'(?P<string>"(?:\\.|[^"\\])*")|(?P<comment>//[^\n]*)|%(?P<value>[\w.]+)|(?P<spaces> +)|(?P<rest>.)', re.S)
HEADER = re.compile(r"^\s*(graph|rule|program) @")
KERNEL = re.compile(r"^\s*kernel @")


def rename(line, names, rng):
    """One line with its values renamed, wider spaces and no comment."""
    out = []
    for match in TOKEN.finditer(line):
        if match.group("value"):
            name = match.group("value")
            if name not in names:
                names[name] = f"v{len(names)}_{rng.randrange(10**6)}"
            out.append("%" + names[name])
        elif match.group("spaces"):
            out.append(" " * rng.randint(1, 4))
        elif not match.group("comment"):
            out.append(match.group(0))
    return "".join(out)


def main():
    rng = random.Random(1)
    names = {}
    for line in open(sys.argv[1], encoding="utf-8").read().splitlines():
        if HEADER.match(line):
            names = {name: name for name in re.findall(r"%([\w.]+)\s*:", line)}
        if KERNEL.match(line):
            names = {}
        print(rename(line, names, rng) + rng.choice(["", "", "  // a remark", "\n// \"quoted\" %0 = { }", "\n\n"]))


main()
