"""Everything in std meets numbers that others computed: each declaration, and each of its arguments, is used by a program
that is compared with PyTorch (tests/parity), or in a test of values that PyTorch does not have (random numbers). What std
refuses is refused in a golden test."""
import collections
import json
import re
import unittest

import sources

CASES = json.loads(sources.read("tests/parity/fixtures/cases.json"))
PROGRAMS = sorted({case["program"] for case in CASES})
VALUE_TESTS = [f"tests/unit/{name}_test.cpp" for name in ("std", "std_values", "augment", "rearrange")]
# What the settings of `train` stand for.
SETTINGS = {"clip_value": ["clip_elements"], "clip_norm": ["squared_norm", "clip_scale"]}

DECLARATION = re.compile(r"^(layer|fn|optimizer|schedule|init)\s+(\w+)\s*\(", re.M)
CALL = re.compile(r"(\w+)\s*\(")
COMMENT = re.compile(r"//[^\n]*")

Declared = collections.namedtuple("Declared", "kind parameters body")


def arguments(text, begin):
    """What stands between the commas from `begin`, behind a `(`, and where its `)` is."""
    depth, found, start, at, quoted = 1, [], begin, begin, False
    while at < len(text) and depth:
        c = text[at]
        quoted ^= c == '"'
        if not quoted:
            depth += (c in "([{") - (c in ")]}")
            if c == "," and depth == 1 or depth == 0:
                found.append(text[start:at].strip())
                start = at + 1
        at += 1
    return [argument for argument in found if argument], at - 1


def declarations(text):
    """Of a std file, by name."""
    text = COMMENT.sub("", text)
    starts = list(DECLARATION.finditer(text))
    for match, end in zip(starts, [following.start() for following in starts[1:]] + [len(text)]):
        given, close = arguments(text, match.end())
        parameters = [re.match(r"\w+", parameter).group() for parameter in given]
        defaults = ",".join(given)
        yield match.group(2), Declared(match.group(1), parameters, defaults + "\n" + text[close + 1:end])


def calls(text, std):
    """(name, the parameter that an argument is for) of each call of std; the parameter is none for the call itself."""
    for match in CALL.finditer(text):
        name = match.group(1)
        for declared in std.get(name, []):
            yield name, None
            for place, argument in enumerate(arguments(text, match.end())[0]):
                named = re.match(r"(\w+)\s*=(?!=)", argument)
                if named:
                    yield name, named.group(1)
                elif place < len(declared.parameters):
                    yield name, declared.parameters[place]


def unchecked(std, texts):
    """Names, and names with an argument, that neither the texts nor what they call uses."""
    used, bodies = set(), {}
    waiting = list(texts)
    while waiting:
        for name, parameter in calls(waiting.pop(), std):
            used.add((name, parameter))
            if name not in bodies:
                bodies[name] = True
                waiting += [declared.body for declared in std[name]]
    missing = []
    for name, several in std.items():
        for declared in several:
            if (name, None) not in used:
                missing.append(name)
            else:
                missing += [f"{name}({p})" for p in declared.parameters if (name, p) not in used]
    return missing


class StdIsChecked(unittest.TestCase):
    def setUp(self):
        self.std = collections.defaultdict(list)
        for path in sources.files(".nn", folders=["frontend/std"]):
            for name, declared in declarations(sources.read(path)):
                self.std[name].append(declared)
        texts = [COMMENT.sub("", sources.read(path)) for path in PROGRAMS]
        for path in VALUE_TESTS:
            texts.append("\n".join(text.replace('\\"', '"') for _, text in sources.string_literals(sources.read(path))))
        for setting, names in SETTINGS.items():
            if any(re.search(rf"^\s*{setting} =", text, re.M) for text in texts):
                texts += [f"{name}({', '.join(self.std[name][0].parameters)})" for name in names]
        self.texts = texts

    def test_all_of_std_is_compared_with_numbers(self):
        self.assertGreater(len(self.std), 100)
        self.assertEqual(unchecked(self.std, self.texts), [])

    def test_each_refusal_is_met(self):
        """What std says with `error` is in an expectation of a golden test."""
        expected = "".join(line for path in sources.files(".nn", folders=["tests/golden/errors"])
                           for line in sources.read(path).splitlines() if "CHECK" in line)
        refusals = [text for path in sources.files(".nn", folders=["frontend/std"])
                    for text in re.findall(r'error\("([^"]*)"', sources.read(path))]
        self.assertGreater(len(refusals), 15)
        self.assertEqual([text for text in refusals if text not in expected], [])

    def test_what_nobody_uses_is_found(self):
        own = dict(declarations("fn a(x, y: f32 = b(1)) = x * y\nfn b(z, w = 2) {\n  return c(z)\n}\nfn c(z) = z  // d(z)\nfn d(z) = z\n"))
        std = {name: [declared] for name, declared in own.items()}
        self.assertEqual(unchecked(std, ["u = a(3)"]), ["a(y)", "b(w)", "d"])
        self.assertEqual(unchecked(std, ["u = a(b(1, w = (2, 3)), d(4))"]), [])


if __name__ == "__main__":
    unittest.main()
