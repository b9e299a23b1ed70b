# SPDX-License-Identifier: Apache-2.0
#
# The ends that an operator chooses: SIGTERM, SIGINT, a change of settings between two starts, and a process that hangs.
import signal
import unittest

import wait
from processes import SystemTest


class Stopping(SystemTest):
    def test_sigterm_and_sigint_stop_cleanly_and_the_data_is_there_after_the_next_start(self):
        nodes = self.start_group()
        for number in range(20):
            self.expect(None, 0, "put", f"key{number}", f"value{number}")
        for node in nodes[:2]:
            self.assertEqual(node.stop(), 0)
        nodes[2].signal(signal.SIGINT)
        self.assertEqual(nodes[2].ended(), 0)
        for node in nodes:
            self.assertIn("zraftd stops", node.log().splitlines()[-1])
            node.start()
        for number in range(20):
            self.expect(f"value{number}\n", 0, "get", f"key{number}")

    def test_a_start_is_not_stopped_by_what_ended_before(self):
        """Stop and start at once, again and again: the address and the directory are free by then."""
        node, = self.start_group(1)
        for number in range(10):
            self.expect(None, 0, "put", "round", str(number))
            if number % 2 == 0:
                self.assertEqual(node.stop(), 0)
            else:
                node.kill()
            node.start()
            self.expect(f"{number}\n", 0, "get", "round")

    def test_a_segment_size_may_change_between_two_starts(self):
        node, = self.start_group(1, "--max_segment_size", "64K")
        self.expect(None, 0, "put", "key", "value")
        self.assertEqual(node.stop(), 0)
        node.flags = ["--max_segment_size", "1M"]
        node.start()
        self.expect("value\n", 0, "get", "key")

    def test_when_the_leader_hangs_the_others_go_on_and_it_follows_when_it_wakes(self):
        self.start_group()
        self.expect(None, 0, "put", "key", "before")
        hanging = self.wait_for_leader()
        hanging.signal(signal.SIGSTOP)
        others = [node.address for node in self.nodes if node is not hanging]
        wait.until("the others write", lambda: self.zraft("put", "key", "after", hosts=others).returncode == 0)
        hanging.signal(signal.SIGCONT)
        wait.until("all members have applied the same", self.all_applied_the_same)
        self.expect("after\n", 0, "get", "key")


if __name__ == "__main__":
    unittest.main(verbosity=2)
