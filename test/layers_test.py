#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Style is a test. Holds every source file against the layers and the list of "who may touch the world" that stand in
# docs/architecture.md, and against the rules of writing: the SPDX line, the header comment, lengths, words that have
# no place here. Prints each offence as path:line: what, and its count at the end.
import fnmatch
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE_FOLDERS = ["zraft", "server", "cli", "sim", "test", "fuzz", "bench", "examples"]
CXX = {".h", ".cc", ".c"}
SCRIPTS = {".py", ".sh", ".cmake"}
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LINE_MAX = 120

# A header that reads a clock, starts or joins threads, opens files or sockets, or draws random numbers.
WORLD = re.compile(
    r"<(thread|mutex|shared_mutex|condition_variable|future|latch|barrier|semaphore|stop_token|chrono|ctime|random"
    r"|filesystem|fstream|iostream|csignal|(time|fcntl|unistd|poll|signal|netdb)\.h"
    r"|sys/.*|netinet/.*|arpa/.*|linux/.*|liburing.*|asio.*|openssl/.*)>")
# What the core may not include at all (docs/architecture.md, the row `raft`).
NOT_IN_RAFT = re.compile(r"<(thread|mutex|shared_mutex|condition_variable|future|atomic|chrono|filesystem|iostream)>")
SLEEP = re.compile(r"sleep_for|sleep_until|\b(u|nano|time\.)?sleep\s*\(|^\s*sleep\s")
# The one place that may wait for real processes: it polls with a deadline.
MAY_SLEEP = ["test/system/wait*"]
WORDS = [
    (re.compile(r"#include\s*<format>"), "<format> is not in libstdc++ 12"),
    (re.compile(r"\bco_(await|return|yield)\b"), "a coroutine: GCC 12.2 miscompiles some"),
    (re.compile(r"^\s*throw\b"), "we throw nothing: give a Result"),
    (re.compile(r"#define (?!CHECK\(|UNREACHABLE\(|TOML_UNREACHABLE return false$|TOML_ASSERT_ASSUME)"),
     "macros are CHECK and UNREACHABLE only"),
    (re.compile(r"(?<!static_)\bassert\("), "CHECK, not assert: it is always on"),
    (re.compile(r"\busing namespace std\b|std::endl"), "not `using namespace std`, not std::endl"),
    (re.compile(r"\bfriend (class|struct) "), "`friend` is no architecture"),
    (re.compile(r"\bunordered_(map|set|multimap|multiset)\b"), "its order depends on the library: take an ordered one"),
    (re.compile(r"/(home|work|Users)/\w"), "a path of one machine"),
    (re.compile(r"\b(FIXME|XXX|HACK)\b"), "name a known flaw in words, or an issue as TODO #n"),
    (re.compile(r"\bTODO\b(?!.*#\d)"), "a TODO names its issue: TODO #n"),
]
# A test may be a friend, and may throw, as a user's state machine may.
ALLOWED_IN_TESTS = re.compile("we throw|`friend`")


def part_of(text, name):
    match = re.search(rf"<!-- {name}:.*?-->(.*?)<!-- end of {name} -->", text, re.S)
    assert match, f"docs/architecture.md has no part marked `{name}`"
    return match.group(1)


def architecture():
    text = (ROOT / "docs/architecture.md").read_text()
    folders, sees = {}, {}
    for line in part_of(text, "layers").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 4 or cells[0] in ("layer", "---"):
            continue
        folders[cells[0]] = cells[1].strip("`")
        sees[cells[0]] = cells[2].split()
    world = re.findall(r"`([^`]+)`", part_of(text, "world"))
    return folders, sees, world


def sources():
    paths = [path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*")]
    paths += list((ROOT / "tools").rglob("*")) + list((ROOT / "cmake").rglob("*"))
    paths += [ROOT / "CMakeLists.txt", ROOT / "Makefile", ROOT / ".ci/run"]
    for path in sorted(paths):
        name = path.name
        if path.is_file() and (path.suffix in CXX | SCRIPTS or name in ("CMakeLists.txt", "Makefile", "run")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def layer_of(name, folders):
    found = [layer for layer, folder in folders.items() if name.startswith(folder + "/")]
    return found[0] if found else None


def functions_beyond(lines, length_max):
    """Yields (line, length) of function bodies at the outermost level that are longer."""
    start = None
    for number, line in enumerate(lines, 1):
        opens = re.match(r"\S.*\{$", line) and not re.match(r"(namespace|class|struct|enum|union|extern)\b", line)
        if start is None and opens:
            start = number
        elif start is not None and line.startswith("}"):
            if number - start + 1 > length_max:
                yield start, number - start + 1
            start = None


class Layers(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folders, cls.sees, cls.world = architecture()
        cls.sources = list(sources())
        cls.cxx = [(name, text) for name, text in cls.sources if pathlib.Path(name).suffix in CXX]

    def expect_none(self, offences):
        self.assertEqual(len(offences), 0, "\n" + "\n".join(offences))

    def test_there_is_something_to_look_at(self):
        self.assertGreater(len(self.cxx), 50)
        for layer in ("base", "raft", "node", "storage", "net", "host", "client", "server", "cli", "sim"):
            self.assertIn(layer, self.sees)

    def test_every_library_folder_has_a_row_in_the_table(self):
        here = {f"zraft/{path.name}" for path in (ROOT / "zraft").iterdir() if path.is_dir()}
        self.assertEqual(here - set(self.folders.values()), set())

    def test_the_table_has_no_circle(self):
        done = []
        while len(done) < len(self.sees):
            ready = [layer for layer, sees in self.sees.items()
                     if layer not in done and all(seen.split("/")[0] in done for seen in sees)]
            self.assertTrue(ready, f"a circle among {sorted(set(self.sees) - set(done))}")
            done += ready

    def test_no_include_goes_where_the_table_does_not_allow(self):
        offences = []
        for name, text in self.cxx:
            layer = layer_of(name, self.folders)
            for number, line in enumerate(text.splitlines(), 1):
                include = re.match(r'#include "((?:zraft/)?(\w+)/[^"]+)"', line)
                if layer is None or not include:
                    continue
                seen = layer_of(include.group(1), self.folders)
                short = include.group(1).removeprefix("zraft/")
                if seen != layer and seen not in self.sees[layer] and short not in self.sees[layer]:
                    offences.append(f"{name}:{number}: {layer} may not include {include.group(1)}")
        self.expect_none(offences)

    def test_only_the_real_seams_touch_the_world(self):
        offences = []
        for name, text in self.cxx:
            if layer_of(name, self.folders) is None or matches(name, self.world):
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if line.startswith("#include") and WORLD.search(line):
                    offences.append(f"{name}:{number}: {line}: not in the list of who may touch the world")
        self.expect_none(offences)

    def test_the_core_needs_nothing_of_the_system(self):
        offences = []
        for name, text in self.cxx:
            if name.startswith(("zraft/raft/", "zraft/base/")) and NOT_IN_RAFT.search(text):
                offences.append(f"{name}: includes {NOT_IN_RAFT.search(text).group(0)}")
        self.expect_none(offences)

    def test_no_test_sleeps(self):
        offences = []
        for name, text in self.sources:
            if not name.startswith(("test/", "sim/")) or matches(name, MAY_SLEEP) or name == "test/layers_test.py":
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if SLEEP.search(line.split("//")[0]):
                    offences.append(f"{name}:{number}: sleeps: poll with a deadline through test/system/wait")
        self.expect_none(offences)


class Writing(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.sources = list(sources())
        cls.cxx = [(name, text) for name, text in cls.sources if pathlib.Path(name).suffix in CXX]

    def expect_none(self, offences):
        self.assertEqual(len(offences), 0, "\n" + "\n".join(offences))

    def test_every_file_starts_with_its_license(self):
        wanted = "SPDX-License-Identifier: Apache-2.0"
        self.expect_none([f"{name}:1: no `{wanted}`" for name, text in self.sources
                          if wanted not in "\n".join(text.splitlines()[:2])])

    def test_every_source_file_says_what_it_is(self):
        offences = []
        for name, text in self.cxx:
            lines = text.splitlines()
            if len(lines) < 3 or lines[1] != "//" or not lines[2].startswith("// "):
                offences.append(f"{name}:2: after the SPDX line come `//` and a comment that says what the file is")
        self.expect_none(offences)

    def test_every_header_has_its_guard(self):
        self.expect_none([f"{name}: no #pragma once" for name, text in self.cxx
                          if name.endswith(".h") and "\n#pragma once\n" not in text])

    def test_every_header_is_the_first_include_of_its_own_source(self):
        """So it is compiled alone there; cmake/tree_tests.cmake compiles those that have no source."""
        names = {name for name, _ in self.cxx}
        offences = []
        for name, text in self.cxx:
            header = re.sub(r"\.cc$", ".h", name)
            first = re.search(r'^#include ["<](.*)[">]', text, re.M)
            if header != name and header in names and (not first or first.group(1) != header):
                offences.append(f"{name}: its first include is not {header}")
        self.expect_none(offences)

    def test_no_line_and_no_file_is_too_long(self):
        offences = []
        for name, text in self.sources:
            lines = text.splitlines()
            if len(lines) > FILE_LINES_MAX:
                offences.append(f"{name}: {len(lines)} lines, more than {FILE_LINES_MAX}")
            offences += [f"{name}:{number}: {len(line)} characters, more than {LINE_MAX}"
                         for number, line in enumerate(lines, 1) if len(line) > LINE_MAX]
        self.expect_none(offences)

    def test_no_function_is_too_long(self):
        self.expect_none([f"{name}:{start}: a function of {length} lines, more than {FUNCTION_LINES_MAX}"
                          for name, text in self.cxx
                          for start, length in functions_beyond(text.splitlines(), FUNCTION_LINES_MAX)])

    def test_no_line_ends_in_blanks_and_no_tab_is_in_code(self):
        offences = []
        for name, text in self.sources:
            for number, line in enumerate(text.splitlines(), 1):
                if line != line.rstrip() or ("\t" in line and not name.endswith("Makefile")):
                    offences.append(f"{name}:{number}: a blank at the end, or a tab")
            if not text.endswith("\n") or text.endswith("\n\n"):
                offences.append(f"{name}: ends in no newline, or in more than one")
        self.expect_none(offences)

    def test_words_that_have_no_place_here(self):
        offences = []
        for name, text in self.sources:
            if name == "test/layers_test.py":
                continue
            for number, line in enumerate(text.splitlines(), 1):
                for pattern, why in WORDS:
                    allowed = name.startswith("test/") and ALLOWED_IN_TESTS.match(why)
                    if pattern.search(line) and not allowed:
                        offences.append(f"{name}:{number}: {line.strip()}: {why}")
        self.expect_none(offences)

    def test_the_documents_link_to_what_is_there(self):
        offences = []
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
                if not link.startswith("http") and not (path.parent / link).exists():
                    offences.append(f"{path.relative_to(ROOT)}: links to {link}, which is not there")
        self.expect_none(offences)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
