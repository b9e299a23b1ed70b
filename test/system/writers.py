# SPDX-License-Identifier: Apache-2.0
#
# Clients that write without end while a test does what it does. Every write that was acknowledged must be there at the
# end, and must never be missed by a read on the way. A write whose outcome is unknown may be there or not.
import json
import threading
import time

import wait
from processes import SystemTest

WRITERS = 3
WRITES_BETWEEN = 6  # acknowledged ones, before and after what a test does


class Writer(threading.Thread):
    """Writes keys of its own, each once, and a register of its own, whose value only grows."""

    def __init__(self, test, number):
        super().__init__(daemon=True)
        self.test = test
        self.name = f"w{number}"
        self.is_to_end = threading.Event()
        self.acknowledged = []
        self.unknown = []
        self.register_acknowledged = -1
        self.register_unknown = set()
        self.wrong = []
        self.longest_gap = 0.0  # in seconds, between two acknowledged writes

    def run(self):
        number = 0
        self.last = time.monotonic()
        while not self.is_to_end.is_set() and not self.wrong:
            try:
                self.write_key(number)
                self.write_register(number)
                if number % 4 == 3:
                    self.read_back()
            except Exception as error:  # told by the test, at its end
                self.wrong.append(repr(error))
            number += 1

    def succeeds(self, *arguments):
        return self.test.zraft(*arguments, timeout=2).returncode == 0

    def write_key(self, number):
        key = f"{self.name}/{number:06}"
        if not self.succeeds("put", key, f"value of {key}"):
            self.unknown.append(key)
            return
        self.acknowledged.append(key)
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - self.last)
        self.last = now

    def write_register(self, number):
        if self.succeeds("put", f"register/{self.name}", str(number)):
            self.register_acknowledged = number
        else:
            self.register_unknown.add(number)

    def may_be(self, value):
        """A request whose answer was given up may still be on its way, and arrive after later ones."""
        return value == self.register_acknowledged or value in self.register_unknown

    def read_back(self):
        read = self.test.zraft("get", f"register/{self.name}", timeout=2)
        if read.returncode == 0 and not self.may_be(int(read.stdout)):
            self.wrong.append(f"{self.name}: read {read.stdout.strip()}, {self.register_acknowledged} was acknowledged")
        if read.returncode == 1 and self.register_acknowledged >= 0:
            self.wrong.append(f"{self.name}: nothing was read, {self.register_acknowledged} was acknowledged")


class WriterTest(SystemTest):
    def start_writers(self):
        self.writers = [Writer(self, number) for number in range(WRITERS)]
        for writer in self.writers:
            writer.start()
        self.wait_for_writes("at the start")

    def stop_writers(self):
        for writer in self.writers:
            writer.is_to_end.set()
        for writer in self.writers:
            writer.join(wait.PATIENCE)
            self.assertEqual(writer.wrong, [])

    def wait_for_writes(self, why):
        writers = self.writers
        wanted = sum(len(writer.acknowledged) for writer in writers) + WRITES_BETWEEN

        def have_come():
            wrong = [wrong for writer in writers for wrong in writer.wrong]
            self.assertEqual(wrong, [])
            return sum(len(writer.acknowledged) for writer in writers) >= wanted

        wait.until(f"{WRITES_BETWEEN} writes were acknowledged {why}", have_come)

    def everything(self):
        read = self.zraft("--output", "json", "scan", "", "--limit", "1000000")
        self.assertEqual(read.returncode, 0, read.stderr)
        found = json.loads(read.stdout)
        items = found["items"] if isinstance(found, dict) else found
        return {item["key"]: item["value"] for item in items}

    def check_writes(self):
        found = self.everything()
        for writer in self.writers:
            self.check(writer, found)
        print("acknowledged", sum(len(writer.acknowledged) for writer in self.writers), "unknown",
              sum(len(writer.unknown) for writer in self.writers), "longest time without an answer",
              f"{max(writer.longest_gap for writer in self.writers):.2f} s", flush=True)

    def check(self, writer, found):
        lost = [key for key in writer.acknowledged if found.get(key) != f"value of {key}"]
        self.assertEqual(lost, [], "acknowledged, and lost")
        tried = set(writer.acknowledged) | set(writer.unknown)
        strange = [key for key in found if key.startswith(writer.name + "/") and key not in tried]
        self.assertEqual(strange, [], "never written")
        register = int(found[f"register/{writer.name}"])
        self.assertTrue(writer.may_be(register), f"{register}; {writer.register_acknowledged} was acknowledged")
