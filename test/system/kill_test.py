# SPDX-License-Identifier: Apache-2.0
#
# kill -9 on random members while clients write. Every write that was acknowledged must be there at the end, and must
# never be missed by a read on the way. A write whose outcome is unknown may be there or not.
#
#   ZRAFT_ROUNDS   how many rounds of killing (10)
#   ZRAFT_SEED     of the choice of victims; printed at the start
import json
import os
import random
import threading
import unittest

import wait
from processes import SystemTest

ROUNDS = int(os.environ.get("ZRAFT_ROUNDS", "10"))
SEED = int(os.environ.get("ZRAFT_SEED", str(random.randrange(1_000_000))))
WRITERS = 3
WRITES_BETWEEN = 6  # acknowledged ones, before and after a kill


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

    def run(self):
        number = 0
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
        known = self.acknowledged if self.succeeds("put", key, f"value of {key}") else self.unknown
        known.append(key)

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


class Kill(SystemTest):
    def setUp(self):
        super().setUp()
        print(f"ZRAFT_SEED={SEED} ZRAFT_ROUNDS={ROUNDS}", flush=True)
        self.random = random.Random(SEED)

    def wait_for_writes(self, why):
        writers = self.writers
        wanted = sum(len(writer.acknowledged) for writer in writers) + WRITES_BETWEEN

        def have_come():
            wrong = [wrong for writer in writers for wrong in writer.wrong]
            self.assertEqual(wrong, [])
            return sum(len(writer.acknowledged) for writer in writers) >= wanted

        wait.until(f"{WRITES_BETWEEN} writes were acknowledged {why}", have_come)

    def kill_some_and_start_them_again(self, number):
        victims = self.random.sample(self.nodes, self.random.choices([1, 2, 3], weights=[6, 2, 2])[0])
        names = ", ".join(node.name for node in victims)
        for node in victims:
            node.kill()
        if len(victims) == 1:
            self.wait_for_writes(f"without {names} in round {number}")
        for node in victims:
            node.start()
        self.wait_for_writes(f"after {names} came back in round {number}")

    def everything(self):
        read = self.zraft("--output", "json", "scan", "", "--limit", "1000000")
        self.assertEqual(read.returncode, 0, read.stderr)
        found = json.loads(read.stdout)
        items = found["items"] if isinstance(found, dict) else found
        return {item["key"]: item["value"] for item in items}

    def test_no_acknowledged_write_is_lost(self):
        self.start_group(3, "--max_segment_size", "64K")
        self.writers = [Writer(self, number) for number in range(WRITERS)]
        for writer in self.writers:
            writer.start()
        self.wait_for_writes("at the start")
        for number in range(ROUNDS):
            self.kill_some_and_start_them_again(number)
        for writer in self.writers:
            writer.is_to_end.set()
        for writer in self.writers:
            writer.join(wait.PATIENCE)
            self.assertEqual(writer.wrong, [])
        wait.until("all members have applied the same", self.all_applied_the_same)
        found = self.everything()
        for writer in self.writers:
            self.check(writer, found)
        print("acknowledged", sum(len(writer.acknowledged) for writer in self.writers), "unknown",
              sum(len(writer.unknown) for writer in self.writers), flush=True)

    def check(self, writer, found):
        lost = [key for key in writer.acknowledged if found.get(key) != f"value of {key}"]
        self.assertEqual(lost, [], "acknowledged, and lost")
        tried = set(writer.acknowledged) | set(writer.unknown)
        strange = [key for key in found if key.startswith(writer.name + "/") and key not in tried]
        self.assertEqual(strange, [], "never written")
        register = int(found[f"register/{writer.name}"])
        self.assertTrue(writer.may_be(register), f"{register}; {writer.register_acknowledged} was acknowledged")


if __name__ == "__main__":
    unittest.main(verbosity=2)
