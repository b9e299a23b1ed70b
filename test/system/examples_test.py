# SPDX-License-Identifier: Apache-2.0
#
# The lock and the election of examples/, as their users run them: two contenders against a group of three. One is
# killed, and the leader of the group with it; the other gets it after the session's timeout, with a larger token. One
# that was stopped and goes on again writes nothing any more.
import re
import signal
import subprocess
import unittest

import wait
from processes import BIN, SystemTest, die_with_parent


class Contender:
    """A running example, with its input and what it has said."""

    def __init__(self, test, name, *arguments):
        self.log = test.place / f"{name}.log"
        command = [str(BIN / arguments[0]), *map(str, arguments[1:]), *(node.address for node in test.nodes)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        test.addCleanup(self.end)

    def end(self):
        self.process.kill()
        self.process.wait(wait.PATIENCE)
        self.process.stdin.close()

    def said(self, pattern):
        return re.search(pattern, self.log.read_text())

    def says(self, pattern):
        return wait.until(f"{self.log.name} says {pattern}", lambda: self.said(pattern) or self.must_run(), patience=60)

    def must_run(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}: {self.log.read_text()}")

    def token(self):
        return int(self.says(r"with token (\d+)").group(1))

    def give(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def writes(self, line):
        self.give(line)
        self.says(f"wrote: {line}\n")

    def ends(self, status):
        self.process.stdin.close()
        return wait.until(f"{self.log.name} ends", lambda: self.process.poll() is not None) and \
            self.process.returncode == status


class Examples(SystemTest):
    def setUp(self):
        super().setUp()
        self.file = self.place / "protected"

    def waits(self, prefix, count):
        """Until so many stand in the queue."""
        wait.until(f"{count} wait", lambda: self.zraft("count", prefix).stdout == f"{count}\n")

    def kill_leader(self):
        leader = self.wait_for_leader()
        leader.kill()
        return leader

    def pass_on(self, first, second):
        """The first has it and is killed, and so is the leader. Gives both tokens."""
        before = first.token()
        first.writes("one")
        self.assertIsNone(second.said("with token"))
        leader = self.kill_leader()
        first.process.kill()
        after = second.token()
        self.assertGreater(after, before)
        second.writes("two")
        leader.start()
        return before, after

    def check_written(self, *lines):
        self.assertEqual(self.file.read_text(), "".join(f"{token} {text}\n" for token, text in lines))

    def goes_on_after_another(self, paused, other):
        """`paused` has it and stands still until `other` has written: it may write nothing any more."""
        token = paused.token()
        paused.process.send_signal(signal.SIGSTOP)
        later = other.token()
        other.writes("three")
        paused.process.send_signal(signal.SIGCONT)
        paused.give("too late")
        self.assertTrue(paused.ends(1), paused.log.read_text())
        self.assertRegex(paused.log.read_text(), "may be lost|another has")
        self.assertGreater(later, token)
        return later

    def test_a_lock_is_passed_on_with_a_larger_token(self):
        self.start_group()
        contenders = []
        for number in (1, 2, 3):
            contenders.append(Contender(self, f"lock{number}", "example_lock", "door", self.file))
            self.waits("door/", number)
        before, after = self.pass_on(*contenders[:2])
        later = self.goes_on_after_another(*contenders[1:])
        self.assertTrue(contenders[2].ends(0), contenders[2].log.read_text())
        self.expect("0\n", 0, "count", "door/")
        self.check_written((before, "one"), (after, "two"), (later, "three"))

    def test_an_office_is_passed_on_with_a_larger_token(self):
        self.start_group()
        first = Contender(self, "a", "example_election", "office", "a", self.file)
        first.token()
        second = Contender(self, "b", "example_election", "office", "b", self.file)
        second.says("follows a\n")
        before, after = self.pass_on(first, second)
        self.expect("b\n", 0, "get", "office")
        third = Contender(self, "c", "example_election", "office", "c", self.file)
        third.says("follows b\n")
        later = self.goes_on_after_another(second, third)
        self.assertTrue(third.ends(0), third.log.read_text())
        self.expect(None, 1, "get", "office")
        self.check_written((before, "one"), (after, "two"), (later, "three"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
