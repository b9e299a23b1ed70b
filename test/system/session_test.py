#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Sessions with real processes: ephemeral keys that go with their owner, watches, and locks whose holders are killed,
# stopped, or lose the leader: never do two have a token that is good.
import json
import signal
import subprocess
import sys
import threading
import unittest

import pathlib

import wait
from processes import SystemTest

HOLDER = pathlib.Path(__file__).resolve().parent / "holder.py"


class Lines:
    """A zraft that goes on, and what it has printed so far."""

    def __init__(self, test, *arguments):
        command, environment = test.command_of(arguments)
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        test.addCleanup(self.end)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for(self, text):
        return wait.until(f"the line {text}", lambda: next((line for line in self.lines if text in line), None))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class WithLeader(SystemTest):
    def setUp(self):
        super().setUp()
        self.start_group()
        self.expect(None, 0, "put", "first", "1")

    def leader(self):
        def leads():
            rows = self.status()
            return next((node for node in self.nodes if rows.get(node.name, {}).get("role") == "leader"), None)
        return wait.until("a leader", leads)

class Sessions(WithLeader):
    def is_gone(self, key):
        return self.zraft("get", key).returncode == 1

    def test_an_ephemeral_key_goes_with_its_owner_and_a_watch_tells(self):
        watch = Lines(self, "--output", "json", "watch", "--prefix", "who/")
        watch.wait_for("watching")
        session = Lines(self, "session", "--session-timeout", "1")
        session.say("put --ephemeral who/a me")
        session.wait_for("ok, version")
        self.expect("me\n", 0, "get", "who/a")
        owner = json.loads(self.zraft("--output", "json", "get", "who/a").stdout)["owner"]
        self.assertGreater(owner, 0)
        session.process.kill()
        wait.until("the key is gone", lambda: self.is_gone("who/a"))
        event = json.loads(watch.wait_for("deleted"))
        self.assertTrue(event["expired"])
        self.assertEqual(len(watch.lines), 3, watch.lines)

    def test_a_session_that_is_closed_takes_its_keys_at_once(self):
        session = Lines(self, "session", "--session-timeout", "60")
        session.say("put --ephemeral mine x")
        session.say("put theirs y")
        session.say("close")
        self.assertEqual(session.process.wait(wait.PATIENCE), 0)
        self.assertTrue(self.is_gone("mine"))
        self.expect("y\n", 0, "get", "theirs")

    def test_sessions_and_watches_outlive_the_leader(self):
        watch = Lines(self, "--output", "json", "watch", "--prefix", "k/")
        watch.wait_for("watching")
        session = Lines(self, "session", "--session-timeout", "5")
        session.say("put --ephemeral k/mine x")
        session.wait_for("ok, version")
        watch.wait_for('"k/mine"')
        for number in range(3):
            leader = self.leader()
            leader.kill()
            session.say(f"put k/{number} {number}")
            watch.wait_for(f'"k/{number}"')
            leader.start()
        self.expect("x\n", 0, "get", "k/mine")
        self.assertEqual([json.loads(line)["key"] for line in watch.lines[1:]], ["k/mine", "k/0", "k/1", "k/2"])
        session.say("status")
        session.wait_for("is connected")

    def test_an_office_goes_to_who_has_waited_longest(self):
        first = Lines(self, "elect", "boss", "a", "--session-timeout", "1")
        first.wait_for("a is elected")
        second = Lines(self, "--output", "json", "elect", "boss", "b", "--session-timeout", "1")
        second.wait_for("waits")
        third = Lines(self, "--output", "json", "elect", "boss", "c", "--session-timeout", "1")
        third.wait_for("waits")
        first.process.kill()
        second.wait_for("elected")
        self.assertFalse(any("elected" in line for line in third.lines))
        second.process.terminate()
        self.assertEqual(second.process.wait(wait.PATIENCE), 0)
        third.wait_for("elected")


class Contender(threading.Thread):
    """Takes the lock again and again, and works under it."""

    def __init__(self, test, resource):
        super().__init__(daemon=True)
        self.test = test
        self.resource = resource
        self.is_to_end = threading.Event()
        self.process = None

    def run(self):
        command, environment = self.test.command_of(
            ("lock", "L", "--session-timeout", "1", "--", sys.executable, str(HOLDER), str(self.resource), "6"))
        while not self.is_to_end.is_set():
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.process.wait()


class Locks(WithLeader):
    def setUp(self):
        super().setUp()
        self.resource = self.place / "resource"
        self.resource.touch()
        self.contenders = [Contender(self, self.resource) for _ in range(3)]

    def work(self):
        return [line.split() for line in self.resource.read_text().splitlines()]

    def tokens(self):
        return {int(token) for token, _, outcome in self.work() if outcome == "accepted"}

    def holder(self):
        """The contender that works now, by the one who started its holder."""
        children = {contender.process.pid: contender for contender in self.contenders if contender.process}
        for _, name, _ in reversed(self.work()):
            try:
                parent = int(pathlib.Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if parent in children:
                return children[parent]
        return None

    def wait_for_another(self, why):
        before = max(self.tokens(), default=0)
        wait.until(f"another has the lock, {why}", lambda: max(self.tokens(), default=0) > before)

    def test_never_two_with_a_good_token(self):
        for contender in self.contenders:
            contender.start()
        self.wait_for_another("at the start")
        for number in range(6):
            holder = wait.until("somebody holds the lock", self.holder)
            process = holder.process
            if number % 3 == 0:
                process.kill()
                self.wait_for_another("after kill -9 of its holder")
            elif number % 3 == 1:
                leader = self.leader()
                leader.kill()
                self.wait_for_another("after kill -9 of the leader")
                leader.start()
            else:
                process.send_signal(signal.SIGSTOP)
                self.wait_for_another("while its holder's clock stood still")
                process.send_signal(signal.SIGCONT)
                self.wait_for_another("after it went on")
        for contender in self.contenders:
            contender.is_to_end.set()
        for contender in self.contenders:
            contender.join(wait.PATIENCE)
        self.check()

    def check(self):
        owner, newest = {}, 0
        for token, name, outcome in self.work():
            token = int(token)
            self.assertEqual(owner.setdefault(token, name), name, "one token, two holders")
            if outcome == "accepted":
                self.assertGreaterEqual(token, newest, "a token of old was accepted")
                newest = token
        print("tokens", len(owner), "refused", sum(outcome == "refused" for *_, outcome in self.work()), flush=True)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
