"""Nothing is skipped, expected to fail or tried again: what cannot run fails."""
import re
import unittest

import sources

MARKS = {
    ".nn": r"\b(REQUIRES|UNSUPPORTED|XFAIL|ALLOW_RETRIES):",
    ".ir": r"\b(REQUIRES|UNSUPPORTED|XFAIL|ALLOW_RETRIES):",
    ".test": r"\b(REQUIRES|UNSUPPORTED|XFAIL|ALLOW_RETRIES):",
    ".cpp": r"_?TEST_CASE\([^)]*\[(\.|!(mayfail|hide|shouldfail|throws|benchmark)\])|\bSKIP\s*\(",
    ".py": r"@(unittest\.)?(skip\w*|expectedFailure)|\bskipTest\b|pytest\.(skip|xfail|mark)",
    ".txt": r"\b(DISABLED|WILL_FAIL|SKIP_RETURN_CODE|SKIP_REGULAR_EXPRESSION)\b",
}


def marks(suffix, text):
    return [match.group(0) for match in re.finditer(MARKS[suffix], text)]


class NothingSkipped(unittest.TestCase):
    def test_no_mark_in_any_test(self):
        for suffix in MARKS:
            for path in sources.files(suffix, folders=("tests",)):
                if path.endswith("test_nothing_skipped.py"):
                    continue  # it spells the marks
                self.assertEqual(marks(suffix, sources.read(path)), [], path)

    def test_marks_are_seen(self):
        for suffix, text in [(".nn", "// XFAIL: *"), (".cpp", 'TEST_CASE("a", "[.]")'), (".cpp", 'TEST_CASE("a", "[.slow]")'),
                             (".cpp", 'TEST_CASE("a", "[!mayfail]")'), (".py", "    @unittest.skipIf(x, y)"),
                             (".txt", "PROPERTIES DISABLED TRUE")]:
            self.assertEqual(len(marks(suffix, text)), 1, text)


if __name__ == "__main__":
    unittest.main()
