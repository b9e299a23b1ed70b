#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Holds docs/protocol.md and docs/sessions.md against the tree: every test, file, type and function that a page names in
# code type exists; every pitfall and weak point of its ranges has one row, with its tests or the reason why it has
# none; and every test that carries such a number, or a section of the thesis, stands on the page where it is sought.
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

TEST = re.compile(r"[A-Z]\w*\.[A-Z]\w*")
NAME = re.compile(r"[A-Za-z_]\w*(::\w+)?")
DECLARED = re.compile(r"\b(?:class|struct|enum class|enum|using)\s+(\w+)")
# The numbers that a test's name begins with: "P03_P89_EveryFailingCall...", "W52_...".
CARRIED = re.compile(r"([PW])(\d\d)_")


def numbers(spans):
    return [f"{kind}{number:02}" for kind, first, last in spans for number in range(first, last + 1)]


def tests():
    """All tests of the tree, as Suite.Name."""
    found = set()
    for path in sorted((ROOT / "test").rglob("*_test.cc")):
        for match in re.finditer(r"^T(?:YPED_T)?EST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", path.read_text(), re.M):
            found.add(f"{match.group(1)}.{match.group(2)}")
    return found


def carried_by(test):
    out, name = [], test.split(".")[1]
    while match := CARRIED.match(name):
        out.append(match.group(1) + ("-" if match.group(1) == "W" else "") + match.group(2))
        name = name[match.end():]
    return out


def rows(text):
    """The rows of the tables of numbers: number, what, tests."""
    out = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and re.fullmatch(r"P\d\d|W-\d\d", cells[0]):
            out.setdefault(cells[0], []).append((cells[1], cells[2]))
    return out


class Page:
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.text = (ROOT / cls.page).read_text()
        cls.named = sorted(set(re.findall(r"`([^`\n]+)`", cls.text)))
        cls.tests = tests()
        cls.rows = rows(cls.text)
        cls.code = [path.read_text() for path in sorted((ROOT / "zraft").rglob("*")) if path.suffix in (".h", ".cc")]
        cls.words = {word for text in cls.code for word in re.findall(r"\w+", text)}
        cls.files_of = {}
        for text in cls.code:
            for name in DECLARED.findall(text):
                cls.files_of.setdefault(name, []).append(text)

    def expect_none(self, offences):
        self.assertEqual(len(offences), 0, "\n" + "\n".join(offences))

    def is_in_code(self, name):
        owner, _, member = name.rpartition("::")
        if not owner:
            return name in self.words
        return any(re.search(rf"\b{member}\b", text) for text in self.files_of.get(owner, []))

    def test_every_name_is_that_of_something(self):
        offences = []
        for name in self.named:
            if "/" in name:
                if not (ROOT / name).exists():
                    offences.append(f"{self.page}: there is no file {name}")
            elif TEST.fullmatch(name):
                if name not in self.tests:
                    offences.append(f"{self.page}: there is no test {name}")
            elif not NAME.fullmatch(name) or not self.is_in_code(name):
                offences.append(f"{self.page}: nothing in zraft/ is called {name}")
        self.expect_none(offences)

    def test_every_number_has_one_row(self):
        self.expect_none([f"{self.page}: {number} has {len(self.rows.get(number, []))} rows, not one"
                          for number in numbers(self.spans) if len(self.rows.get(number, [])) != 1])

    def test_every_row_has_its_tests_or_says_why_it_has_none(self):
        offences = []
        for number, found in self.rows.items():
            for what, tested in found:
                if not what or not (re.search(r"`\w+\.\w+`", tested) or tested.endswith(".")):
                    offences.append(f"{self.page}: {number} names no test and gives no reason")
        self.expect_none(offences)

    def test_every_test_that_carries_a_number_stands_in_its_row(self):
        offences = []
        for test in sorted(self.tests):
            for number in carried_by(test):
                if number in self.rows and not any(f"`{test}`" in tested for _, tested in self.rows[number]):
                    offences.append(f"{self.page}: the row of {number} does not name {test}")
        self.expect_none(offences)


class Protocol(Page, unittest.TestCase):
    page = "docs/protocol.md"
    spans = [("P", 1, 73), ("W-", 1, 13), ("W-", 30, 64), ("W-", 66, 67)]

    def test_every_test_of_the_thesis_stands_on_the_page(self):
        self.expect_none([f"{self.page}: does not name {test}" for test in sorted(self.tests)
                          if test.startswith("Thesis_") and test not in self.named])


class Sessions(Page, unittest.TestCase):
    page = "docs/sessions.md"
    spans = [("P", 74, 85), ("W-", 14, 29)]


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
