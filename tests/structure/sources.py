"""The project's own files, as the structure tests read them."""
import os
import pathlib
import re

ROOT = pathlib.Path(os.environ["NNC_SOURCE_DIR"])
FOLDERS = ("ir", "frontend", "passes", "runtime", "tools", "tests", "bench")

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\((.*?)\)\1"|"((?:\\.|[^"\\\n])*)"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def files(*suffixes, folders=FOLDERS):
    """Paths below the root, as text with `/`."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes:
                found.append(path.relative_to(ROOT).as_posix())
    return found


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def string_literals(text):
    """(line, literal) of each C++ string literal outside comments; #include lines do not count."""
    for match in TOKEN.finditer(text):
        literal = match.group(3) if match.group(3) is not None else match.group(2)
        start = text.rfind("\n", 0, match.start()) + 1
        if literal is None or text[start:match.start()].lstrip().startswith("#include"):
            continue
        yield text.count("\n", 0, match.start()) + 1, literal
